// SPDX-License-Identifier: Apache-2.0
#pragma once

// Structured field values (RFC 8941): read strictly, as section 4.2 has it, and written in the one canonical way of
// section 4.1. Texts are owned. Thread: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::auth::structured {

/// Section 3.3.
struct BareItem {
  enum class Type : std::uint8_t { kInteger, kDecimal, kString, kToken, kBytes, kBoolean };
  Type type = Type::kBoolean;
  std::int64_t number = 1;  ///< kInteger; kDecimal: thousandths; kBoolean: 0 or 1
  std::string text{};       ///< kString, kToken, kBytes (decoded)
  bool operator==(const BareItem&) const = default;
};

/// In the order in which their keys came first; of equal keys the last value counts (section 4.2.3.2).
using Parameters = std::vector<std::pair<std::string, BareItem>>;
[[nodiscard]] const BareItem* find(const Parameters& parameters, std::string_view key);

struct Item {
  BareItem value;
  Parameters parameters{};
  bool operator==(const Item&) const = default;
};

/// Of a list or a dictionary: an item, or an inner list of items.
struct Member {
  bool is_list = false;
  std::vector<Item> items;  ///< one, where it is no inner list
  Parameters parameters{};  ///< of the inner list; those of an item stand with it
};
using List = std::vector<Member>;
/// In the order in which keys came first; of equal keys the last value counts (section 4.2.2).
using Dictionary = std::vector<std::pair<std::string, Member>>;
[[nodiscard]] const Member* find(const Dictionary& dictionary, std::string_view key);

/// Nothing where a value breaks the grammar anywhere: a field is good as a whole or not at all (section 4.2). An empty
/// value is an empty list or dictionary, and no item. More than kMostParts members, items and parameters are refused;
/// sections 3.1 and 3.2 ask for 1024 members at least.
inline constexpr std::size_t kMostParts = 2048;
[[nodiscard]] std::optional<Item> parse_item(std::string_view value);
[[nodiscard]] std::optional<List> parse_list(std::string_view value);
[[nodiscard]] std::optional<Dictionary> parse_dictionary(std::string_view value);

[[nodiscard]] std::string serialize(const Item& item);
[[nodiscard]] std::string serialize(const Member& member);
[[nodiscard]] std::string serialize(const List& list);
[[nodiscard]] std::string serialize(const Dictionary& dictionary);

}  // namespace fairlead::auth::structured
