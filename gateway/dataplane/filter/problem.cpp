// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/problem.hpp"

#include <string>

namespace fairlead::filter {
namespace {

/// A JSON string; what is no ASCII passes as it is.
void append_json(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_type(std::string& out, std::string_view type) {
  if (type.empty()) out += "about:blank";
  else out.append("https://iana.org/assignments/http-problem-types#").append(type);
}

void append_policies(std::string& out, std::span<const std::string_view> policies) {
  if (policies.empty()) return;
  out += ",\"violated-policies\":";
  char before = '[';
  for (const auto name : policies) {
    out += before;
    append_json(out, name);
    before = ',';
  }
  out += ']';
}

}  // namespace

void answer_problem(Request& request, std::uint16_t status, std::string_view title, std::string_view detail,
                    telemetry::ResponseFlag flag, http::Fields more, std::string_view log_details,
                    const ProblemWords& words) {
  std::string body = R"({"type":")";
  append_type(body, words.type);
  body += R"(","title":)";
  append_json(body, title);
  body += ",\"status\":" + std::to_string(status) + ",\"detail\":";
  append_json(body, detail);
  body += ",\"request_id\":";
  append_json(body, request.record().request_id);
  append_policies(body, words.policies);
  body += "}\n";
  Answer answer{.status = status,
                .fields = std::move(more),
                .body = body,
                .flag = flag,
                .details = log_details,
                .reason = words.reason,
                .message = words.message,
                .sentence = detail};
  answer.fields.insert(answer.fields.begin(), {"content-type", "application/problem+json"});
  request.answer(answer);
}

}  // namespace fairlead::filter
