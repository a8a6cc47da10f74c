// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace fairlead::auth {
namespace {

/// The length of the UTF-8 sequence at `at` (RFC 3629); 0: it is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto rest = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const auto first = byte(at);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return rest(at + 1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const auto second = byte(at + 1);
    if (!rest(at + 1) || !rest(at + 2) || (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f))
      return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const auto second = byte(at + 1);
    if (!rest(at + 1) || !rest(at + 2) || !rest(at + 3) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
      return 0;
    return 4;
  }
  return 0;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

}  // namespace

/// Recursion is bounded by kMostDepth.
class JsonReader {
 public:
  JsonReader(std::string_view text, Json& out) : text_(text), out_(out) {}

  bool read() {
    skip();
    if (!value(0)) return false;
    skip();
    return at_ == text_.size();
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  /// Appends a node and fills it; its number is what nodes_ had before.
  bool value(std::size_t depth) {
    if (depth > Json::kMostDepth || out_.nodes_.size() >= Json::kMostNodes) return false;
    const auto id = out_.nodes_.size();
    out_.nodes_.emplace_back();
    const auto set = [&](Json::Type type) {
      out_.nodes_[id].type = type;
      return true;
    };
    switch (peek()) {
      case '{': return set(Json::Type::kObject) && object(id, depth);
      case '[': return set(Json::Type::kArray) && array(id, depth);
      case '"': {
        std::string_view text;
        if (!string(text)) return false;
        out_.nodes_[id].text = text;
        return set(Json::Type::kString);
      }
      case 't': return word("true") && set(Json::Type::kTrue);
      case 'f': return word("false") && set(Json::Type::kFalse);
      case 'n': return word("null") && set(Json::Type::kNull);
      default: return set(Json::Type::kNumber) && number(id);
    }
  }

  bool array(std::size_t id, std::size_t depth) {
    ++at_;
    skip();
    if (take(']')) return true;
    for (std::size_t last = 0;;) {
      skip();
      const auto item = out_.nodes_.size();
      if (!value(depth + 1)) return false;
      link(id, last, item);
      last = item;
      skip();
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }

  bool object(std::size_t id, std::size_t depth) {
    ++at_;
    skip();
    if (take('}')) return true;
    for (std::size_t last = 0;;) {
      skip();
      std::string_view key;
      if (peek() != '"' || !string(key)) return false;
      skip();
      if (!take(':')) return false;
      skip();
      const auto item = out_.nodes_.size();
      if (!value(depth + 1)) return false;
      out_.nodes_[item].key = key;
      link(id, last, item);
      last = item;
      skip();
      if (take('}')) return !has_duplicates(id);
      if (!take(',')) return false;
    }
  }

  void link(std::size_t parent, std::size_t last, std::size_t item) {
    const auto number = static_cast<std::uint32_t>(item);
    if (last == 0) out_.nodes_[parent].first = number;
    else out_.nodes_[last].next = number;
  }

  /// Small objects are compared each with each, as that needs no list.
  bool has_duplicates(std::size_t id) {
    constexpr int kFew = 16;
    int count = 0;
    for (auto at = out_.nodes_[id].first; at != Json::kNone && count <= kFew; at = out_.nodes_[at].next, ++count)
      for (auto other = out_.nodes_[id].first; other != at; other = out_.nodes_[other].next)
        if (out_.nodes_[other].key == out_.nodes_[at].key) return true;
    if (count <= kFew) return false;
    keys_.clear();
    for (auto at = out_.nodes_[id].first; at != Json::kNone; at = out_.nodes_[at].next)
      keys_.push_back(out_.nodes_[at].key);
    std::ranges::sort(keys_);
    return std::ranges::adjacent_find(keys_) != keys_.end();
  }

  bool digits() {
    const auto from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }
  bool number(std::size_t id) {
    const auto from = at_;
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    out_.nodes_[id].text = text_.substr(from, at_ - from);
    return true;
  }

  bool string(std::string_view& out) {
    const auto from = ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {  // nearly all
        ++at_;
        continue;
      }
      if (c == '"') {
        out = text_.substr(from, at_++ - from);
        return true;
      }
      if (c == '\\') return escaped(from, out);
      if (static_cast<unsigned char>(c) < 0x20) return false;
      const auto length = utf8_length(text_, at_);
      if (length == 0) return false;
      at_ += length;
    }
    return false;
  }

  /// The rest of a string that has an escape at at_.
  bool escaped(std::size_t from, std::string_view& out) {
    std::string made(text_.substr(from, at_ - from));
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        out = out_.unescaped_.emplace_back(std::move(made));
        return true;
      }
      if (c == '\\') {
        ++at_;
        if (!escape(made)) return false;
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x20) return false;
      const auto length = utf8_length(text_, at_);
      if (length == 0) return false;
      made += text_.substr(at_, length);
      at_ += length;
    }
    return false;
  }

  bool escape(std::string& out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (at_ >= text_.size()) return false;
    const char c = text_[at_++];
    if (c == 'u') return unicode(out);
    const auto place = kFrom.find(c);
    if (place == std::string_view::npos) return false;
    out += kTo[place];
    return true;
  }
  bool hex(std::uint32_t& out) {
    if (text_.size() - at_ < 4) return false;
    const auto part = text_.substr(at_, 4);
    const auto [end, error] = std::from_chars(part.data(), part.data() + 4, out, 16);
    at_ += 4;
    return error == std::errc{} && end == part.data() + 4;
  }
  bool unicode(std::string& out) {
    std::uint32_t code = 0;
    if (!hex(code)) return false;
    if (code >= 0xdc00 && code <= 0xdfff) return false;
    if (code >= 0xd800 && code <= 0xdbff) {
      std::uint32_t low = 0;
      if (!word("\\u") || !hex(low) || low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
    return true;
  }

  std::string_view text_;
  Json& out_;
  std::size_t at_ = 0;
  std::vector<std::string_view> keys_;
};

std::optional<Json> Json::parse(std::string_view text) {
  std::optional<Json> out(std::in_place);
  out->nodes_.reserve(16);
  if (!JsonReader(text, *out).read()) out.reset();
  return out;
}

const Json::Node* Json::member(const Node& of, std::string_view key) const {
  if (of.type != Type::kObject) return nullptr;
  for (const auto* one = first(of); one != nullptr; one = next(*one))
    if (one->key == key) return one;
  return nullptr;
}

const Json::Node* Json::find(std::string_view path) const {
  if (const auto* whole = member(root(), path)) return whole;
  const auto* at = &root();
  while (at != nullptr) {
    const auto dot = path.find('.');
    at = member(*at, path.substr(0, dot));
    if (dot == std::string_view::npos) return at;
    path.remove_prefix(dot + 1);
  }
  return nullptr;
}

std::optional<std::string_view> Json::string(const Node& of, std::string_view key) const {
  const auto* found = member(of, key);
  if (found == nullptr || found->type != Type::kString) return std::nullopt;
  return found->text;
}

std::optional<std::int64_t> numeric_date(const Json::Node& node) {
  if (node.type != Json::Type::kNumber) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error == std::errc::result_out_of_range || !std::isfinite(value)) return std::nullopt;
  if (error != std::errc{}) return std::nullopt;
  constexpr double kMost = 9e15;  // beyond it doubles count in steps; 285 million years are enough
  return static_cast<std::int64_t>(std::clamp(value, -kMost, kMost));
}

}  // namespace fairlead::auth
