// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/base/ascii.hpp"
#include "fairlead/change/json.hpp"
#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Bytes of the number at the text's beginning; 0: none.
std::size_t number_length(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const auto from = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at > from;
  };
  if (at < text.size() && text[at] == '-') ++at;
  if (at < text.size() && text[at] == '0') ++at;
  else if (!digits()) return 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return 0;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (!digits()) return 0;
  }
  return at;
}

}  // namespace

bool is_json_number(std::string_view text) { return !text.empty() && number_length(text) == text.size(); }

/// Comparing numbers takes time by their length, and one may be compared with many.
constexpr std::size_t kMostNumber = 1000;

/// Iterative, with the open containers in a vector: no input can exhaust the stack.
class JsonParser {
 public:
  JsonParser(Json& out, std::string_view text, const JsonLimits& limits) : out_(out), text_(text), limits_(limits) {}

  bool run() {
    blanks();
    if (!value({})) return false;
    while (!open_.empty())
      if (!step()) return false;
    blanks();
    return at_ == text_.size() || refuse("something behind the document");
  }

 private:
  bool refuse(std::string_view what) {
    out_.error_ = {at_, what};
    return false;
  }

  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  /// One member or item of the innermost container, or its end.
  bool step() {
    const auto container = open_.back();
    const bool object = out_.nodes_[container].kind == JsonKind::kObject;
    const bool first = out_.nodes_[container].first == Json::kNone;
    blanks();
    if (at_ == text_.size()) return refuse("a list or mapping without an end");
    if (text_[at_] == (object ? '}' : ']')) {
      if (comma_) return refuse("a comma behind the last item");
      ++at_;
      open_.pop_back();
      return !object || unique(container);
    }
    if (!first && !comma_) {
      if (text_[at_] != ',') return refuse("no comma between items");
      ++at_;
      comma_ = true;
      return true;
    }
    comma_ = false;
    return object ? member() : value({});
  }

  bool member() {
    std::string_view key;
    if (text_[at_] != '"') return refuse("a member without a name in quotes");
    if (!string(key)) return false;
    blanks();
    if (at_ == text_.size() || text_[at_] != ':') return refuse("a name without a colon");
    ++at_;
    blanks();
    return value(key);
  }

  bool value(std::string_view key) {
    if (at_ == text_.size()) return refuse("no value");
    if (out_.nodes_.size() >= limits_.nodes) return refuse("too many values");
    const char c = text_[at_];
    if (c == '{') return begin(JsonKind::kObject, key);
    if (c == '[') return begin(JsonKind::kArray, key);
    if (c == '"') {
      std::string_view text;
      return string(text) && add(JsonKind::kString, key, text);
    }
    if (c == 't') return word("true", JsonKind::kTrue, key);
    if (c == 'f') return word("false", JsonKind::kFalse, key);
    if (c == 'n') return word("null", JsonKind::kNull, key);
    const auto length = number_length(text_.substr(at_));
    if (length == 0) return refuse("no value of JSON");
    if (length > kMostNumber) return refuse("a number of more than 1000 characters");
    const auto text = text_.substr(at_, length);
    at_ += length;
    return add(JsonKind::kNumber, key, text);
  }

  bool word(std::string_view text, JsonKind kind, std::string_view key) {
    if (!text_.substr(at_).starts_with(text)) return refuse("no value of JSON");
    at_ += text.size();
    return add(kind, key, {});
  }

  bool begin(JsonKind kind, std::string_view key) {
    if (open_.size() >= limits_.depth) return refuse("nested too deeply");
    ++at_;
    add(kind, key, {});
    open_.push_back(static_cast<Json::Id>(out_.nodes_.size() - 1));
    return true;
  }

  bool add(JsonKind kind, std::string_view key, std::string_view text) {
    const auto id = static_cast<Json::Id>(out_.nodes_.size());
    out_.nodes_.push_back({kind, Json::kNone, Json::kNone, Json::kNone, key, text});
    if (open_.empty()) {
      out_.root_ = id;
      return true;
    }
    auto& parent = out_.nodes_[open_.back()];
    if (parent.last == Json::kNone) parent.first = id;
    else out_.nodes_[parent.last].next = id;
    parent.last = id;
    return true;
  }

  bool string(std::string_view& out) {
    const auto from = ++at_;
    bool ascii = true;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c < 0x20) return refuse("a control character in a string");
      ascii = ascii && c < 0x80;
      ++at_;
    }
    if (at_ == text_.size()) return refuse("a string without an end");
    out = text_.substr(from, at_ - from);
    if (text_[at_] == '"') {
      ++at_;
      return ascii || valid_utf8(out) || refuse("a string that is no UTF-8");
    }
    std::string decoded(out);
    if (!escaped(decoded)) return false;
    if (!valid_utf8(decoded)) return refuse("a string that is no UTF-8");
    out = out_.keep(std::move(decoded));
    return true;
  }

  /// The rest of a string, from its first backslash.
  bool escaped(std::string& out) {
    while (at_ < text_.size() && text_[at_] != '"') {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return refuse("a control character in a string");
      if (c == '\\') {
        if (!escape(out)) return false;
      } else {
        out.push_back(c);
        ++at_;
      }
    }
    if (at_ == text_.size()) return refuse("a string without an end");
    ++at_;
    return true;
  }

  bool escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (at_ + 1 >= text_.size()) return refuse("a string without an end");
    const char c = text_[at_ + 1];
    if (c == 'u') return code_point(out);
    const auto which = kNames.find(c);
    if (which == std::string_view::npos) return refuse("an escape that JSON does not have");
    out.push_back(kMeant[which]);
    at_ += 2;
    return true;
  }

  std::int32_t code_unit() {
    if (text_.size() - at_ < 6 || text_[at_] != '\\' || text_[at_ + 1] != 'u') return -1;
    std::int32_t unit = 0;
    for (std::size_t i = 2; i < 6; ++i) {
      const int digit = hex_value(text_[at_ + i]);
      if (digit < 0) return -1;
      unit = unit * 16 + digit;
    }
    at_ += 6;
    return unit;
  }

  bool code_point(std::string& out) {
    auto point = code_unit();
    if (point < 0) return refuse("\\u without four digits");
    if (point >= 0xd800 && point < 0xe000) {
      const auto low = point < 0xdc00 ? code_unit() : -1;
      if (low < 0xdc00 || low > 0xdfff) return refuse("half of a surrogate pair");
      point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(static_cast<std::uint32_t>(point), out);
    return true;
  }

  bool unique(Json::Id object) {
    names_.clear();
    for (auto id = out_.nodes_[object].first; id != Json::kNone; id = out_.nodes_[id].next)
      names_.push_back(out_.nodes_[id].key);
    if (names_.size() < 2) return true;
    std::ranges::sort(names_);
    return std::ranges::adjacent_find(names_) == names_.end() || refuse("a name twice in one mapping");
  }

  Json& out_;
  std::string_view text_;
  const JsonLimits& limits_;
  std::size_t at_ = 0;
  bool comma_ = false;  // read, its item not yet
  std::vector<Json::Id> open_;
  std::vector<std::string_view> names_;
};

bool Json::parse(std::string_view text, const JsonLimits& limits) {
  nodes_.clear();
  texts_.clear();
  adopted_.clear();
  root_ = kNone;
  error_ = {};
  if (JsonParser(*this, text, limits).run()) return true;
  nodes_.clear();
  root_ = kNone;
  return false;
}

}  // namespace fairlead::change
