// SPDX-License-Identifier: Apache-2.0
#pragma once

// Section aggregate of a RequestPolicy: one answer from several backends.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"

namespace fairlead::model {

struct AggregateCall {
  std::string name;
  BackendTarget backend;
  std::string method = "GET";
  std::string path;  ///< a template
  std::vector<std::pair<std::string, std::string>> query;    ///< templates
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, templates
  std::vector<std::string> forward_headers;  ///< of the request, in lower case
  std::string host;  ///< empty: of the request
  std::string body;  ///< a JSON template; empty: none
  std::chrono::milliseconds timeout{5000};
  bool required = true;  ///< without its answer there is none; else a part is missing
  std::vector<std::string> depends_on;  ///< calls whose answers it waits for, those of its templates among them
  // What is taken of its answer, in this order.
  std::string select;                ///< a JSON path; empty: all
  std::vector<std::string> fields;   ///< JSON paths that are kept; empty: all
  std::vector<std::string> remove;   ///< JSON paths
  std::vector<std::pair<std::string, std::string>> rename;  ///< JSON paths
  std::string group;  ///< its member of the result
};

struct Aggregate {
  enum class Mode : std::uint8_t {
    kAll,      ///< one mapping of all answers
    kFirstOf,  ///< the first good answer
  };
  enum class Merge : std::uint8_t {
    kObject,  ///< each answer under its group
    kFlat,    ///< members of all answers side by side; of two of the same name that of the later call counts
  };
  std::vector<AggregateCall> calls;  ///< 1 to 16
  Mode mode = Mode::kAll;
  Merge merge = Merge::kObject;
  bool stream = false;  ///< parts go out in the calls' order before later ones have come; completeness in a trailer
  bool partial = false;  ///< answers without what required calls should have brought, too
  std::string complete_header = "x-complete";  ///< true or false; empty: none
  std::uint64_t max_answer_bytes = 1024 * 1024;  ///< of each call
};

}  // namespace fairlead::model
