// SPDX-License-Identifier: Apache-2.0
// "FLC" and the version; a checksum (XXH3) of all that follows; the stamp; times; status and flags; fields, each with
// its lengths; the body, to the end. Numbers are little-endian.
#include "fairlead/cache/encoded.hpp"

#include <xxhash.h>

#include <algorithm>
#include <concepts>

#include "fairlead/cache/control.hpp"
#include "gateway/dataplane/http/grammar.hpp"

namespace fairlead::cache {
namespace {

constexpr std::string_view kMagic = "FLC\x01";
constexpr std::size_t kHead = kMagic.size() + sizeof(std::uint64_t);
constexpr std::size_t kMostFields = 512;
constexpr std::size_t kMostName = 1024;
constexpr std::size_t kMostValue = 65'535;
constexpr std::int64_t kMostMs = std::int64_t{kMostSeconds} * 1000;
constexpr std::uint8_t kValidateAlways = 1, kValidateStale = 2;

template <std::unsigned_integral Number>
void put(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

/// Reads from the front; once there is too little, everything is 0 and `good` is false.
class Cursor {
 public:
  explicit Cursor(std::string_view data) : data_(data) {}

  std::string_view text(std::size_t size) {
    if (size > data_.size()) {
      good = false;
      data_ = {};
      return {};
    }
    const auto out = data_.substr(0, size);
    data_.remove_prefix(size);
    return out;
  }
  template <std::unsigned_integral Number>
  Number number() {
    std::uint64_t out = 0;
    const auto bytes = text(sizeof(Number));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      out |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return static_cast<Number>(out);
  }
  /// Milliseconds, 0 to `most`.
  std::int64_t time(std::int64_t most) {
    const auto out = number<std::uint64_t>();
    if (out > static_cast<std::uint64_t>(most)) good = false;
    return good ? static_cast<std::int64_t>(out) : 0;
  }
  [[nodiscard]] std::string_view rest() const { return data_; }

  bool good = true;

 private:
  std::string_view data_;
};

/// As they are stored: in lower case.
bool is_name(std::string_view text) {
  return text.size() <= kMostName && http::grammar::is_token(text) &&
         std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_value(std::string_view text) { return http::grammar::all(text, http::grammar::kContent); }

/// Fields that frame messages, are written anew for each answer, or are for one client: no stored response has them.
bool is_never_stored(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "age", "connection", "content-length", "keep-alive",        "set-cookie",        "proxy-connection",
      "te",  "trailer",    "upgrade",        "transfer-encoding", "proxy-authenticate"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

bool read_fields(Cursor& in, http::Fields& out) {
  const auto count = in.number<std::uint16_t>();
  if (count > kMostFields) return false;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = in.text(in.number<std::uint16_t>());
    const auto value = in.text(in.number<std::uint16_t>());
    if (!in.good || !is_name(name) || !is_value(value) || is_never_stored(name)) return false;
    out.push_back({name, value});
  }
  return true;
}

void read_times(Cursor& in, const Moment& now, Entry& out) {
  const auto born = in.time(now.wall + kMostAhead);
  out.born = now.monotonic - std::max<std::int64_t>(0, now.wall - born);
  out.lifetime = in.time(kMostMs);
  out.stale_while_revalidate = in.time(kMostMs);
  out.stale_if_error = in.time(kMostMs);
}

bool is_status(std::uint16_t status) { return status >= 200 && status <= 599 && status != 206 && status != 304; }

}  // namespace

bool may_be_shared(const http::Fields& fields) {
  const auto control = control_of(fields, false);
  return !control.is_private && (!control.no_store || control.must_understand);
}

std::string encode(const Entry& entry, const Stamp& stamp, const Moment& now, std::size_t most) {
  std::size_t size = entry.body->size() + 128;
  for (const auto& field : entry.fields) {
    if (field.name.size() > kMostName || field.value.size() > kMostValue || is_never_stored(field.name)) return {};
    size += field.name.size() + field.value.size() + 4;
  }
  if (entry.fields.size() > kMostFields || size > std::min(most, kMostEncoded)) return {};
  std::string out(kMagic);
  out.reserve(size);
  put(out, std::uint64_t{0});
  out.append(reinterpret_cast<const char*>(stamp.digest.data()), stamp.digest.size());
  put(out, stamp.journal);
  put(out, stamp.purge);
  put(out, static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall - (now.monotonic - entry.born))));
  for (const auto time : {entry.lifetime, entry.stale_while_revalidate, entry.stale_if_error})
    put(out, static_cast<std::uint64_t>(std::clamp<std::int64_t>(time, 0, kMostMs)));
  put(out, entry.status);
  put(out, static_cast<std::uint8_t>((entry.validate_always ? kValidateAlways : 0) |
                                     (entry.validate_stale ? kValidateStale : 0)));
  put(out, static_cast<std::uint16_t>(entry.fields.size()));
  for (const auto& field : entry.fields) {
    put(out, static_cast<std::uint16_t>(field.name.size()));
    out += field.name;
    put(out, static_cast<std::uint16_t>(field.value.size()));
    out += field.value;
  }
  put(out, static_cast<std::uint32_t>(entry.body->size()));
  out += *entry.body;
  std::string sum;
  put(sum, std::uint64_t{XXH3_64bits(out.data() + kHead, out.size() - kHead)});
  out.replace(kMagic.size(), sum.size(), sum);
  return out;
}

std::shared_ptr<Entry> decode(std::string_view data, const std::vector<std::string>& tag_fields, const Moment& now,
                              Stamp& stamp) {
  if (data.size() > kMostEncoded || !data.starts_with(kMagic)) return nullptr;
  Cursor in(data.substr(kMagic.size()));
  const auto sum = in.number<std::uint64_t>();
  if (!in.good || sum != XXH3_64bits(in.rest().data(), in.rest().size())) return nullptr;
  const auto digest = in.text(stamp.digest.size());
  std::ranges::copy(digest, stamp.digest.begin());
  stamp.journal = in.number<std::uint64_t>();
  stamp.purge = in.number<std::uint64_t>();
  auto out = std::make_shared<Entry>();
  read_times(in, now, *out);
  out->status = in.number<std::uint16_t>();
  const auto flags = in.number<std::uint8_t>();
  out->validate_always = (flags & kValidateAlways) != 0;
  out->validate_stale = (flags & kValidateStale) != 0;
  http::Fields fields;
  if (!in.good || !is_status(out->status) || flags > (kValidateAlways | kValidateStale) || !read_fields(in, fields))
    return nullptr;
  if (const auto length = in.number<std::uint32_t>(); !in.good || length != in.rest().size()) return nullptr;
  if (!may_be_shared(fields)) return nullptr;
  out->assign(fields, tag_fields, now.wall / 1000);
  if (std::ranges::find(out->vary, "*") != out->vary.end()) return nullptr;
  out->body = std::make_shared<const std::string>(in.rest());
  return out;
}

}  // namespace fairlead::cache
