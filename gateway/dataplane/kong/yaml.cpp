// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gateway/dataplane/kong/parts.hpp"

namespace fairlead::kong {
namespace {

/// Texts that YAML takes for nothing else stand without quotes.
bool is_plain(const std::string& text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (text.empty() || !letter(text.front())) return false;
  for (const auto* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
    if (text.size() == std::string_view(word).size() &&
        std::ranges::equal(text, std::string_view(word), [](char a, char b) { return (a | 0x20) == b; }))
      return false;
  return std::ranges::all_of(text, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/' || c == '_';
  });
}

std::string scalar(const Json& value) {
  if (value.is_string() && is_plain(value.get_ref<const std::string&>())) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void write(const Json& value, std::size_t indent, std::string& out);

void write_member(const std::string& lead, const Json& value, std::size_t indent, bool in_list, std::string& out) {
  out += lead;
  if (!value.is_structured() || value.empty()) {
    out += scalar(value);
    out += '\n';
    return;
  }
  if (in_list && value.is_object()) {  // the first member stands on the line of its dash
    std::string rest;
    write(value, indent + 2, rest);
    out += rest.substr(indent + 2);
    return;
  }
  if (out.back() == ' ') out.pop_back();
  out += '\n';
  write(value, indent + 2, out);
}

void write(const Json& value, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  if (value.is_array()) {
    for (const auto& item : value) write_member(margin + "- ", item, indent, true, out);
  } else {
    for (const auto& [key, item] : value.items())
      write_member(margin + (is_plain(key) ? key : Json(key).dump()) + ": ", item, indent, false, out);
  }
}

}  // namespace

std::string to_yaml(const Json& object) {
  std::string out;
  write(object, 0, out);
  return out;
}

void Output::add(View from, std::string_view version, std::string_view kind, const std::string& name, Json spec,
                 std::string_view created) {
  Json object = {{"apiVersion", version}, {"kind", kind}};
  object["metadata"]["name"] = name;
  if (kind != "GatewayClass") object["metadata"]["namespace"] = "default";
  if (!created.empty()) object["metadata"]["creationTimestamp"] = created;
  for (auto& [key, value] : spec.items()) {
    if (key == "annotations") object["metadata"][key] = std::move(value);
    else object[key] = std::move(value);
  }
  objects.push_back({std::move(object), from});
}

std::string Names::make(std::string_view prefix, std::string_view name) {
  constexpr std::size_t kMost = 50;
  std::string base(prefix);
  for (const char c : name.substr(0, kMost)) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    const bool good = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
    if (good) base += low;
    else if (!base.empty() && base.back() != '-') base += '-';
  }
  while (!base.empty() && base.back() == '-') base.pop_back();
  if (base.empty()) base = "x";
  const auto [found, unused] = used_.try_emplace(base, 1);
  if (unused) return base;
  auto number = found->second;
  std::string made;
  do made = base + "-" + std::to_string(++number);
  while (!used_.try_emplace(made, 1).second);
  used_[base] = number;
  return made;
}

}  // namespace fairlead::kong
