// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/template.hpp"

#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

void append_html(std::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
  }
}

void append_base64(std::string_view text, std::string& out) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < text.size(); i += 3) {
    const auto left = std::min<std::size_t>(3, text.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < left ? static_cast<unsigned char>(text[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= left ? kDigits[(bits >> (18 - 6 * k)) & 63] : '=');
  }
}

void change_case(std::string& text, char from, char to) {
  for (auto& c : text)
    if (c >= from && c < from + 26) c = static_cast<char>(c - from + to);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const auto from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

/// At most `most` bytes, and no half character at the end.
void cut(std::string& text, std::size_t most) {
  if (text.size() <= most) return;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
}

/// A text of whatever a value is: strings without quotes, null as nothing, lists and mappings as JSON.
void append_text(const Value& value, std::string& out) {
  if (value.document == nullptr) {
    out += value.text;
    return;
  }
  const auto& node = value.document->node(value.node);
  if (node.kind == JsonKind::kString) out += node.text;
  else if (node.kind != JsonKind::kNull) value.document->write(value.node, out);
}

void append_json(const Value& value, std::string& out) {
  if (value.document != nullptr) return value.document->write(value.node, out);
  out.push_back('"');
  append_json_escaped(value.text, out);
  out.push_back('"');
}

}  // namespace

void append_percent_encoded(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_unreserved(c)) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
}

void append_part(std::string_view text, std::string_view kept, std::string& out) {
  while (!text.empty()) {
    const bool triplet = text.size() > 2 && text[0] == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0;
    const auto piece = text.substr(0, triplet ? 3 : 1);
    if (triplet || kept.find(piece) != std::string_view::npos) out += piece;
    else append_percent_encoded(piece, out);
    text.remove_prefix(piece.size());
  }
}

bool has_dot_segment(std::string_view path) {
  const auto take = [&](char plain, std::string_view triplet) {
    const bool encoded =
        path.size() >= 3 && path[0] == '%' && path[1] == triplet[0] && (path[2] & ~0x20) == (triplet[1] & ~0x20);
    if (!encoded && path.front() != plain) return false;
    path.remove_prefix(encoded ? 3 : 1);
    return true;
  };
  std::size_t dots = 0, others = 0;
  while (!path.empty()) {
    if (take('/', "2F") || take('\\', "5C")) {
      if (others == 0 && (dots == 1 || dots == 2)) return true;
      dots = others = 0;
    } else if (take('.', "2E")) {
      ++dots;
    } else {
      ++others;
      path.remove_prefix(1);
    }
  }
  return others == 0 && (dots == 1 || dots == 2);
}

void append_header_value(std::string_view text, std::string& out) {
  for (const char c : trimmed(text)) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back((byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c);
  }
}

void Template::apply(const Filter& filter, Value& value, bool& json, std::string& text) {
  if (filter.kind == FilterKind::kDefault) {
    std::string standing;
    if (value.found) append_text(value, standing);
    if (standing.empty()) value = {.found = true, .text = filter.text};
    return;
  }
  if (!value.found) return;
  std::string out;
  const auto joined = [&] {
    const auto& document = *value.document;
    for (auto id = document.node(value.node).first; id != Json::kNone; id = document.node(id).next) {
      if (id != document.node(value.node).first) out += filter.text;
      append_text({.found = true, .text = {}, .document = &document, .node = id}, out);
    }
  };
  switch (filter.kind) {
    case FilterKind::kJson:
      append_json(value, out);
      json = true;
      break;
    case FilterKind::kNumber:
      append_text(value, out);
      if (!is_json_number(out)) {
        value = {};
        return;
      }
      json = true;
      break;
    case FilterKind::kJoin:
      if (value.document == nullptr || value.document->kind(value.node) != JsonKind::kArray) return;
      joined();
      break;
    case FilterKind::kUrlEncode: {
      std::string plain;
      append_text(value, plain);
      append_percent_encoded(plain, out);
      break;
    }
    case FilterKind::kBase64: {
      std::string plain;
      append_text(value, plain);
      append_base64(plain, out);
      break;
    }
    case FilterKind::kLower:
    case FilterKind::kUpper:
    case FilterKind::kTrim:
    case FilterKind::kLimit:
    case FilterKind::kDefault:
      append_text(value, out);
      if (filter.kind == FilterKind::kLower) change_case(out, 'A', 'a');
      if (filter.kind == FilterKind::kUpper) change_case(out, 'a', 'A');
      if (filter.kind == FilterKind::kTrim) out = std::string(trimmed(out));
      if (filter.kind == FilterKind::kLimit) cut(out, filter.number);
      break;
  }
  if (filter.kind != FilterKind::kJson && filter.kind != FilterKind::kNumber) json = false;
  text = std::move(out);
  value = {.found = true, .text = text};
}

/// json: the text is JSON already, by a filter; it goes where a whole value stands.
void Template::put(const Piece& piece, const Value& value, bool json, std::string& out) const {
  std::string text;
  if (place_ == Place::kJson && !piece.quoted) {
    if (!value.found) out += "null";
    else if (json) out += value.text;
    else append_json(value, out);
    return;
  }
  if (!value.found) return;
  append_text(value, text);
  switch (place_) {
    case Place::kText: out += text; return;
    case Place::kHeader: return append_header_value(text, out);
    case Place::kWholePath: return append_part(text, "/!$&'()*+,;=:@", out);
    case Place::kPath:
    case Place::kQuery: return append_percent_encoded(text, out);
    case Place::kJson: return append_json_escaped(text, out);
    case Place::kHtml: return append_html(text, out);
  }
}

bool Template::render_value(const Piece& piece, Scope& scope, std::string& out) const {
  std::string scratch, text;
  auto value = scope.value(piece.reference, scratch);
  bool json = false;
  for (const auto& filter : piece.filters) apply(filter, value, json, text);
  const auto before = out.size();
  put(piece, value, json, out);
  return out.size() > before;
}

RenderError Template::render(Scope& scope, std::size_t most, std::string& out) const {
  const auto begin = out.size();
  for (const auto& piece : pieces_) {
    if (!piece.is_value) {
      out += piece.literal;
    } else {
      const bool something = render_value(piece, scope, out);
      if (place_ == Place::kPath && !something) return RenderError::kUnsafe;
    }
    if (out.size() - begin > most) return RenderError::kTooLong;
  }
  const bool path = place_ == Place::kPath || place_ == Place::kWholePath;
  if (path && has_dot_segment(std::string_view(out).substr(begin))) return RenderError::kUnsafe;
  return RenderError::kNone;
}

Place place_of_type(std::string_view content_type) {
  auto type = std::string(trimmed(content_type.substr(0, content_type.find(';'))));
  change_case(type, 'A', 'a');
  if (type.empty() || type == "application/json" || type.ends_with("+json")) return Place::kJson;
  const bool markup = type.find("html") != std::string::npos || type.find("xml") != std::string::npos;
  return markup || type.starts_with("image/svg") ? Place::kHtml : Place::kText;
}

bool Template::lacks_value(Scope& scope) const {
  return std::ranges::any_of(pieces_, [&](const Piece& piece) {
    if (!piece.is_value) return false;
    std::string scratch, text;
    auto value = scope.value(piece.reference, scratch);
    bool json = false;
    for (const auto& filter : piece.filters) apply(filter, value, json, text);
    return !value.found;
  });
}

bool Template::uses(Source source) const {
  return std::ranges::any_of(pieces_,
                             [&](const Piece& piece) { return piece.is_value && piece.reference.source == source; });
}

std::vector<std::string_view> Template::calls() const {
  std::vector<std::string_view> out;
  for (const auto& piece : pieces_)
    if (piece.is_value &&
        (piece.reference.source == Source::kCallStatus || piece.reference.source == Source::kCallBody))
      out.push_back(piece.reference.name);
  return out;
}

}  // namespace fairlead::change
