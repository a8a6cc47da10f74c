// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/quick_reader.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace fairlead::config {
namespace {

constexpr std::size_t kMostDepth = 60;  // libfyaml's reader says what is wrong beyond 64
constexpr std::size_t kMostKey = 500;   // YAML ends keys at 1024

enum Class : std::uint8_t {
  kPrintable = 1,  ///< ASCII from blank to tilde
  kKey = 2,        ///< may stand in a key without quotes
  kIndicator = 4,  ///< begins no scalar without quotes
  kFlow = 8,       ///< ends one in a flow collection
};

constexpr std::array<std::uint8_t, 256> classes() {
  std::array<std::uint8_t, 256> out{};
  const auto mark = [&out](std::string_view text, Class as) {
    for (const char c : text) out[static_cast<unsigned char>(c)] |= as;
  };
  for (unsigned c = ' '; c <= '~'; ++c) out[c] = kPrintable;
  mark("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_./-", kKey);
  mark("-?:,[]{}#&*!|>'\"%@` ", kIndicator);
  mark(",[]{}", kFlow);
  return out;
}
constexpr auto kClasses = classes();

bool is(char c, Class wanted) { return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0; }

class QuickReader {
 public:
  QuickReader(std::string_view text, bool json, Tree& tree) : text_(text), json_(json), tree_(tree) {}
  bool document();

 private:
  using Node = Tree::Node;
  using Type = Tree::Type;

  /// The children of a collection as they come.
  struct Parent {
    Tree::Id id;
    Tree::Id last = Tree::kNone;
    std::uint32_t count = 0;
  };
  struct Key {
    std::string_view text;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
  };

  [[nodiscard]] bool ends() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\n';  // the end of the text ends a line
  }
  [[nodiscard]] bool blank_at(std::size_t ahead) const { return peek(ahead) == ' ' || peek(ahead) == '\n'; }
  [[nodiscard]] std::uint32_t column() const { return static_cast<std::uint32_t>(at_ - line_begin_) + 1; }
  void skip_spaces() {
    while (peek() == ' ' && !ends()) ++at_;
  }
  void next_line() {
    line_begin_ = ++at_;
    ++line_;
  }

  bool next_content();
  bool skip_comment();
  bool end_line();
  bool separator();

  Tree::Id append(Parent* parent, const Key* key, Node node);
  bool close(const Parent& mapping);
  Node here(Type type) const;

  bool block(Parent* parent, const Key* key, std::uint32_t depth);
  bool mapping(Parent* parent, const Key* key, std::uint32_t depth);
  bool mapping_value(Parent& parent, const Key& key, std::uint32_t indent, std::uint32_t depth);
  bool sequence(Parent* parent, const Key* key, std::uint32_t depth);
  bool item(Parent& parent, std::uint32_t indent, std::uint32_t depth);
  bool value(Parent& parent, const Key* key, std::uint32_t indent, std::uint32_t depth);
  [[nodiscard]] bool dash() const { return peek() == '-' && blank_at(1); }

  bool flow(Parent* parent, const Key* key, std::uint32_t depth);
  bool flow_mapping(Parent& parent, std::uint32_t depth);
  bool flow_sequence(Parent& parent, std::uint32_t depth);
  bool flow_blanks();

  bool key_text(Key& key);
  bool block_key(Key& key);
  bool flow_key(Key& key);
  bool plain(Node& node, bool in_flow);
  bool word(Node& node);
  bool quoted(Node& node);
  bool quoted(std::string_view& text);
  bool escaped(std::string_view& text, std::size_t begin);

  std::string_view text_;
  bool json_;
  Tree& tree_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  std::uint32_t line_ = 1;
};

bool is_null(std::string_view text) { return text == "null" || text == "~" || text == "Null" || text == "NULL"; }

/// Behind a comment's # to the end of its line.
bool QuickReader::skip_comment() {
  while (peek() != '\n')
    if (!is(text_[at_++], kPrintable)) return false;
  return true;
}

/// From behind a value to the end of its line, where nothing but a comment may follow.
bool QuickReader::end_line() {
  skip_spaces();
  return peek() == '#' ? text_[at_ - 1] == ' ' && skip_comment() : peek() == '\n';
}

/// From the begin or the end of a line to the next content; false: something that is not read here.
bool QuickReader::next_content() {
  while (!ends()) {
    if (peek() == '\n') {
      next_line();
      continue;
    }
    skip_spaces();
    if (peek() == '#' && !skip_comment()) return false;
    if (peek() != '\n') return true;
  }
  return true;
}

QuickReader::Node QuickReader::here(Type type) const {
  Node node;
  node.type = type;
  node.line = line_;
  node.column = column();
  return node;
}

Tree::Id QuickReader::append(Parent* parent, const Key* key, Node node) {
  if (parent == nullptr) return tree_.append(node);
  if (key != nullptr) {
    node.key = key->text;
    if (node.type == Type::kNull) {  // as with libfyaml: its key is what can be pointed at
      node.line = key->line;
      node.column = key->column;
    }
  }
  node.parent = parent->id;
  const auto id = tree_.append(node);
  (parent->last == Tree::kNone ? tree_.edit(parent->id).first : tree_.edit(parent->last).next) = id;
  parent->last = id;
  ++parent->count;
  return id;
}

/// Whether no key of a mapping stands twice.
bool QuickReader::close(const Parent& mapping) {
  constexpr std::uint32_t kFew = 12;  // compared each with each
  if (mapping.count <= kFew) {
    for (auto one = tree_.node(mapping.id).first; one != Tree::kNone; one = tree_.node(one).next)
      for (auto other = tree_.node(one).next; other != Tree::kNone; other = tree_.node(other).next)
        if (tree_.node(one).key == tree_.node(other).key) return false;
    return true;
  }
  std::vector<std::string_view> keys;
  keys.reserve(mapping.count);
  for (auto id = tree_.node(mapping.id).first; id != Tree::kNone; id = tree_.node(id).next)
    keys.push_back(tree_.node(id).key);
  std::ranges::sort(keys);
  return std::ranges::adjacent_find(keys) == keys.end();
}

/// A key without quotes, or in double quotes.
bool QuickReader::key_text(Key& key) {
  const auto begin = at_;
  key.line = line_;
  key.column = column();
  if (peek() == '"') {
    ++key.column;  // as with libfyaml: behind the quote
    if (!quoted(key.text)) return false;
  } else {
    if (json_ || peek() == '-') return false;
    while (is(peek(), kKey)) ++at_;
    key.text = text_.substr(begin, at_ - begin);
  }
  return !key.text.empty() && key.text.size() <= kMostKey;
}

/// With the colon behind it; `at_` stays where there is none.
bool QuickReader::block_key(Key& key) {
  const auto begin = at_;
  if (!key_text(key) || peek() != ':' || !blank_at(1)) {
    at_ = begin;
    return false;
  }
  ++at_;
  return true;
}

bool QuickReader::flow_key(Key& key) {
  if (!key_text(key)) return false;
  if (json_ && !flow_blanks()) return false;
  if (peek() != ':' || (!json_ && peek(1) != ' ')) return false;
  ++at_;
  return flow_blanks();
}

bool QuickReader::quoted(Node& node) {
  ++node.column;  // as with libfyaml: behind the quote
  return quoted(node.text);
}

/// Without its quotes. Only what is on one line.
bool QuickReader::quoted(std::string_view& text) {
  const char quote = text_[at_];
  const auto begin = ++at_;
  while (true) {
    const char c = peek();
    if (c == quote) break;
    if (!is(c, kPrintable)) return false;
    if (c == '\\' && quote == '"') return escaped(text, begin);
    ++at_;
  }
  text = text_.substr(begin, at_ - begin);
  ++at_;
  return quote == '"' || peek() != '\'';  // '' is an escaped quote
}

/// The rest of a text in double quotes, from its first backslash on.
bool QuickReader::escaped(std::string_view& text, std::size_t begin) {
  constexpr std::string_view kLetters = "\"\\/ntrbf";
  constexpr std::string_view kMeanings = "\"\\/\n\t\r\b\f";
  std::string out(text_.substr(begin, at_ - begin));
  while (peek() != '"') {
    if (!is(peek(), kPrintable)) return false;
    if (peek() == '\\') {
      ++at_;
      const auto letter = kLetters.find(peek());
      if (letter == std::string_view::npos) return false;
      out += kMeanings[letter];
    } else {
      out += peek();
    }
    ++at_;
  }
  ++at_;
  text = tree_.keep(out);
  return true;
}

/// A scalar without quotes.
bool QuickReader::plain(Node& node, bool in_flow) {
  const auto begin = at_;
  if (is(peek(), kIndicator) && (peek() != '-' || blank_at(1) || (in_flow && is(peek(1), kFlow)))) return false;
  std::size_t end = at_;  // without blanks at the end
  while (peek() != '\n') {
    const char c = peek();
    if (!is(c, kPrintable)) return false;
    if (c == ':' && (blank_at(1) || (in_flow && is(peek(1), kFlow)))) return false;
    if (c == '#' && text_[at_ - 1] == ' ') break;
    if (in_flow && is(c, kFlow)) break;
    ++at_;
    if (c != ' ') end = at_;
  }
  at_ = end;
  node.text = text_.substr(begin, end - begin);
  node.plain = true;
  if (is_null(node.text)) node.type = Type::kNull;
  return !node.text.empty();
}

/// What JSON has without quotes: numbers and three words.
bool QuickReader::word(Node& node) {
  const auto begin = at_;
  while (is(peek(), kKey) || peek() == '+') ++at_;
  const auto text = text_.substr(begin, at_ - begin);
  node.text = text;
  node.plain = true;
  if (text == "null") node.type = Type::kNull;
  if (text == "null" || text == "true" || text == "false") return true;
  std::size_t digits = 0;
  const auto run = [&](std::size_t from) {
    const auto until = std::min(text.find_first_not_of("0123456789", from), text.size());
    digits = until - from;
    return until;
  };
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  std::size_t at = run(first);
  if (digits == 0 || (digits > 1 && text[first] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    at = run(at + 1);
    if (digits == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    at = run(at);
    if (digits == 0) return false;
  }
  return at == text.size();
}

/// Between the tokens of a flow collection. In YAML it stays on its line.
bool QuickReader::flow_blanks() {
  while (true) {
    skip_spaces();
    if (!json_ || ends()) return true;
    if (peek() == '\n') next_line();
    else if (peek() == '\t' || peek() == '\r') ++at_;
    else return true;
  }
}

/// A value within a flow collection, or one that is such a collection.
bool QuickReader::flow(Parent* parent, const Key* key, std::uint32_t depth) {
  if (ends() || depth > kMostDepth) return false;
  const char c = peek();
  if (c == '{' || c == '[') {
    Parent self{.id = append(parent, key, here(c == '{' ? Type::kMapping : Type::kSequence))};
    ++at_;
    return c == '{' ? flow_mapping(self, depth + 1) : flow_sequence(self, depth + 1);
  }
  Node node = here(Type::kScalar);
  const bool quotes = c == '"' || (c == '\'' && !json_);
  const bool good = quotes ? quoted(node) : json_ ? word(node) : plain(node, true);
  if (good) append(parent, key, node);
  return good;
}

bool QuickReader::flow_mapping(Parent& parent, std::uint32_t depth) {
  if (!flow_blanks()) return false;
  for (bool first = true; peek() != '}' || !first; first = false) {
    Key key;
    if (!flow_key(key) || !flow(&parent, &key, depth) || !flow_blanks()) return false;
    if (peek() == '}') break;
    if (peek() != ',') return false;
    ++at_;
    if (!flow_blanks()) return false;
  }
  ++at_;
  return close(parent);
}

bool QuickReader::flow_sequence(Parent& parent, std::uint32_t depth) {
  if (!flow_blanks()) return false;
  for (bool first = true; peek() != ']' || !first; first = false) {
    if (!flow(&parent, nullptr, depth) || !flow_blanks()) return false;
    if (peek() == ']') break;
    if (peek() != ',') return false;
    ++at_;
    if (!flow_blanks()) return false;
  }
  ++at_;
  return true;
}

/// The value behind a key or a dash, on the same line; then to the next content, which must not belong to it.
bool QuickReader::value(Parent& parent, const Key* key, std::uint32_t indent, std::uint32_t depth) {
  if (peek() == '{' || peek() == '[') {
    if (!flow(&parent, key, depth)) return false;
  } else {
    Node node = here(Type::kScalar);
    const bool quotes = peek() == '"' || peek() == '\'';
    if (!(quotes ? quoted(node) : plain(node, false))) return false;
    append(&parent, key, node);
  }
  return end_line() && next_content() && (ends() || column() <= indent);
}

bool QuickReader::mapping_value(Parent& parent, const Key& key, std::uint32_t indent, std::uint32_t depth) {
  skip_spaces();
  if (peek() != '\n' && peek() != '#') return value(parent, &key, indent, depth);
  if (!end_line() || !next_content()) return false;
  if (!ends() && column() > indent) return block(&parent, &key, depth);
  if (!ends() && column() == indent && dash()) return sequence(&parent, &key, depth);
  Node node;
  node.plain = true;
  append(&parent, &key, node);
  return true;
}

bool QuickReader::mapping(Parent* parent, const Key* key, std::uint32_t depth) {
  const auto indent = column();
  Parent self{.id = append(parent, key, here(Type::kMapping))};
  while (!ends() && column() == indent && !dash()) {
    Key child;
    if (!block_key(child) || !mapping_value(self, child, indent, depth)) return false;
  }
  return (ends() || column() <= indent) && close(self);
}

bool QuickReader::item(Parent& parent, std::uint32_t indent, std::uint32_t depth) {
  ++at_;
  skip_spaces();
  if (peek() == '\n' || peek() == '#') {
    // An empty item has no place of its own.
    return end_line() && next_content() && !ends() && column() > indent && block(&parent, nullptr, depth);
  }
  const auto begin = at_;
  Key key;
  const bool nested = dash() || block_key(key);
  at_ = begin;
  return nested ? block(&parent, nullptr, depth) : value(parent, nullptr, indent, depth);
}

bool QuickReader::sequence(Parent* parent, const Key* key, std::uint32_t depth) {
  const auto indent = column();
  Parent self{.id = append(parent, key, here(Type::kSequence))};
  while (!ends() && column() == indent && dash())
    if (!item(self, indent, depth)) return false;
  return ends() || column() <= indent;
}

/// A mapping or a sequence that begins here.
bool QuickReader::block(Parent* parent, const Key* key, std::uint32_t depth) {
  if (depth > kMostDepth) return false;
  return dash() ? sequence(parent, key, depth + 1) : mapping(parent, key, depth + 1);
}

/// The --- before a document.
bool QuickReader::separator() {
  if (column() != 1 || text_.substr(at_, 3) != "---") return true;
  at_ += 3;
  return end_line() && next_content();
}

bool QuickReader::document() {
  if (json_ ? !flow_blanks() : !next_content() || !separator() || ends()) return false;
  const bool flows = peek() == '{' || peek() == '[';
  if (json_) return flows && flow(nullptr, nullptr, 0) && flow_blanks() && ends();
  if (flows) return flow(nullptr, nullptr, 0) && end_line() && next_content() && ends();
  return block(nullptr, nullptr, 0) && ends();
}

}  // namespace

bool read_quick(std::string_view text, bool json, Tree& tree) {
  tree.clear();
  if (QuickReader(text, json, tree).document() && !tree.empty()) return true;
  tree.clear();
  return false;
}

}  // namespace fairlead::config
