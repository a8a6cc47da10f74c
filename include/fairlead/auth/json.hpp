// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::auth {

/// A JSON text (RFC 8259) read as strictly as tokens need it: members that stand twice, depth beyond a limit, texts
/// that are no UTF-8 and lone surrogates are refused, as two readers could take them differently. Views are into the
/// text that was parsed, which must live as long; what had escapes is kept beside. Owner: whoever reads a token.
/// Thread: one; any once it is parsed.
class Json {
 public:
  enum class Type : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kMostDepth = 32;
  static constexpr std::size_t kMostNodes = 10000;

  struct Node {
    Type type = Type::kNull;
    std::string_view key;   ///< in an object
    std::string_view text;  ///< of strings: what it means; of numbers: as written
    std::uint32_t first = kNone;
    std::uint32_t next = kNone;
  };

  /// Nothing where it is no JSON, or not by the rules above; the root is node 0.
  [[nodiscard]] static std::optional<Json> parse(std::string_view text);

  [[nodiscard]] const Node& root() const { return nodes_[0]; }
  [[nodiscard]] const Node* node(std::uint32_t id) const { return id == kNone ? nullptr : &nodes_[id]; }
  [[nodiscard]] const Node* first(const Node& of) const { return node(of.first); }
  [[nodiscard]] const Node* next(const Node& of) const { return node(of.next); }
  /// The member of an object; null: none, or no object.
  [[nodiscard]] const Node* member(const Node& of, std::string_view key) const;
  /// A member of the root whose name is the whole path ("https://a.example/roles"), else one step after another
  /// ("realm_access.roles").
  [[nodiscard]] const Node* find(std::string_view path) const;
  /// The text of a member that is a string.
  [[nodiscard]] std::optional<std::string_view> string(const Node& of, std::string_view key) const;

 private:
  friend class JsonReader;
  std::vector<Node> nodes_;
  std::deque<std::string> unescaped_;
};

/// A number as seconds since 1970 (RFC 7519 NumericDate): fractions are cut off, what is beyond is the limit.
[[nodiscard]] std::optional<std::int64_t> numeric_date(const Json::Node& node);

}  // namespace fairlead::auth
