// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sections correlation and crossOrigin of a RequestPolicy.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fairlead::model {

/// A field by which a request is found again in the logs of others.
struct Correlation {
  enum class Generator : std::uint8_t {
    kUuid,
    kCounter,  ///< UUID#N: one UUID of the worker, and how many it has made so
    kTracker,  ///< address, port, process, connection, number and time
  };
  std::string header;  ///< in lower case; what a client has sent stays
  Generator generator = Generator::kUuid;
  bool echo = false;  ///< responses have it, too
};

/// Cross-origin requests, decided here whatever becomes of the request.
struct CrossOrigin {
  /// "*", "https://a.example", or an expression of RE2 for the whole origin (where it has a ':'), else for its host.
  std::vector<std::string> origins{"*"};
  std::vector<std::string> methods{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"};
  std::vector<std::string> headers;  ///< empty: those that are asked for
  std::vector<std::string> exposed_headers;
  bool credentials = false;
  bool private_network = false;
  bool passes_preflights = false;  ///< to the backend; else they are answered
  bool tells_all = true;           ///< responses to requests without Origin, too
  std::optional<std::uint32_t> max_age;  ///< seconds
};

}  // namespace fairlead::model
