// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/tree.hpp"

#include <libfyaml.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "gateway/dataplane/config/quick_reader.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMaxDepth = 64;  // Kubernetes objects stay below 30

bool is_null_text(std::string_view text) {
  constexpr std::array<std::string_view, 5> kNulls{"", "~", "null", "Null", "NULL"};
  return std::ranges::find(kNulls, text) != kNulls.end();
}

std::string_view token_text(fy_token* token) {
  std::size_t length = 0;
  const char* text = token == nullptr ? nullptr : fy_token_get_text(token, &length);
  return text == nullptr ? std::string_view{} : std::string_view(text, length);
}

}  // namespace

void Tree::clear() {
  nodes_.clear();
  texts_.clear();
}

Tree::Id Tree::append(const Node& node) {
  nodes_.push_back(node);
  return static_cast<Id>(nodes_.size() - 1);
}

void TreeReader::start() {
  fy_diag_cfg diag_config{};
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = nullptr;
  diag_config.level = FYET_ERROR;
  diag_ = fy_diag_create(&diag_config);
  fy_diag_set_collect_errors(diag_, true);
  fy_parse_cfg config{};
  config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | (json_ ? FYPCF_JSON_FORCE : FYPCF_JSON_NONE));
  config.diag = diag_;
  if (json_) plain_json();
  refuse_encoding();
  refuse_directive();
  if (!error_.message.empty()) return;
  parser_ = fy_parser_create(&config);
  if (parser_ != nullptr) fy_parser_set_string(parser_, text_.data(), text_.size());
}

TreeReader::~TreeReader() {
  if (parser_ != nullptr) fy_parser_destroy(parser_);
  if (diag_ != nullptr) fy_diag_destroy(diag_);
}

bool TreeReader::refuse(std::uint32_t line, std::uint32_t column, std::string message) {
  if (error_.message.empty()) error_ = SyntaxError{line, column, std::move(message), error_.unknown_anchor};
  return false;
}

/// libfyaml 0.7.12 counts the two characters of a Windows line end as two lines in JSON, and knows no byte order mark
/// there. Blanks in their place leave every other character where it was.
void TreeReader::plain_json() {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (!text_.starts_with(kMark) && text_.find('\r') == std::string_view::npos) return;
  changed_ = text_;
  if (changed_.starts_with(kMark)) changed_.replace(0, kMark.size(), kMark.size(), ' ');
  std::ranges::replace(changed_, '\r', ' ');
  text_ = changed_;
}

/// libfyaml 0.7.12 ends at a zero byte as if the text did, and so finds nothing in UTF-16, as Windows' shells write it.
void TreeReader::refuse_encoding() {
  const bool utf16 = text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff");
  const auto zero = text_.find('\0');
  if (!utf16 && zero == std::string_view::npos) return;
  const auto before = text_.substr(0, utf16 ? 0 : zero);
  const auto line = static_cast<std::uint32_t>(std::ranges::count(before, '\n')) + 1;
  refuse(line, 1, utf16 ? "found UTF-16, expected UTF-8" : "found a zero byte, expected text in UTF-8");
}

/// libfyaml 0.7.12 never comes back from some unfinished directives ("%\0", found by config_fuzz), and no tool of
/// Kubernetes writes any.
void TreeReader::refuse_directive() {
  constexpr std::array<std::string_view, 6> kBefore{"\n",       "\r",           "\xef\xbb\xbf",
                                                    "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
  for (auto at = text_.find('%'); at != std::string_view::npos; at = text_.find('%', at + 1)) {
    const auto before = text_.substr(0, at);
    if (at != 0 && std::ranges::none_of(kBefore, [&](auto end) { return before.ends_with(end); })) continue;
    const auto line = static_cast<std::uint32_t>(std::ranges::count(before, '\n')) + 1;
    refuse(line, 1, "directives (%YAML, %TAG) are not supported: leave the line out");
    return;
  }
}

void TreeReader::take_diagnostics() {
  void* cursor = nullptr;
  if (const auto* found = fy_diag_errors_iterate(diag_, &cursor)) {
    std::string message = found->msg == nullptr ? "" : found->msg;
    while (!message.empty() && message.back() == '\n') message.pop_back();
    refuse(static_cast<std::uint32_t>(std::max(found->line, 1)),  // unlike marks, from 1
           static_cast<std::uint32_t>(std::max(found->column, 1)), std::move(message));
  }
  refuse(1, 1, "not readable as YAML or JSON");
}

TreeReader::Outcome TreeReader::next(Tree& tree) {
  if (std::exchange(begun_, true)) {
    if (parser_ == nullptr && error_.message.empty()) return Outcome::kEnd;  // the quick reader took the whole text
  } else {
    if (quick_ && read_quick(text_, json_, tree)) return Outcome::kDocument;
    start();
  }
  return next_event(tree);
}

TreeReader::Outcome TreeReader::next_event(Tree& tree) {
  tree.clear();
  open_.clear();
  anchors_.clear();
  have_key_ = false;
  compared_ = 0;
  if (!error_.message.empty()) return Outcome::kError;
  while (parser_ != nullptr) {
    fy_event* event = fy_parser_parse(parser_);
    if (event == nullptr) break;
    const auto type = event->type;
    const bool good = take(event, tree);
    fy_parser_event_free(parser_, event);
    if (!good) return Outcome::kError;
    if (type == FYET_STREAM_END) return Outcome::kEnd;
    if (type == FYET_DOCUMENT_END) return Outcome::kDocument;
  }
  if (parser_ != nullptr && !fy_parser_get_stream_error(parser_)) return Outcome::kEnd;
  take_diagnostics();
  return Outcome::kError;
}

bool TreeReader::take(fy_event* event, Tree& tree) {
  switch (event->type) {
    case FYET_MAPPING_START: return open(event, tree, Tree::Type::kMapping);
    case FYET_SEQUENCE_START: return open(event, tree, Tree::Type::kSequence);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END: return close(tree);
    case FYET_ALIAS: return take_alias(event, tree);
    case FYET_SCALAR: break;
    default: return true;
  }
  if (!open_.empty() && tree.node(open_.back().id).type == Tree::Type::kMapping && !have_key_)
    return take_key(event, tree);
  Tree::Node node = node_of(event, Tree::Type::kScalar);
  node.plain = fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
  node.text = text_of(event, tree);
  const auto tag = token_text(event->scalar.tag);
  if (tag.ends_with("str")) node.plain = false;
  if (node.plain && is_null_text(node.text)) node.type = Tree::Type::kNull;
  const auto anchor = anchor_of(event, tree);
  Tree::Id id = Tree::kNone;
  if (!attach(tree, node, id)) return false;
  if (!anchor.empty()) anchors_[anchor] = id;
  return true;
}

bool TreeReader::take_key(fy_event* event, Tree& tree) {
  const auto at = node_of(event, Tree::Type::kScalar);
  key_ = text_of(event, tree);
  key_line_ = at.line;
  key_column_ = at.column;
  have_key_ = true;
  merge_key_ = key_ == "<<" && fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
  return true;
}

bool TreeReader::take_alias(fy_event* event, Tree& tree) {
  Tree::Node node = node_of(event, Tree::Type::kNull);
  const auto found = anchors_.find(token_text(event->alias.anchor));
  if (found == anchors_.end()) {
    error_.unknown_anchor = true;
    return refuse(node.line, node.column, "an alias to an anchor that is not defined before it");
  }
  const Tree::Node& target = tree.node(found->second);
  node.type = target.type;
  node.plain = target.plain;
  node.text = target.text;
  node.first = target.first;
  Tree::Id id = Tree::kNone;
  return attach(tree, node, id);
}

Tree::Node TreeReader::node_of(fy_event* event, Tree::Type type) {
  // An empty key or value has no place of its own: it stands after what was read last.
  if (const auto* mark = fy_event_start_mark(event)) {
    last_line_ = static_cast<std::uint32_t>(std::max(mark->line, 0)) + 1;
    last_column_ = static_cast<std::uint32_t>(std::max(mark->column, 0)) + 1;
  }
  Tree::Node node;
  node.type = type;
  node.line = last_line_;
  node.column = last_column_;
  return node;
}

std::string_view TreeReader::text_of(fy_event* event, Tree& tree) const {
  const auto text = token_text(event->scalar.value);
  const bool inside = std::less_equal<>{}(text_.data(), text.data()) &&
                      std::less_equal<>{}(text.data() + text.size(), text_.data() + text_.size());
  return inside || text.empty() ? text : tree.keep(text);
}

std::string_view TreeReader::anchor_of(fy_event* event, Tree& tree) const {
  fy_token* token = nullptr;
  if (event->type == FYET_SCALAR) token = event->scalar.anchor;
  if (event->type == FYET_MAPPING_START) token = event->mapping_start.anchor;
  if (event->type == FYET_SEQUENCE_START) token = event->sequence_start.anchor;
  return token == nullptr ? std::string_view{} : tree.keep(token_text(token));
}

bool TreeReader::attach(Tree& tree, Tree::Node node, Tree::Id& id) {
  if (open_.empty()) {
    if (!tree.empty()) return refuse(node.line, node.column, "text after the end of the document");
    id = tree.append(node);
    return true;
  }
  Open& parent = open_.back();
  if (tree.node(parent.id).type == Tree::Type::kMapping) {
    if (!have_key_) return refuse(node.line, node.column, "a mapping or list as a key");
    node.key = key_;
    node.merge = merge_key_;
    parent.merges |= merge_key_;
    have_key_ = false;
    if (node.type == Tree::Type::kNull) {  // often empty: its key is what can be pointed at
      node.line = key_line_;
      node.column = key_column_;
    }
  }
  node.parent = parent.id;
  id = tree.append(node);
  (parent.last == Tree::kNone ? tree.edit(parent.id).first : tree.edit(parent.last).next) = id;
  parent.last = id;
  ++parent.children;
  return true;
}

bool TreeReader::open(fy_event* event, Tree& tree, Tree::Type type) {
  const Tree::Node node = node_of(event, type);
  if (open_.size() >= kMaxDepth) return refuse(node.line, node.column, "nested deeper than 64 levels");
  const auto anchor = anchor_of(event, tree);
  Tree::Id id = Tree::kNone;
  if (!attach(tree, node, id)) return false;
  open_.push_back(Open{.id = id, .anchor = anchor});
  return true;
}

bool TreeReader::close(Tree& tree) {
  const Open closed = open_.back();
  open_.pop_back();
  // Known only from here on, so that nothing can contain itself.
  if (!closed.anchor.empty()) anchors_[closed.anchor] = closed.id;
  if (tree.node(closed.id).type != Tree::Type::kMapping) return true;
  return check_keys(tree, closed) && (!closed.merges || merge(tree, closed.id));
}

bool TreeReader::check_keys(const Tree& tree, const Open& mapping) {
  if (mapping.children < 2) return true;
  std::array<std::string_view, 32> few;
  std::vector<std::string_view> many;
  if (mapping.children > few.size()) many.resize(mapping.children);
  std::string_view* keys = many.empty() ? few.data() : many.data();
  std::size_t count = 0;
  for (auto id = tree.node(mapping.id).first; id != Tree::kNone; id = tree.node(id).next)
    keys[count++] = tree.node(id).key;
  std::sort(keys, keys + count);
  const auto* twice = std::adjacent_find(keys, keys + count);
  if (twice == keys + count) return true;
  bool first = true;
  for (auto id = tree.node(mapping.id).first; id != Tree::kNone; id = tree.node(id).next) {
    const auto& node = tree.node(id);
    if (node.key == *twice && !std::exchange(first, false))
      return refuse(node.line, node.column, "the key \"" + std::string(*twice) + "\" stands twice in one mapping");
  }
  return true;
}

}  // namespace fairlead::config
