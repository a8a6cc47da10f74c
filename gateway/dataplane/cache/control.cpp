// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/control.hpp"

#include <algorithm>

namespace fairlead::cache {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

constexpr std::size_t kMostQuoted = 256;  // bytes; bounds how often a byte is looked at, whatever the text

/// Where the member that `list` begins with ends: at a comma outside of quotes. Quotes after which no such comma comes
/// soon quote nothing, so that no directive hides behind them.
std::size_t member_end(std::string_view list) {
  auto first_quote = std::string_view::npos;
  bool quoted = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (first_quote != std::string_view::npos && i - first_quote > kMostQuoted)
      return std::min(list.find(','), list.size());
    if (quoted && list[i] == '\\') ++i;
    else if (list[i] == ',' && !quoted) return i;
    else if (list[i] == '"') {
      quoted = !quoted;
      first_quote = std::min(first_quote, i);
    }
  }
  return quoted ? std::min(list.find(','), list.size()) : list.size();
}

std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

void shorter(std::optional<std::uint32_t>& out, std::string_view argument) {
  const auto value = parse_seconds(argument).value_or(0);
  out = out ? std::min(*out, value) : value;
}

/// Directives whose argument is a number of seconds; true where `name` is one.
bool timed(std::string_view name, std::string_view argument, bool has_argument, Control& out) {
  if (name == "max-age") shorter(out.max_age, argument);
  else if (name == "s-maxage") shorter(out.s_maxage, argument);
  else if (name == "stale-while-revalidate") shorter(out.stale_while_revalidate, argument);
  else if (name == "stale-if-error") shorter(out.stale_if_error, argument);
  else if (name == "min-fresh") {
    // The longer one: it asks for more.
    out.min_fresh = std::max(out.min_fresh.value_or(0), parse_seconds(argument).value_or(kMostSeconds));
  } else if (name == "max-stale") {
    if (has_argument) shorter(out.max_stale, argument);
    else if (!out.max_stale) out.max_stale = kMostSeconds;
  } else return false;
  return true;
}

/// no-cache and private: with an argument they are about single fields only. An empty or broken list means the whole
/// response, which is the stricter reading.
void qualified(bool& whole, std::string_view& fields, std::string_view argument, bool quoted) {
  if (!quoted || trim(argument).empty() || !fields.empty()) whole = true;
  else fields = argument;
}

}  // namespace

std::optional<std::uint32_t> parse_seconds(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(c - '0'), kMostSeconds);
  }
  return static_cast<std::uint32_t>(value);
}

bool next_member(std::string_view& list, std::string_view& member) {
  while (!list.empty()) {
    const auto end = member_end(list);
    member = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (!member.empty()) return true;
  }
  return false;
}

bool equal_ignoring_case(std::string_view text, std::string_view lower_case) {
  return std::ranges::equal(text, lower_case, {}, lower);
}

bool names(std::string_view list, std::string_view lower_case) {
  std::string_view member;
  while (next_member(list, member))
    if (equal_ignoring_case(member, lower_case)) return true;
  return false;
}

void parse_cache_control(std::string_view value, Control& out) {
  std::string_view member;
  while (next_member(value, member)) {
    const auto equals = member.find('=');
    const bool has_argument = equals != std::string_view::npos;
    const auto raw = trim(member.substr(0, equals));
    const auto argument_text = has_argument ? trim(member.substr(equals + 1)) : std::string_view();
    const auto argument = unquote(argument_text);
    char buffer[32];
    if (raw.empty() || raw.size() > sizeof buffer) continue;
    std::ranges::transform(raw, buffer, lower);
    const std::string_view name(buffer, raw.size());
    const bool quoted = argument.size() != argument_text.size();
    if (timed(name, argument, has_argument, out)) continue;
    if (name == "no-store") out.no_store = true;
    else if (name == "no-cache") qualified(out.no_cache, out.no_cache_fields, argument, quoted);
    else if (name == "private") qualified(out.is_private, out.private_fields, argument, quoted);
    else if (name == "public") out.is_public = true;
    else if (name == "must-revalidate") out.must_revalidate = true;
    else if (name == "proxy-revalidate") out.proxy_revalidate = true;
    else if (name == "must-understand") out.must_understand = true;
    else if (name == "no-transform") out.no_transform = true;
    else if (name == "only-if-cached") out.only_if_cached = true;
    else if (name == "immutable") out.immutable = true;
  }
}

Control control_of(const http::Fields& fields, bool request) {
  Control out;
  bool found = false;
  bool pragma = false;
  for (const auto& field : fields) {
    if (field.name == "cache-control") {
      found = true;
      parse_cache_control(field.value, out);
    } else if (request && field.name == "pragma") {
      pragma = pragma || names(field.value, "no-cache");
    }
  }
  if (!found && pragma) out.no_cache = true;
  return out;
}

}  // namespace fairlead::cache
