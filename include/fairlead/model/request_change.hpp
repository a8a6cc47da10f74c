// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sections fault, validation, transform and answer of a RequestPolicy. Texts that are templates are written as
// change/template.hpp reads them; readers have compiled each once, so that they are known to be good.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/base/address.hpp"

namespace fairlead::model {

/// In the order in which changes of one message are made.
enum class ChangeKind : std::uint8_t {
  kRemove,
  kRename,
  kReplace,  ///< only what is there
  kSet,
  kAdd,      ///< only what is not there
  kAppend,   ///< one more
};

/// Of a header (name in lower case) or a query parameter.
struct FieldChange {
  ChangeKind kind = ChangeKind::kSet;
  std::string name;
  std::string value;  ///< a template; with kRename the new name
};

struct JsonChange {
  ChangeKind kind = ChangeKind::kSet;
  std::string path;   ///< change::parse_json_path
  std::string value;  ///< a JSON template; with kRename the new path
};

struct BodyChange {
  std::vector<JsonChange> json;
  std::string map;           ///< a JSON template in place of the whole body; empty: none
  std::string text;          ///< a template in place of the whole body, escaped by content_type; empty: none
  std::string content_type;  ///< of what text makes; empty: application/json
  [[nodiscard]] bool empty() const { return json.empty() && map.empty() && text.empty(); }
};

struct RequestTransform {
  std::string method;  ///< empty: unchanged, and so below
  std::string path;    ///< a template
  std::string backend_path;  ///< a template of the path that the backend gets, whatever the route makes of it
  std::vector<FieldChange> headers;
  std::vector<FieldChange> query;
  BodyChange body;
  std::vector<FieldChange> body_fields;  ///< of JSON, a form or multipart/form-data; names are those at its top
  bool pass = false;  ///< a body that cannot be read passes as it is; else 400
};

struct ResponseTransform {
  std::vector<FieldChange> headers;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> status;  ///< from, to
  BodyChange body;
  bool fail = false;  ///< what cannot be changed (too large, no JSON, another coding) gets 502; else it passes as it is
};

struct Transform {
  RequestTransform request;
  ResponseTransform response;
  std::uint64_t max_body_bytes = 1024 * 1024;  ///< of a body that is changed, before and after it is expanded
};

/// Requests that the maintenance does not concern.
struct MaintenanceAllow {
  std::vector<Cidr> addresses;
  std::string header;  ///< in lower case; empty: none
  std::string value;  ///< of it
};

struct FixedAnswer {
  std::uint16_t status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, templates
  std::string body;  ///< a template
  std::string content_type;  ///< empty: text/plain for a body
  std::string detail;  ///< of problem details; empty: the gateway's words
  std::string trigger;  ///< answers requests with this header or parameter only; empty: all
  bool has_body = false;  ///< false: problem details for 4xx and 5xx, else nothing
  std::chrono::milliseconds delay{0};
  bool maintenance = false;
  std::chrono::milliseconds retry_after{0};
  MaintenanceAllow allow;
};

/// Shares are parts of a million.
struct Fault {
  std::uint32_t delay_share = 0;
  std::chrono::milliseconds delay{0};
  std::uint32_t abort_share = 0;
  std::uint16_t abort_status = 0;  ///< 0: grpc_status
  std::uint8_t grpc_status = 0;
  std::vector<std::pair<std::string, std::string>> when;  ///< headers: all of them; an empty value: any
};

struct Validation {
  std::string schema;  ///< JSON; empty: none
  std::vector<std::string> content_types{"application/json"};  ///< that the schema is for; others get 415
  bool body_required = true;
  std::string openapi;  ///< JSON; empty: none, or in a ConfigMap
  std::string openapi_config_map;  ///< of the policy's namespace; empty: none
  std::string openapi_key;  ///< of its data; JSON
  std::string base_path;  ///< in front of OpenAPI's paths; without a slash at its end
  bool warn_of_responses = false;  ///< answers that OpenAPI does not describe are logged
  bool pass_unknown = false;  ///< paths and methods that OpenAPI does not name are let through
  std::uint64_t max_body_bytes = 1024 * 1024;
  std::uint32_t max_depth = 64;
  std::uint32_t max_problems = 16;
};

}  // namespace fairlead::model
