// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "fairlead/base/printable.hpp"
#include "gateway/dataplane/config/side_files.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kShown = 60;  // characters of a value in a diagnostic

bool is_bool_text(std::string_view text) {
  return text == "true" || text == "false" || text == "True" || text == "False" || text == "TRUE" || text == "FALSE";
}

bool is_number_text(std::string_view text) {
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF" || text == ".nan" || text == ".NaN" || text == ".NAN")
    return true;
  int base = 10;
  if (text.starts_with("0x")) base = 16;
  if (text.starts_with("0o")) base = 8;
  if (base != 10) {
    std::uint64_t value = 0;
    const auto digits = text.substr(2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    return !digits.empty() && error == std::errc{} && end == digits.data() + digits.size();
  }
  if (text.empty() || (text[0] != '.' && (text[0] < '0' || text[0] > '9'))) return false;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

std::string shown(View at, std::size_t most = kShown) {
  const auto& node = at.node();
  if (node.type == Tree::Type::kNull) return "null";
  if (node.type == Tree::Type::kMapping) return "a mapping";
  if (node.type == Tree::Type::kSequence) return "a list";
  std::string text = printable(node.text.substr(0, most));
  if (node.text.size() > most) text += "...";
  return node.plain && !at.is_string() ? text : '"' + text + '"';
}

bool is_plain_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

std::optional<double> unit_in_ms(std::string_view& text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-6},       {"us", 1e-3},    {"ms", 1.0},
                                                            {"h", 3'600'000.0}, {"m", 60'000.0}, {"s", 1000.0}};
  for (const auto& [name, factor] : kUnits) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return factor;
  }
  return std::nullopt;
}

std::optional<double> parse_duration_ms(std::string_view text) {
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{} || value < 0 || !std::isfinite(value)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const auto factor = unit_in_ms(text);
    if (!factor) return std::nullopt;
    total += value * *factor;
  }
  return total;
}

}  // namespace

View View::find(std::string_view key) const {
  if (!*this || !is_mapping()) return {};
  for (auto child = first(); child; child = child.next())
    if (child.key() == key) return child.is_null() ? View{} : child;
  return {};
}

bool View::is_string() const {
  const auto& value = node();
  if (value.type != Tree::Type::kScalar) return false;
  return !value.plain || (!is_bool_text(value.text) && !is_number_text(value.text));
}

std::string Reader::path(View at) const {
  std::vector<View> steps;
  for (auto step = at; step && step.id() != root_.id(); step = step.parent()) steps.push_back(step);
  std::string out;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const auto parent = step->parent();
    if (parent && parent.is_sequence()) {
      std::size_t index = 0;
      for (auto sibling = parent.first(); sibling && sibling.id() != step->id(); sibling = sibling.next()) ++index;
      out += '[' + std::to_string(index) + ']';
    } else if (is_plain_key(step->key())) {
      if (!out.empty()) out += '.';
      out += step->key();
    } else {
      out.append("[\"").append(step->key().substr(0, kShown)).append("\"]");
    }
  }
  return out;
}

void Reader::note(Severity severity, View at, std::string field, std::string found, std::string expected) {
  if (severity == Severity::kError) failed_ = true;
  out_.push_back(Diagnostic{.severity = severity,
                            .file = {},
                            .line = at.node().line,
                            .column = at.node().column,
                            .object = object_,
                            .field = std::move(field),
                            .found = std::move(found),
                            .expected = std::move(expected)});
}

void Reader::error(View at, std::string expected) {
  note(Severity::kError, at, path(at), hidden_ || at.node().secret ? "a value (not shown)" : shown(at),
       std::move(expected));
}

void Reader::unknown_field(View at, std::string known) {
  note(Severity::kError, at, path(at), "an unknown field", std::move(known));
}

void Reader::missing(View at, std::string_view field, std::string expected) {
  auto where = path(at);
  if (!where.empty()) where += '.';
  note(Severity::kError, at, where.append(field), "nothing", std::move(expected));
}

void Reader::warn(View at, std::string remark) { note(Severity::kWarning, at, path(at), {}, std::move(remark)); }

bool Reader::expect_string(View at) {
  if (at.is_null()) return false;
  if (at.is_string()) return true;
  error(at, at.node().type == Tree::Type::kScalar ? "a string (put it in quotes)" : "a string");
  return false;
}

void Reader::read(View at, std::string& out) {
  if (expect_string(at)) out = at.text();
}

void Reader::read(View at, Name& out) {
  if (expect_string(at)) out = at.text();
}

std::optional<std::string> Reader::file(View at, std::size_t most) {
  constexpr std::size_t kMostPath = 4096;
  const auto name = at.text();
  if (!at.is_string() || name.empty() || name.size() >= kMostPath || name.find('\0') != std::string_view::npos) {
    error(at, "the path of a file");
    return std::nullopt;
  }
  auto value = side_ != nullptr ? side_->read(name) : fail("no files beside it");
  if (value && value->size() <= most) return std::move(*value);
  const auto found = value ? "more than " + std::to_string(most) + " bytes" : std::move(value.error().message);
  note(Severity::kError, at, path(at), shown(at, kMostPath) + ": " + found,
       "a file that can be read and holds 1 to " + std::to_string(most) + " bytes");
  return std::nullopt;
}

void Reader::read(View at, bool& out) {
  if (at.is_null()) return;
  if (at.node().type != Tree::Type::kScalar || !at.node().plain || !is_bool_text(at.text()))
    return error(at, "true or false");
  out = at.text()[0] == 't' || at.text()[0] == 'T';
}

std::optional<std::uint64_t> Reader::number(View at, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto text = at.text();
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = at.node().type == Tree::Type::kScalar && at.node().plain && !text.empty() && code == std::errc{} &&
                     end == text.data() + text.size();
  if (whole && value >= low && value <= high) return value;
  error(at, "a number from " + std::to_string(low) + " to " + std::to_string(high));
  return std::nullopt;
}

void Reader::read_port(View at, std::uint16_t& out) {
  if (const auto value = number(at, 1, 65535)) out = static_cast<std::uint16_t>(*value);
}

std::optional<Address> Reader::address(View at) {
  if (at.is_string())
    if (const auto found = Address::parse(at.text())) return found;
  error(at, "an IPv4 or IPv6 address");
  return std::nullopt;
}

std::optional<Cidr> Reader::cidr(View at) {
  const auto found = at.is_string() ? Cidr::parse(at.text()) : std::nullopt;
  if (!found) {
    error(at, "an address block such as 10.0.0.0/8");
  } else if (Address::parse(at.text().substr(0, at.text().find('/'))) != found->address) {
    warn(at, "bits are set behind the prefix: read as " + found->text());
  }
  return found;
}

std::optional<std::chrono::milliseconds> Reader::duration(View at, std::chrono::milliseconds least) {
  constexpr double kMost =
      1e11;  // three years: more is a mistake, and would not fit 32-bit milliseconds in the kernel anyway
  const auto value = at.is_string() ? parse_duration_ms(at.text()) : std::nullopt;
  if (value && *value >= static_cast<double>(least.count()) && *value < kMost)
    return std::chrono::milliseconds(static_cast<std::int64_t>(*value));
  error(at, "a duration of at least " + std::to_string(least.count()) + "ms, such as 1m30s or 250ms");
  return std::nullopt;
}

std::optional<std::size_t> Reader::one_of(View at, std::span<const std::string_view> allowed) {
  const auto found = at.is_string() ? std::ranges::find(allowed, at.text()) : allowed.end();
  if (found != allowed.end()) return static_cast<std::size_t>(found - allowed.begin());
  std::string list;
  for (const auto word : allowed)
    list.append(list.empty() ? "" : word == *(allowed.end() - 1) ? " or " : ", ").append(word);
  error(at, list);
  return std::nullopt;
}

}  // namespace fairlead::config
