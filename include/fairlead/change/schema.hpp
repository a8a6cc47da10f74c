// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON Schema, drafts 7 and 2020-12, compiled. Why it is our own: docs/decisions/0027-json-schema.md.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/change/json.hpp"

namespace fairlead::change {

struct SchemaNode;

/// One thing that is wrong with a document.
struct SchemaProblem {
  std::string where;  ///< JSON pointer; "" is the whole document
  std::string what;   ///< "expected a string, found a number"; never holds the document's values
};

struct SchemaReport {
  std::size_t most = 16;  ///< problems that are kept
  std::vector<SchemaProblem> problems{};
  bool more = false;  ///< there were more than `most`
};

enum class SchemaDialect : std::uint8_t {
  kBySchema,  ///< as its $schema says; 2020-12 where there is none
  kDraft7,
  kDraft2020,
  kOpenApi30,  ///< nullable, exclusiveMinimum as a boolean
};

/// What the value is that a schema describes: members that are `readOnly` need not be in requests, nor those that are
/// `writeOnly` in responses, though they are `required` (OpenAPI 3.0, 4.7.24).
enum class SchemaUse : std::uint8_t { kAny, kRequest, kResponse };

/// The types that a schema allows, with those by $ref, allOf, anyOf and oneOf, for texts that have to become values of
/// a type. Masks; 0: any.
struct ValueTypes {
  static constexpr std::uint8_t kNull = 1, kBoolean = 2, kInteger = 4, kNumber = 8, kString = 16, kArray = 32,
                                kObject = 64;
  static constexpr std::uint8_t kNumbers = kInteger | kNumber;
  std::uint8_t own = 0;
  std::uint8_t items = 0;  ///< of an array's items
};

/// Schemas of one document (an OpenAPI file has many), compiled together. Patterns are RE2's, so that none takes more
/// than linear time; the steps of one validation are bounded, so that no mixture of anyOf and $ref does either.
/// Owner: filters. Thread: add on one; validate on any, once nothing is added any more.
class SchemaSet {
 public:
  using Index = std::uint32_t;
  struct Parts;
  static constexpr std::uint32_t kMostSteps = 1'000'000;  ///< of one validation
  static constexpr std::uint32_t kMostDepth = 400;        ///< of schemas within schemas, for one validation

  /// `document` must outlive the set, and not change.
  SchemaSet(const Json& document, SchemaDialect dialect);
  ~SchemaSet();
  SchemaSet(SchemaSet&&) noexcept;
  SchemaSet& operator=(SchemaSet&&) noexcept;

  /// Compiles the schema at that place. An error names the place as a JSON pointer.
  [[nodiscard]] Result<Index> add(Json::Id at);

  /// Whether the value conforms; `report` (may be null) says why not.
  [[nodiscard]] bool validate(Index schema, const Json& instance, Json::Id at, SchemaReport* report,
                              SchemaUse use = SchemaUse::kAny) const;

  [[nodiscard]] ValueTypes types(Index schema) const;
  /// Of the members that it names.
  [[nodiscard]] std::map<std::string, ValueTypes, std::less<>> member_types(Index schema) const;

 private:
  std::unique_ptr<Parts> parts_;
};

/// Equal by value: numbers as numbers, members in any order.
[[nodiscard]] bool json_equal(const Json& a, Json::Id x, const Json& b, Json::Id y);
/// The JSON pointer of `at` below `root`; "" where they are the same.
[[nodiscard]] std::string pointer_to(const Json& document, Json::Id root, Json::Id at);

}  // namespace fairlead::change
