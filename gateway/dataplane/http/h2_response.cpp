// SPDX-License-Identifier: Apache-2.0
// A response's field section, RFC 9113 8.3.2.
#include <utility>

#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h2_fields.hpp"
#include "gateway/dataplane/http/h2_head_block.hpp"

namespace fairlead::http {
namespace {

void empty_response(ResponseHead& head) {
  auto room = std::move(head.fields);
  room.clear();
  head = ResponseHead{};
  head.fields = std::move(room);
  head.version = Version::kHttp2;
  head.status = 0;
}

const char* take_status(const Field& field, ResponseHead& head) {
  if (field.name != ":status") return "unknown pseudo-header field";
  if (head.status != 0) return "repeated :status";
  if (field.value.size() != 3 || !grammar::all(field.value, grammar::kDigit)) return "invalid :status";
  head.status =
      static_cast<std::uint16_t>((field.value[0] - '0') * 100 + (field.value[1] - '0') * 10 + (field.value[2] - '0'));
  if (head.status < 100 || head.status > 599) return "invalid :status";
  return head.status == 101 ? "101 in HTTP/2" : nullptr;
}

const char* take_field(const Field& field, bool is_known_name, ResponseHead& head) {
  if (!is_known_name && !is_field_name(field.name)) return "invalid field name";
  if (!is_field_value(field.value)) return "invalid field value";
  if (is_connection_specific(field.name) || field.name == "te") return "connection-specific field";
  if (field.name == "content-length") {
    if (head.has_length) return "repeated Content-Length";
    if (!parse_length(field.value, head.content_length)) return "invalid Content-Length";
    head.has_length = true;
    return nullptr;
  }
  head.fields.push_back(field);
  return nullptr;
}

}  // namespace

H2Fault H2HeadBlock::response(ResponseHead& head, const char*& why) {
  empty_response(head);
  if (too_large_) return why = "field section too large", H2Fault::kTooLarge;
  bool regular = false;
  for (const auto& raw : raw_) {
    const Field field{text_of(raw.name), text_of(raw.value)};
    if (field.name.starts_with(':')) {
      why = regular ? "pseudo-header field behind others" : take_status(field, head);
    } else {
      regular = true;
      why = take_field(field, nghttp2_rcbuf_is_static(raw.name) != 0, head);
    }
    if (why != nullptr) return H2Fault::kMalformed;
  }
  if (head.status == 0) return why = "missing :status", H2Fault::kMalformed;
  return H2Fault::kNone;
}

}  // namespace fairlead::http
