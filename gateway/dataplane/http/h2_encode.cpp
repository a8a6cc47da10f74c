// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h2_encode.hpp"

#include <charconv>

#include "fairlead/http/date.hpp"

namespace fairlead::http {
namespace {

// nghttp2 reads only, though its fields are no pointers to const.
std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

}  // namespace

H2Section& H2Section::of_thread() {
  static thread_local H2Section section;
  return section;
}

void H2Section::begin(bool copied) {
  fields_.clear();
  flags_ = copied ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
}

void H2Section::add(std::string_view name, std::string_view value) {
  fields_.push_back({bytes_of(name), bytes_of(value), name.size(), value.size(), flags_});
}

void H2Section::add_all(const Fields& fields) {
  for (const auto& field : fields) add(field.name, field.value);
}

void H2Section::add_status(std::uint16_t status) {
  std::to_chars(status_.data(), status_.data() + status_.size(), status);
  add(":status", {status_.data(), status_.size()});
}

void H2Section::add_length(std::uint64_t length) {
  const auto* end = std::to_chars(length_.data(), length_.data() + length_.size(), length).ptr;
  add("content-length", {length_.data(), static_cast<std::size_t>(end - length_.data())});
}

void H2Section::response(const ResponseHead& head, bool copied) {
  begin(copied);
  add_status(head.status);
  add_all(head.fields);
  if (head.body == Body::kLength || head.has_length) add_length(head.content_length);
}

void H2Section::refusal(std::uint16_t status) {
  begin(true);
  add_status(status);
  add("date", date_now());
  add_length(0);
}

void H2Section::request(const RequestHead& head) {
  begin(true);
  const bool plain_connect = head.body == Body::kTunnel && head.protocol.empty();
  const bool extended_connect = head.body == Body::kTunnel && !head.protocol.empty();
  add(":method", extended_connect ? "CONNECT" : head.method_text);
  if (!plain_connect) {
    add(":scheme", head.scheme);
    add(":path", head.target);
  }
  if (!head.authority.empty()) add(":authority", head.authority);
  if (extended_connect) add(":protocol", head.protocol);
  add_all(head.fields);
  if (head.accepts_trailers) add("te", "trailers");
  if (head.expects_continue) add("expect", "100-continue");
  if (head.body == Body::kLength) add_length(head.content_length);
}

void H2Section::trailers(const Fields& fields) {
  begin(true);
  add_all(fields);
}

}  // namespace fairlead::http
