// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/entry.hpp"

#include <algorithm>

#include "fairlead/cache/control.hpp"
#include "fairlead/cache/date.hpp"

namespace fairlead::cache {
namespace {

bool is_stored(const http::Field& field, const Control& control) {
  // Age is written anew for each answer, and trailers are not stored.
  if (field.name == "age" || field.name == "trailer") return false;
  if (field.name.starts_with("proxy-")) {
    // RFC 9111 section 3.1: about the connection to the proxy before us.
    if (field.name == "proxy-authenticate" || field.name == "proxy-authentication-info") return false;
  }
  return !names(control.private_fields, field.name) && !names(control.no_cache_fields, field.name);
}

/// Pieces of a list that is separated by commas, spaces, or both: Cache-Tag and Surrogate-Key.
template <class F>
void each_tag(std::string_view text, F&& f) {
  while (true) {
    const auto begin = text.find_first_not_of(", \t");
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(", \t"), text.size());
    f(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace

std::size_t Entry::bytes() const {
  constexpr std::size_t kNodes = 64;  // of the shared pointers and what the allocator adds
  return sizeof *this + kNodes + text_.capacity() + fields.capacity() * sizeof(http::Field) + body->capacity() +
         vary_values.capacity() + (vary.capacity() + tags.capacity()) * sizeof(std::string_view);
}

void Entry::assign(const http::Fields& from, const std::vector<std::string>& tag_fields, std::int64_t now_s) {
  const auto control = control_of(from, false);
  const bool dated = http::find(from, "date") != nullptr;
  std::size_t room = dated ? 0 : 4 + std::tuple_size_v<DateText>;
  std::size_t count = dated ? 0 : 1;
  for (const auto& field : from) {
    if (!is_stored(field, control)) continue;
    room += field.name.size() + field.value.size() + (field.name == "vary" ? field.value.size() : 0);
    ++count;
  }
  text_.reserve(room);  // views into it stay: nothing below goes beyond
  fields.reserve(count);
  const auto copy = [&](std::string_view text) {
    const auto at = text_.size();
    text_ += text;
    return std::string_view(text_).substr(at);
  };
  for (const auto& field : from) {
    if (!is_stored(field, control)) continue;
    const auto name = copy(field.name);
    const auto& added = fields.emplace_back(name, copy(field.value));
    if (std::ranges::find(tag_fields, field.name) != tag_fields.end())
      each_tag(added.value, [&](std::string_view tag) { tags.push_back(tag); });
    if (field.name != "vary") continue;
    auto list = field.value;
    std::string_view member;
    while (next_member(list, member)) {
      const auto at = text_.size();
      for (const char c : member) text_ += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      vary.push_back(std::string_view(text_).substr(at));
    }
  }
  if (!dated) {
    const auto date = format_date(now_s);
    const auto name = copy("date");
    fields.push_back({name, copy({date.data(), date.size()})});
  }
  std::ranges::sort(vary);
  vary.erase(std::ranges::unique(vary).begin(), vary.end());
  validators = validators_of(fields, now_s);
}

void Entry::set_terms(const Terms& terms, std::int64_t now_ms) {
  born = now_ms - terms.age;
  lifetime = terms.lifetime;
  stale_while_revalidate = terms.stale_while_revalidate;
  stale_if_error = terms.stale_if_error;
  validate_always = terms.validate_always;
  validate_stale = terms.validate_stale;
}

void append_vary(const std::vector<std::string_view>& names, const http::Fields& request, std::string& out) {
  for (const auto name : names) {
    bool found = false;
    for (const auto& field : request) {
      if (field.name != name) continue;
      out += found ? ',' : '=';
      out += field.value;
      found = true;
    }
    out += '\n';  // no value holds one
  }
}

http::Fields freshened_fields(const Entry& entry, const http::Fields& update) {
  http::Fields out;
  const auto replaced = [&](std::string_view name) { return http::find(update, name) != nullptr; };
  // What tells how the stored body is to be read is the stored response's.
  const auto is_kept = [](std::string_view name) {
    return name == "content-encoding" || name == "content-type" || name == "content-range" || name == "vary";
  };
  for (const auto& field : entry.fields)
    if (is_kept(field.name) || (field.name != "date" && !replaced(field.name))) out.push_back(field);
  for (const auto& field : update)
    if (!is_kept(field.name)) out.push_back(field);
  return out;
}

}  // namespace fairlead::cache
