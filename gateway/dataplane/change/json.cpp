// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/json.hpp"

#include "gateway/dataplane/change/utf8.hpp"

namespace fairlead::change {

Json::Id Json::member(Id object, std::string_view key) const {
  if (object == kNone || nodes_[object].kind != JsonKind::kObject) return kNone;
  auto id = nodes_[object].first;
  while (id != kNone && nodes_[id].key != key) id = nodes_[id].next;
  return id;
}

Json::Id Json::item(Id array, std::size_t index) const {
  if (array == kNone || nodes_[array].kind != JsonKind::kArray) return kNone;
  auto id = nodes_[array].first;
  while (id != kNone && index-- > 0) id = nodes_[id].next;
  return id;
}

std::size_t Json::count(Id id) const {
  std::size_t out = 0;
  for (auto child = nodes_[id].first; child != kNone; child = nodes_[child].next) ++out;
  return out;
}

Json::Id Json::make(JsonKind kind, std::string_view text) {
  nodes_.push_back({kind, kNone, kNone, kNone, {}, text});
  return static_cast<Id>(nodes_.size() - 1);
}

Json::Id Json::copy(const Json& from, Id id) {
  const auto source = from.nodes_[id];  // a copy: from may be this, and nodes move
  const auto out = make(source.kind, source.text);
  for (auto child = source.first; child != kNone;) {
    const auto made = copy(from, child);
    nodes_[made].key = from.nodes_[child].key;
    push(out, made);
    child = from.nodes_[child].next;
  }
  return out;
}

Json::Id Json::adopt(Json&& from) {
  const auto out = copy(from, from.root_);
  adopted_.push_back(std::move(from.texts_));
  for (auto& texts : from.adopted_) adopted_.push_back(std::move(texts));
  from = {};
  return out;
}

void Json::push(Id array, Id value) {
  auto& parent = nodes_[array];
  nodes_[value].next = kNone;
  if (parent.last == kNone) parent.first = value;
  else nodes_[parent.last].next = value;
  parent.last = value;
}

void Json::put(Id object, std::string_view key, Id value) {
  nodes_[value].key = key;
  const auto old = member(object, key);
  if (old == kNone) push(object, value);
  else replace(object, old, value);
}

void Json::replace(Id parent, Id old, Id value) {
  auto& container = nodes_[parent];
  nodes_[value].key = nodes_[old].key;
  nodes_[value].next = nodes_[old].next;
  if (container.first == old) {
    container.first = value;
  } else {
    auto before = container.first;
    while (nodes_[before].next != old) before = nodes_[before].next;
    nodes_[before].next = value;
  }
  if (container.last == old) container.last = value;
  nodes_[old].next = kNone;
}

void Json::unlink(Id parent, Id child) {
  auto& container = nodes_[parent];
  auto before = kNone;
  for (auto id = container.first; id != child; id = nodes_[id].next) before = id;
  if (before == kNone) container.first = nodes_[child].next;
  else nodes_[before].next = nodes_[child].next;
  if (container.last == child) container.last = before;
  nodes_[child].next = kNone;
}

void append_json_escaped(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && text[plain] != '"' && text[plain] != '\\') {
      const auto c = static_cast<unsigned char>(text[plain]);
      const auto length = c < 0x20 ? 0 : c < 0x80 ? 1 : utf8_length(text.substr(plain));
      if (length == 0) break;
      plain += length;
    }
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto c = static_cast<unsigned char>(text.front());
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c == '\n') {
      out.append("\\n");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (c == '\r') {
      out.append("\\r");
    } else if (c < 0x20) {
      out.append("\\u00");
      out.push_back(kHex[c >> 4]);
      out.push_back(kHex[c & 15]);
    } else {
      out.append("\xef\xbf\xbd");
    }
    text.remove_prefix(1);
  }
}

void Json::write(Id id, std::string& out) const {
  const auto& value = nodes_[id];
  switch (value.kind) {
    case JsonKind::kNull: out.append("null"); return;
    case JsonKind::kFalse: out.append("false"); return;
    case JsonKind::kTrue: out.append("true"); return;
    case JsonKind::kNumber: out.append(value.text); return;
    case JsonKind::kString:
      out.push_back('"');
      append_json_escaped(value.text, out);
      out.push_back('"');
      return;
    case JsonKind::kArray:
    case JsonKind::kObject: break;
  }
  const bool object = value.kind == JsonKind::kObject;
  out.push_back(object ? '{' : '[');
  for (auto child = value.first; child != kNone; child = nodes_[child].next) {
    if (child != value.first) out.push_back(',');
    if (object) {
      out.push_back('"');
      append_json_escaped(nodes_[child].key, out);
      out.append("\":");
    }
    write(child, out);
  }
  out.push_back(object ? '}' : ']');
}

}  // namespace fairlead::change
