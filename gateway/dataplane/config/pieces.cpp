// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/pieces.hpp"

#include <algorithm>
#include <array>

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

namespace fairlead::config {
namespace {

constexpr std::size_t kBorderBytes = 256;  // of a line, to see what it begins
constexpr std::size_t kHeadBytes = 4096;   // of a list, before its first item
constexpr std::size_t kHeadLines = 24;
constexpr std::size_t kMostIndent = 32;
constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::string_view kBlank = " \t\r\n";

bool is_blank(char c) { return kBlank.find(c) != std::string_view::npos; }

bool is_separator(std::string_view line) { return line.starts_with("---") && (line.size() == 3 || is_blank(line[3])); }

/// The column of an item's dash, where the line begins one.
std::optional<std::size_t> item_column(std::string_view line) {
  const auto first = line.find_first_not_of(' ');
  if (first > kMostIndent || line[first] != '-') return std::nullopt;
  if (first + 1 < line.size() && !is_blank(line[first + 1])) return std::nullopt;
  return first;
}

bool belongs_to_list_head(std::string_view line, bool first) {
  constexpr std::array<std::string_view, 3> kKeys{"apiVersion:", "kind:", "metadata:"};
  if (is_separator(line)) return first;
  return line.empty() || line[0] == '#' || line[0] == ' ' ||
         std::ranges::any_of(kKeys, [&](auto key) { return line.starts_with(key); });
}

std::size_t skip_blank(std::string_view text, std::size_t at) {
  if (at == 0 && text.starts_with("\xef\xbb\xbf")) at = 3;  // a byte order mark
  return std::min(text.find_first_not_of(kBlank, at), text.size());
}

/// Where the JSON value that begins at `at` ends; nothing where the text ends before.
std::optional<std::size_t> json_value_end(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
      if (at >= text.size()) return std::nullopt;
    } else if (c == '{' || c == '[') {
      ++depth;
      continue;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;  // the end of what holds a number or a word
      --depth;
    } else if (depth != 0 || (c != ',' && !is_blank(c))) {
      continue;
    } else {
      return at;
    }
    if (depth == 0) return at + 1;
  }
  return std::nullopt;
}

}  // namespace

std::uint64_t text_hash(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

std::size_t Cutter::next_line(std::size_t at) {
  while (true) {
    const auto text = window_.have(at + 1);
    if (text.size() <= at) return text.size();
    if (const auto found = text.find('\n', at); found != std::string_view::npos) return found + 1;
    at = text.size();
  }
}

Cutter::Border Cutter::border(std::size_t at, const List& list) {
  const auto text = window_.have(at + kBorderBytes);
  const auto line = text.substr(std::min(at, text.size()));
  if (line.empty() || is_separator(line)) return Border::kDocument;
  if (!list.open) return Border::kNone;
  const auto first = line.find_first_not_of(' ');
  if (first == std::string_view::npos || line[first] == '#' || is_blank(line[first]) || first > list.indent)
    return Border::kNone;
  return item_column(line) == list.indent ? Border::kItem : Border::kListEnd;
}

std::uint64_t Cutter::hash_of(PieceForm form) const {
  // A tail says of what kind its list is only together with the head, and so do items without a kind.
  const auto hash = [](std::string_view text, std::uint64_t seed) {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed);
  };
  std::uint64_t seed = 0;
  if (form == PieceForm::kListTail) seed = hash(head_, 0);
  if (form == PieceForm::kListItem && !items_.kind.empty()) seed = hash(items_.version, hash(items_.kind, 0));
  return hash(text_, seed);
}

bool Cutter::only_blank_from(std::size_t at) {
  for (std::size_t least = at + kBorderBytes;; least *= 2) {
    const auto text = window_.have(least);
    if (skip_blank(text, at) < text.size()) return false;
    if (window_.at_end() || text.size() > kMostBytes) return true;
  }
}

/// Whether the list may go on with this text: JSON items but the first have their comma in front.
bool Cutter::begins_as_item(std::string_view text) const {
  if (!json_) return true;
  const auto first = skip_blank(text, 0);
  return first < text.size() && (text[first] == ',') != list_.first_item;
}

bool Cutter::ends_as(const Span& span) {
  const bool last = span.form == PieceForm::kDocument || span.form == PieceForm::kListTail;
  if (json_ && !last) return true;
  if (json_ && span.complete) return !only_blank_from(span.length);
  if (json_) return window_.have(span.length + 1UL).size() == span.length;
  const auto found = border(span.length, List{.open = !last, .first_item = false, .indent = span.indent});
  if (last) return found == Border::kDocument;
  return span.form == PieceForm::kListHead ? found == Border::kItem : found != Border::kNone;
}

bool Cutter::take(const Span& expected) {
  const bool inside = expected.form == PieceForm::kListItem || expected.form == PieceForm::kListTail;
  if (inside != list_.open || (inside && expected.indent != list_.indent)) return false;
  if (expected.form == PieceForm::kListHead && !lists_) return false;
  const auto text = window_.have(expected.length + kBorderBytes);
  if (text.size() < expected.length || (expected.length == 0 && !inside)) return false;
  text_ = text.substr(0, expected.length);
  if (hash_of(expected.form) != expected.hash) return false;
  if (expected.form == PieceForm::kListItem && !begins_as_item(text_)) return false;
  if (!ends_as(expected)) return false;
  text_ = window_.have(expected.length).substr(0, expected.length);  // looking further may have moved it
  advance(expected);
  return true;
}

void Cutter::advance(const Span& span) {
  if (span.form == PieceForm::kListHead) {
    list_ = {.open = true, .first_item = true, .indent = span.indent};
    head_ = text_;
    items_ = item_kind(head_, json_);
  } else if (span.form == PieceForm::kListItem) {
    list_.first_item = false;
  } else {
    list_ = {};
  }
  window_.advance(span.length);
  text_ = {};
}

std::optional<Span> Cutter::yaml_head() {
  std::size_t at = 0;
  for (std::size_t count = 0; count < kHeadLines; ++count) {
    const auto end = next_line(at);
    auto line = window_.have(end).substr(at, end - at);
    if (line.empty() || end > kHeadBytes) return std::nullopt;
    line = line.substr(0, line.find_last_not_of(kBlank) + 1);
    if (line == "items:") {
      const auto column = item_column(window_.have(end + kBorderBytes).substr(end));
      if (!column) return std::nullopt;
      Span head{.form = PieceForm::kListHead, .indent = static_cast<std::uint8_t>(*column)};
      head.length = static_cast<std::uint32_t>(end);
      return head;
    }
    if (!belongs_to_list_head(line, count == 0)) return std::nullopt;
    at = end;
  }
  return std::nullopt;
}

std::optional<Span> Cutter::json_head() {
  const auto text = window_.have(kHeadBytes).substr(0, kHeadBytes);
  std::size_t at = skip_blank(text, 0);
  if (at == text.size() || text[at++] != '{') return std::nullopt;
  while (true) {
    at = skip_blank(text, at);
    const auto key_end = json_value_end(text, at);
    if (!key_end || text[at] != '"') return std::nullopt;
    const auto key = text.substr(at + 1, *key_end - at - 2);
    at = skip_blank(text, *key_end);
    if (at == text.size() || text[at] != ':') return std::nullopt;
    at = skip_blank(text, at + 1);
    if (at == text.size()) return std::nullopt;
    if (key == "items" && text[at] == '[') {
      Span head{.form = PieceForm::kListHead};
      head.length = static_cast<std::uint32_t>(at + 1);
      return head;
    }
    if (key != "apiVersion" && key != "kind" && key != "metadata") return std::nullopt;
    const auto value_end = json_value_end(text, at);
    if (!value_end) return std::nullopt;
    at = skip_blank(text, *value_end);
    if (at == text.size() || text[at++] != ',') return std::nullopt;
  }
}

/// To the end of the file.
std::size_t Cutter::rest_end() {
  std::size_t size = window_.have(1).size();
  while (!window_.at_end() && size <= kMostBytes) size = window_.have(size + 1).size();
  return size;
}

/// Of a JSON value that another follows, as in files that were put together; else to the end of the file.
std::size_t Cutter::json_document_end(bool& complete) {
  for (std::size_t least = kHeadBytes;; least *= 2) {
    const auto text = window_.have(least);
    const auto begin = skip_blank(text, 0);
    if (begin < text.size() && text[begin] != '{') return rest_end();
    const auto end = begin < text.size() ? json_value_end(text, begin) : std::nullopt;
    complete = end && skip_blank(text, *end) < text.size();
    if (complete) return *end;
    if (window_.at_end() || text.size() > kMostBytes) return text.size();
  }
}

std::size_t Cutter::document_end() {
  std::size_t at = next_line(0);
  while (at <= kMostBytes && border(at, {}) != Border::kDocument) at = next_line(at);
  return at;
}

std::size_t Cutter::item_end() {
  std::size_t at = next_line(0);
  while (at <= kMostBytes && border(at, list_) == Border::kNone) at = next_line(at);
  return at;
}

/// Nothing: no item follows.
std::optional<std::size_t> Cutter::json_item_end() {
  for (std::size_t least = kHeadBytes;; least *= 2) {
    const auto text = window_.have(least);
    std::size_t at = skip_blank(text, 0);
    if (!list_.first_item) {
      if (at == text.size() || text[at] != ',') return std::nullopt;
      at = skip_blank(text, at + 1);
    }
    if (at < text.size() && text[at] != '{') return std::nullopt;
    if (const auto end = json_value_end(text, at)) return end;
    if (window_.at_end() || text.size() > kMostBytes) return std::nullopt;
  }
}

std::optional<Span> Cutter::find() {
  std::optional<Span> span;
  if (list_.open) {
    span = Span{.form = PieceForm::kListTail, .indent = list_.indent};
    const auto item = json_                               ? json_item_end()
                      : border(0, list_) == Border::kItem ? std::optional(item_end())
                                                          : std::nullopt;
    if (item) span->form = PieceForm::kListItem;
    const bool empty = !item && !json_ && border(0, list_) == Border::kDocument;
    const auto end = item ? *item : empty ? 0 : json_ ? rest_end() : document_end();
    if (end > kMostBytes) return std::nullopt;
    span->length = static_cast<std::uint32_t>(end);
  } else {
    if (lists_) span = json_ ? json_head() : yaml_head();
    if (!span) {
      bool complete = false;
      const auto end = json_ ? json_document_end(complete) : document_end();
      if (end > kMostBytes) return std::nullopt;
      span = Span{.length = static_cast<std::uint32_t>(end), .complete = complete};
    }
  }
  text_ = window_.have(span->length).substr(0, span->length);
  span->hash = hash_of(span->form);
  span->lines = static_cast<std::uint32_t>(std::ranges::count(text_, '\n'));
  return span;
}

}  // namespace fairlead::config
