// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/structured_fields.hpp"

#include <algorithm>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth::structured {
namespace {

using Type = BareItem::Type;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alpha(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_tchar(char c) {
  return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// Of equal keys the last value, in the place where the key came first. Sorted, as a field may have thousands.
template <class T>
void settle(std::vector<std::pair<std::string, T>>& all) {
  if (all.size() < 2) return;
  std::vector<std::pair<std::string, T>*> sorted;
  for (auto& one : all) sorted.push_back(&one);
  std::ranges::stable_sort(sorted, {}, [](const auto* one) -> std::string_view { return one->first; });
  for (std::size_t i = sorted.size() - 1; i > 0; --i) {
    if (sorted[i - 1]->first != sorted[i]->first) continue;
    sorted[i - 1]->second = std::move(sorted[i]->second);
    sorted[i]->first.clear();  // no key is empty
  }
  std::erase_if(all, [](const auto& one) { return one.first.empty(); });
}

/// Section 4.2. Each function takes what it is named for off the front; false: it is not there, or malformed.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) { skip_spaces(); }

  /// Nothing but blanks may follow.
  bool at_end() {
    skip_spaces();
    return rest_.empty();
  }
  bool item(Item& out) { return count() && bare(out.value) && parameters(out.parameters); }
  bool list(List& out) {
    return members([&] { return member(out.emplace_back()); });
  }
  bool dictionary(Dictionary& out) {
    const bool good = members([&] {
      auto& [name, value] = out.emplace_back();
      if (!key(name)) return false;
      if (take('=')) {
        if (!member(value)) return false;
      } else {
        auto& one = value.items.emplace_back();
        if (!count() || !parameters(one.parameters)) return false;
      }
      return true;
    });
    settle(out);
    return good;
  }

 private:
  bool count() { return ++parts_ <= kMostParts; }
  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  void skip_blanks() {
    while (rest_.starts_with(' ') || rest_.starts_with('\t')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <class Is>
  std::string_view run(Is is) {
    const auto end = static_cast<std::size_t>(std::ranges::find_if_not(rest_, is) - rest_.begin());
    const auto out = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return out;
  }

  /// Commas between, and none at the end.
  template <class One>
  bool members(One one) {
    while (!rest_.empty()) {
      if (!one()) return false;
      skip_blanks();
      if (rest_.empty()) return true;
      if (!take(',')) return false;
      skip_blanks();
      if (rest_.empty()) return false;
    }
    return true;
  }
  bool member(Member& out) {
    out.is_list = take('(');
    if (!out.is_list) return item(out.items.emplace_back());
    while (true) {
      skip_spaces();
      if (take(')')) return count() && parameters(out.parameters);
      if (!item(out.items.emplace_back())) return false;
      if (!rest_.starts_with(' ') && !rest_.starts_with(')')) return false;
    }
  }
  bool key(std::string& out) {
    if (rest_.empty() || (!is_lower(rest_.front()) && rest_.front() != '*')) return false;
    out = run([](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '*'; });
    return true;
  }
  bool parameters(Parameters& out) {
    while (take(';')) {
      skip_spaces();
      auto& [name, value] = out.emplace_back();
      if (!count() || !key(name)) return false;
      if (take('=') && !bare(value)) return false;
    }
    settle(out);
    return true;
  }
  bool bare(BareItem& out) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    if (c == '-' || is_digit(c)) return number(out);
    if (c == '"') return string(out);
    if (c == ':') return bytes(out);
    if (c == '?') return boolean(out);
    if (!is_alpha(c) && c != '*') return false;
    out = {Type::kToken, 0, std::string(run([](char t) { return is_tchar(t) || t == ':' || t == '/'; }))};
    return true;
  }
  bool number(BareItem& out) {
    const std::int64_t sign = take('-') ? -1 : 1;
    const auto whole = run(is_digit);
    if (whole.empty() || whole.size() > 15) return false;
    std::int64_t value = 0;
    for (const char c : whole) value = value * 10 + (c - '0');
    out = {Type::kInteger, sign * value};
    if (!take('.')) return true;
    const auto fraction = run(is_digit);
    if (whole.size() > 12 || fraction.empty() || fraction.size() > 3) return false;
    for (std::size_t i = 0; i < 3; ++i) value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
    out = {Type::kDecimal, sign * value};
    return true;
  }
  bool string(BareItem& out) {
    out = {Type::kString, 0};
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\') {
        if (!rest_.starts_with('"') && !rest_.starts_with('\\')) return false;
        c = rest_.front();
        rest_.remove_prefix(1);
      }
      if (c < ' ' || c > '~') return false;
      out.text += c;
    }
    return false;
  }
  bool bytes(BareItem& out) {
    rest_.remove_prefix(1);
    const auto end = rest_.find(':');
    if (end == std::string_view::npos) return false;
    auto decoded = decode_base64(rest_.substr(0, end));
    if (!decoded) return false;
    rest_.remove_prefix(end + 1);
    out = {Type::kBytes, 0, std::move(*decoded)};
    return true;
  }
  bool boolean(BareItem& out) {
    rest_.remove_prefix(1);
    if (!rest_.starts_with('0') && !rest_.starts_with('1')) return false;
    out = {Type::kBoolean, rest_.front() - '0'};
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view rest_;
  std::size_t parts_ = 0;
};

template <class T, class Parse>
std::optional<T> whole(std::string_view value, Parse parse) {
  Parser parser(value);
  T out{};
  if (!parse(parser, out) || !parser.at_end()) return std::nullopt;
  return out;
}

std::string decimal_text(std::int64_t thousandths) {
  std::string out = thousandths < 0 ? "-" : "";
  const auto value = thousandths < 0 ? -thousandths : thousandths;
  auto fraction = std::to_string(1000 + value % 1000).substr(1);
  while (fraction.size() > 1 && fraction.ends_with('0')) fraction.pop_back();
  return out + std::to_string(value / 1000) + '.' + fraction;
}

std::string text_of(const BareItem& item) {
  switch (item.type) {
    case Type::kInteger: return std::to_string(item.number);
    case Type::kDecimal: return decimal_text(item.number);
    case Type::kToken: return item.text;
    case Type::kBytes: return ':' + encode_base64(item.text) + ':';
    case Type::kBoolean: return item.number != 0 ? "?1" : "?0";
    case Type::kString: break;
  }
  std::string out = "\"";
  for (const char c : item.text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool is_true(const BareItem& item) { return item.type == Type::kBoolean && item.number != 0; }

std::string text_of(const Parameters& parameters) {
  std::string out;
  for (const auto& [key, value] : parameters) {
    out.append(";").append(key);
    if (!is_true(value)) out.append("=").append(text_of(value));
  }
  return out;
}

template <class T>
const T* find_in(const std::vector<std::pair<std::string, T>>& list, std::string_view key) {
  const auto found = std::ranges::find(list, key, [](const auto& one) -> std::string_view { return one.first; });
  return found == list.end() ? nullptr : &found->second;
}

}  // namespace

const BareItem* find(const Parameters& parameters, std::string_view key) { return find_in(parameters, key); }
const Member* find(const Dictionary& dictionary, std::string_view key) { return find_in(dictionary, key); }

std::optional<Item> parse_item(std::string_view value) {
  return whole<Item>(value, [](Parser& parser, Item& out) { return parser.item(out); });
}
std::optional<List> parse_list(std::string_view value) {
  return whole<List>(value, [](Parser& parser, List& out) { return parser.list(out); });
}
std::optional<Dictionary> parse_dictionary(std::string_view value) {
  return whole<Dictionary>(value, [](Parser& parser, Dictionary& out) { return parser.dictionary(out); });
}

std::string serialize(const Item& item) { return text_of(item.value) + text_of(item.parameters); }

std::string serialize(const Member& member) {
  if (!member.is_list) return serialize(member.items.front());
  std::string out = "(";
  for (const auto& item : member.items) out.append(out.size() > 1 ? " " : "").append(serialize(item));
  return out + ')' + text_of(member.parameters);
}

std::string serialize(const List& list) {
  std::string out;
  for (const auto& member : list) out.append(out.empty() ? "" : ", ").append(serialize(member));
  return out;
}

std::string serialize(const Dictionary& dictionary) {
  std::string out;
  for (const auto& [key, member] : dictionary) {
    out.append(out.empty() ? "" : ", ").append(key);
    const bool bare = !member.is_list && is_true(member.items.front().value);
    if (bare) out += text_of(member.items.front().parameters);
    else out.append("=").append(serialize(member));
  }
  return out;
}

}  // namespace fairlead::auth::structured
