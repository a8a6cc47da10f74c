// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/fields.hpp"

#include <algorithm>

namespace fairlead::config {
namespace {

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_visible(char c) { return c >= '!' && c <= '~'; }

/// [domain/]name, as of annotations.
bool is_option_key(std::string_view key) {
  if (const auto slash = key.find('/'); slash != std::string_view::npos) {
    if (slash >= 253 || !is_dns_subdomain(key.substr(0, slash))) return false;
    key.remove_prefix(slash + 1);
  }
  return !key.empty() && key.size() <= 63 && is_alnum(key.front()) && is_alnum(key.back()) &&
         std::ranges::all_of(key, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::optional<std::uint64_t> take_duration_part(std::string_view& text) {
  constexpr std::size_t kMostDigits = 5;
  std::uint64_t value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9')
    value = value * 10 + static_cast<std::uint64_t>(text[digits++] - '0');
  if (digits == 0 || digits > kMostDigits) return std::nullopt;
  text.remove_prefix(digits);
  constexpr std::pair<std::string_view, std::uint64_t> kUnits[] = {
      {"ms", 1}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}};
  for (const auto& [unit, factor] : kUnits) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return value * factor;
  }
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_gep_2257(std::string_view text) {
  constexpr int kMostParts = 4;
  std::uint64_t total = 0;
  int parts = 0;
  if (text.size() > 64) return std::nullopt;
  while (!text.empty()) {
    const auto part = take_duration_part(text);
    if (!part || ++parts > kMostParts) return std::nullopt;
    total += *part;
  }
  if (parts == 0) return std::nullopt;
  return std::chrono::milliseconds(total);
}

}  // namespace

void check_one(Reader& reader, View at, std::initializer_list<std::string_view> names, std::size_t least) {
  std::string list;
  std::size_t found = 0;
  for (const auto name : names) {
    list.append(list.empty() ? "" : ", ").append(name);
    if (at.find(name)) ++found;
  }
  const auto expected = (least == 0 ? "at most one of " : "exactly one of ") + list;
  if (found < least) reader.missing(at, *names.begin(), expected);
  if (found > 1) reader.error(at, expected);
}

bool is_hostname(std::string_view text, bool wildcard) {
  if (text.size() > 253) return false;
  if (wildcard && text.starts_with("*.")) text.remove_prefix(2);
  return is_dns_subdomain(text);
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || kMarks.find(c) != std::string_view::npos; });
}

bool is_header_value(std::string_view text) {
  if (text.empty() || !is_visible(text.front()) || !is_visible(text.back())) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool blank = text[i] == ' ' || text[i] == '\t';
    if (!blank && !is_visible(text[i])) return false;
    if (blank && !is_visible(text[i + 1])) return false;  // one blank between words; the last is none
  }
  return true;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

void read_header_name(Reader& reader, View at, std::string& out) {
  if (read_text(reader, at, out, 1, 256, is_token, "a header's name: letters, digits and !#$%&'*+-.^_`|~"))
    out = lower(out);
}

std::optional<std::chrono::milliseconds> read_duration(Reader& reader, View at) {
  const auto value = at.is_string() ? parse_gep_2257(at.text()) : std::nullopt;
  if (!value) reader.error(at, "a duration such as 1m30s or 250ms (h, m, s, ms; whole numbers of at most five digits)");
  return value;
}

namespace {

constexpr std::chrono::seconds kMostKeepAlive{32767};  // of the kernel

void read_seconds(Reader& reader, View at, std::chrono::seconds least, std::chrono::milliseconds& out) {
  const auto value = read_duration(reader, at);
  if (!value) return;
  if (*value < least || *value > kMostKeepAlive || *value % std::chrono::seconds(1) != std::chrono::seconds(0))
    return reader.error(at, "whole seconds, " + std::to_string(least.count()) + "s to 32767s");
  out = *value;
}

}  // namespace

void read_tcp_keepalive(Reader& reader, View at, model::TcpKeepalive& out) {
  read_mapping(reader, at,
               field("idleTime", [&](View v) { read_seconds(reader, v, std::chrono::seconds(0), out.idle_time); }),
               field("interval", [&](View v) { read_seconds(reader, v, std::chrono::seconds(1), out.interval); }),
               number_field(reader, "probes", out.probes, 1, 127));
}

void read_http2_keepalive(Reader& reader, View at, model::Http2Keepalive& out) {
  const auto read = [&](View v, std::chrono::milliseconds least, std::chrono::milliseconds& to) {
    const auto value = read_duration(reader, v);
    if (!value) return;
    if (*value < least || *value > kMostKeepAlive)
      return reader.error(v, "a duration of " + std::to_string(least.count() / 1000) + "s to 32767s");
    to = *value;
  };
  using std::chrono::seconds;
  read_mapping(reader, at, required("interval", "a duration", [&](View v) { read(v, seconds(1), out.interval); }),
               field("timeout", [&](View v) { read(v, seconds(1), out.timeout); }));
}

void read_options(Reader& reader, View at, std::size_t most, model::Labels& out) {
  std::size_t count = 0;
  reader.fields(at, [&](View option) {
    ++count;
    std::string value;
    if (!is_option_key(option.key())) reader.error(option, "a key: [domain/]name, the name at most 63 characters");
    read_text(reader, option, value, 0, 4096);
    out.emplace_back(option.key(), std::move(value));
  });
  if (count > most) reader.error(at, "at most " + std::to_string(most) + " entries");
  std::ranges::sort(out);
}

}  // namespace fairlead::config
