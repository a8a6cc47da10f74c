// SPDX-License-Identifier: Apache-2.0
#pragma once

// Kong's declarative file (`_format_version` 1.1, 2.1, 3.0) as Gateway API objects and fairlead's policies.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/config/diagnostic.hpp"

namespace fairlead::kong {

struct Options {
  std::string address{};           ///< where listeners are; empty: every address
  std::uint16_t http_port = 8000;  ///< 0: no such listener
  std::uint16_t https_port = 8443;
  std::string default_certificate{};  ///< PEM, with default_key: of the port for HTTPS where the file has none
  std::string default_key{};
  bool allow_partial = false;      ///< leaves out what cannot be served as Kong does; else that refuses the file
  bool objects_only = false;       ///< nobody serves by Converted::tracing: what asks for it is not served
};

/// What the plugin opentelemetry asks for; it is no object, as traces are the process' own.
struct Tracing {
  std::string endpoint;
  double sample_percent = -1;  ///< less than 0: not said
  /// As OpenTelemetry's variables have them: "name=value,other=value"; empty: none.
  std::string headers{}, resource_attributes{};
};

struct Converted {
  std::string yaml;  ///< the objects, one document each; empty where something is refused
  config::Diagnostics diagnostics;  ///< sorted by line
  std::size_t refused = 0;          ///< of them, errors
  std::optional<Tracing> tracing{};
};

/// Whether this is Kong's declarative format: a mapping at whose top `_format_version` stands.
[[nodiscard]] bool is_kong(std::string_view text, bool json);

/// `file`: its name, for diagnostics.
/// Thread: any.
[[nodiscard]] Converted convert(std::string_view text, bool json, const std::string& file, const Options& options);

/// The text of a regular file; of a directory an empty one. At most 64 MiB.
[[nodiscard]] Result<std::string> read_kong_file(const std::string& path);

/// Reads and converts. Fails only where the file cannot be read at all.
[[nodiscard]] Result<Converted> convert_file(const std::string& path, const Options& options);

}  // namespace fairlead::kong
