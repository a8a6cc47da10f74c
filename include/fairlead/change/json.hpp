// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON documents (RFC 8259) as flat tables of nodes. Numbers keep the text that they came with, so that what passes
// through loses nothing: 12345678901234567890123, 1e400 and 0.10 stay what they are.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::change {

enum class JsonKind : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

/// How much of a document is taken. Depth keeps recursion over the tree off the stack's end.
struct JsonLimits {
  std::uint32_t depth = 64;
  std::uint32_t nodes = 250'000;  ///< values; 48 B each
};

/// Why a text is no document, and where.
struct JsonError {
  std::size_t offset = 0;
  std::string_view what;  ///< a literal: "a string without an end"
};

/// One document. Strings are views into the parsed text where they stand there without escapes, so that text must
/// outlive the document.
/// Owner: whoever parsed it. Thread: one at a time; const from any.
class Json {
 public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0xffffffff;

  struct Node {
    JsonKind kind = JsonKind::kNull;
    Id first = kNone;  ///< child
    Id last = kNone;   ///< child
    Id next = kNone;   ///< sibling
    std::string_view key;   ///< of an object's member, decoded
    std::string_view text;  ///< a string decoded, a number as written
  };

  Json() = default;
  Json(Json&&) noexcept = default;
  Json& operator=(Json&&) noexcept = default;
  Json(const Json&) = delete;
  Json& operator=(const Json&) = delete;

  /// Strict: no comments, no names twice in one object (parsers disagree on which counts), valid UTF-8 without lone
  /// surrogates, one value. False: error() says why.
  [[nodiscard]] bool parse(std::string_view text, const JsonLimits& limits = {});
  [[nodiscard]] const JsonError& error() const { return error_; }

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  [[nodiscard]] const Node& node(Id id) const { return nodes_[id]; }
  [[nodiscard]] Id root() const { return root_; }
  [[nodiscard]] JsonKind kind(Id id) const { return nodes_[id].kind; }
  [[nodiscard]] Id member(Id object, std::string_view key) const;  ///< kNone: none, or no object
  [[nodiscard]] Id item(Id array, std::size_t index) const;
  [[nodiscard]] std::size_t count(Id id) const;  ///< children

  // Changes. Texts that are handed in are views, to be kept by the caller or by keep().
  Id make(JsonKind kind, std::string_view text = {});
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }
  std::string_view keep(std::string&& text) { return texts_.emplace_back(std::move(text)); }
  /// A copy of another document's value; its texts are not copied.
  Id copy(const Json& from, Id id);
  /// A copy of another document's root, whose decoded texts go over to this one. The text that it was parsed from has
  /// to outlive this one.
  Id adopt(Json&& from);
  void set_root(Id id) { root_ = id; }
  /// Puts `value` (made here, in no place yet) at the end of `parent`, or in the place of the member of that name.
  void put(Id object, std::string_view key, Id value);
  void push(Id array, Id value);
  void replace(Id parent, Id old, Id value);
  void unlink(Id parent, Id child);

  /// Appends the text of a value, without white space.
  void write(Id id, std::string& out) const;

 private:
  friend class JsonParser;
  std::vector<Node> nodes_;
  std::deque<std::string> texts_;  // whose elements never move
  std::vector<std::deque<std::string>> adopted_;
  Id root_ = kNone;
  JsonError error_;
};

/// Appends `text` as it stands between the quotes of a JSON string. What is no UTF-8 becomes U+FFFD.
void append_json_escaped(std::string_view text, std::string& out);
/// True for what RFC 8259 calls a number.
[[nodiscard]] bool is_json_number(std::string_view text);

/// Below 0, 0, above 0, by value and exactly: 1 is 1.0 and 10e-1, and 1e400 is more than 1e399.
[[nodiscard]] int compare_numbers(std::string_view a, std::string_view b);
[[nodiscard]] bool is_integer(std::string_view number);
/// Exactly; a divisor of more than 18 digits divides nothing but itself and zero.
[[nodiscard]] bool is_multiple(std::string_view number, std::string_view divisor);

/// A place in a document: member names and indexes.
struct JsonStep {
  std::string key;
  std::size_t index = 0;
  bool is_index = false;
};
using JsonPath = std::vector<JsonStep>;

/// "a.b[0].c", `a["x.y"]`, or a JSON pointer "/a/b/0" (RFC 6901; digits name items of arrays, and members of objects).
/// Empty: the whole document. Nothing: neither.
[[nodiscard]] std::optional<JsonPath> parse_json_path(std::string_view text);
[[nodiscard]] Json::Id find(const Json& document, Json::Id from, const JsonPath& path);

/// What a change of a document does where the path leads nowhere.
enum class JsonEdit : std::uint8_t {
  kAdd,  ///< only where there is nothing
  kReplace,  ///< only where there is something
  kSet,  ///< in any case
  kAppend,  ///< to the array there, made where there is none; another value becomes its first item
};
/// Objects on the way are made; arrays grow by one item at most, at their end. False: the path does not lead there
/// (a text on the way, an index past the end), and nothing has changed.
bool edit(Json& document, const JsonPath& path, JsonEdit how, Json::Id value);
bool remove(Json& document, const JsonPath& path);
/// Moves what stands at `from`; whatever stood at `to` goes. False: there was nothing, or no place for it.
bool rename(Json& document, const JsonPath& from, const JsonPath& to);

}  // namespace fairlead::change
