// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h2_head_block.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h2_fields.hpp"

namespace fairlead::http {
namespace {

constexpr std::size_t kKept = 4;                  // blocks with each thread
constexpr std::size_t kMostKept = 256;            // fields of a block that is kept
constexpr std::size_t kMostCookieKept = 4 << 10;  // bytes

struct Shelf {
  std::array<std::unique_ptr<H2HeadBlock>, kKept> blocks;
  std::size_t count = 0;
};

Shelf& shelf() {
  static thread_local Shelf kept;
  return kept;
}

}  // namespace

std::unique_ptr<H2HeadBlock> H2HeadBlock::take() {
  auto& kept = shelf();
  if (kept.count == 0) return std::make_unique<H2HeadBlock>();
  return std::move(kept.blocks[--kept.count]);
}

void H2HeadBlock::give(std::unique_ptr<H2HeadBlock> block) {
  auto& kept = shelf();
  block->clear();
  if (kept.count == kKept || block->raw_.capacity() > kMostKept || block->cookies_.capacity() > kMostCookieKept) return;
  kept.blocks[kept.count++] = std::move(block);
}

void H2HeadBlock::clear() {
  for (const auto& raw : raw_) {
    nghttp2_rcbuf_decref(raw.name);
    nghttp2_rcbuf_decref(raw.value);
  }
  raw_.clear();
  cookies_.clear();
  list_bytes_ = 0;
  too_large_ = false;
}

void H2HeadBlock::add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, const H2Limits& limits) {
  list_bytes_ += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len + 32;
  if (list_bytes_ > limits.header_list || raw_.size() >= limits.fields + kMostPseudo) too_large_ = true;
  if (too_large_) return;  // decoding goes on, as the table is shared, but nothing of it is kept
  nghttp2_rcbuf_incref(name);
  nghttp2_rcbuf_incref(value);
  raw_.push_back({name, value});
}

std::string_view H2HeadBlock::joined_cookie(std::string_view crumb) {
  if (!cookies_.empty()) cookies_ += "; ";
  cookies_ += crumb;
  return cookies_;
}

H2Fault H2HeadBlock::request_trailers(Fields& fields, const char*& why) {
  const auto fault = trailers(fields, why);
  if (fault != H2Fault::kNone) return fault;
  const auto forbidden = [](const Field& field) { return grammar::is_forbidden_trailer(field.name); };
  if (std::ranges::any_of(fields, forbidden)) return why = "field that trailers may not have", H2Fault::kMalformed;
  return H2Fault::kNone;
}

H2Fault H2HeadBlock::response_trailers(Fields& fields, const char*& why) {
  const auto fault = trailers(fields, why);
  std::erase_if(fields, [](const Field& field) { return grammar::is_hop_trailer(field.name); });
  return fault;
}

H2Fault H2HeadBlock::trailers(Fields& fields, const char*& why) const {
  fields.clear();
  for (const auto& raw : raw_) {
    const Field field{text_of(raw.name), text_of(raw.value)};
    if (field.name.starts_with(':')) return why = "pseudo-header field in trailers", H2Fault::kMalformed;
    if (!is_field_name(field.name)) return why = "invalid field name", H2Fault::kMalformed;
    if (!is_field_value(field.value)) return why = "invalid field value", H2Fault::kMalformed;
    fields.push_back(field);
  }
  return H2Fault::kNone;
}

}  // namespace fairlead::http
