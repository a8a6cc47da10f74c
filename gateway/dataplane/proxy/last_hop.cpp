// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/last_hop.hpp"

#include <algorithm>
#include <charconv>

#include "gateway/dataplane/telemetry/redact.hpp"

namespace fairlead::proxy {

bool ends_here(http::RequestHead& head, Arena& arena) {
  if (head.method != http::Method::kOptions && head.method != http::Method::kTrace) return false;
  const auto field = std::ranges::find(head.fields, "max-forwards", &http::Field::name);
  if (field == head.fields.end()) return false;
  const char* const end = field->value.data() + field->value.size();
  std::uint64_t left = 0;
  const auto [at, error] = std::from_chars(field->value.data(), end, left);
  // What is no number says nothing; one that is too large stays as it is.
  if (at != end || error != std::errc{}) return false;
  if (left == 0) return true;
  field->value = arena.copy(std::to_string(left - 1));
  return false;
}

std::string traced(const http::RequestHead& head) {
  std::string out(head.method_text);
  out.append(" ").append(head.target);
  out.append(head.version == http::Version::kHttp2    ? " HTTP/2\r\n"
             : head.version == http::Version::kHttp10 ? " HTTP/1.0\r\n"
                                                      : " HTTP/1.1\r\n");
  if (!head.authority.empty()) out.append("host: ").append(head.authority).append("\r\n");
  for (const auto& field : head.fields) {
    if (telemetry::secret_field(field.name)) continue;
    out.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return out.append("\r\n");
}

}  // namespace fairlead::proxy
