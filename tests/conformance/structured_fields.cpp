// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/structured_fields.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "vectors.hpp"

namespace fairlead::test {
namespace {

using nlohmann::json;
using namespace auth::structured;

/// As the suite writes octets.
std::string base32(std::string_view bytes) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  std::uint32_t bits = 0, count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5) out += kLetters[bits >> (count - 5) & 31];
  }
  if (count > 0) out += kLetters[bits << (5 - count) & 31];
  while (out.size() % 8 != 0) out += '=';
  return out;
}

json of(const BareItem& item) {
  switch (item.type) {
    case BareItem::Type::kInteger: return item.number;
    case BareItem::Type::kDecimal: return static_cast<double>(item.number) / 1000;
    case BareItem::Type::kString: return item.text;
    case BareItem::Type::kToken: return {{"__type", "token"}, {"value", item.text}};
    case BareItem::Type::kBytes: return {{"__type", "binary"}, {"value", base32(item.text)}};
    case BareItem::Type::kBoolean: return item.number != 0;
  }
  return nullptr;
}
json of(const Parameters& parameters) {
  auto out = json::array();
  for (const auto& [key, value] : parameters) out.push_back({key, of(value)});
  return out;
}
json of(const Item& item) { return json::array({of(item.value), of(item.parameters)}); }
json of(const Member& member) {
  if (!member.is_list) return of(member.items.front());
  auto items = json::array();
  for (const auto& item : member.items) items.push_back(of(item));
  return json::array({items, of(member.parameters)});
}
json of(const List& list) {
  auto out = json::array();
  for (const auto& member : list) out.push_back(of(member));
  return out;
}
json of(const Dictionary& dictionary) {
  auto out = json::array();
  for (const auto& [key, member] : dictionary) out.push_back({key, of(member)});
  return out;
}

struct Read {
  bool good = false;
  json value;
  std::string canonical;
};
template <class Value>
Read read(const std::optional<Value>& value) {
  if (!value) return {};
  return {true, of(*value), serialize(*value)};
}

bool uses(const json& value, std::string_view type) {
  return value.dump().find("\"__type\":\"" + std::string(type) + "\"") != std::string::npos;
}

void run_case(const std::string& name, const json& test, Tally& tally) {
  std::string raw;
  for (const auto& line : test["raw"]) raw += (raw.empty() ? "" : ", ") + line.get<std::string>();
  const auto kind = test["header_type"].get<std::string>();
  const auto got = kind == "item"   ? read(parse_item(raw))
                   : kind == "list" ? read(parse_list(raw))
                                    : read(parse_dictionary(raw));
  const bool must_fail = test.value("must_fail", false);
  if (!got.good) return tally.count(must_fail || test.value("can_fail", false), name, "refused");
  if (must_fail) return tally.count(false, name, "accepted");
  if (got.value != test["expected"]) return tally.count(false, name, "it is " + got.value.dump());
  std::string canonical;
  const auto& lines = test.contains("canonical") ? test["canonical"] : test["raw"];
  for (const auto& line : lines) canonical += (canonical.empty() ? "" : ", ") + line.get<std::string>();
  tally.count(got.canonical == canonical, name, "it is written as " + got.canonical);
}

}  // namespace

void run_structured_fields(const std::filesystem::path& checkout, Tally& tally) {
  for (const auto& file : std::filesystem::directory_iterator(checkout)) {
    if (file.path().extension() != ".json") continue;
    for (const auto& test : json::parse(file_text(file.path()))) {
      const bool newer =
          test.contains("expected") && (uses(test["expected"], "date") || uses(test["expected"], "displaystring"));
      if (newer) tally.leave_out();  // RFC 9651's
      else run_case(file.path().stem().string() + ": " + test["name"].get<std::string>(), test, tally);
    }
  }
}

}  // namespace fairlead::test
