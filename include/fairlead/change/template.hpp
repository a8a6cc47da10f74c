// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values made of a request: "/users/{{ claims.sub }}?lang={{ request.header.accept-language | default \"en\" }}". No
// loops, no conditions, no calls: a template ends, and its output is bounded. Where it is used decides how values are
// escaped, so that no value can become structure: docs/reference/request-policy/templates.md.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/change/json.hpp"

namespace fairlead::change {

/// Where a value comes from.
enum class Source : std::uint8_t {
  kMethod,
  kPath,
  kRawQuery,    ///< request.query
  kTarget,      ///< path and query
  kCapture,     ///< of name: a group of the route's expression
  kHost,
  kScheme,
  kRequestId,
  kHeader,      ///< of name
  kQuery,       ///< of name, decoded; the first
  kCookie,      ///< of name
  kBody,        ///< JSON, by path
  kConsumerName,
  kConsumerId,
  kConsumerGroups,  ///< a list
  kClaims,      ///< JSON, by path
  kClientIp,
  kRoute,
  kRule,
  kUuid,
  kCounted,
  kNow,
  kStatus,          ///< of the response
  kResponseHeader,  ///< of name
  kResponseBody,    ///< JSON, by path
  kCallStatus,      ///< of the call `name`
  kCallBody,        ///< JSON, of the call `name`, by path
};

struct Reference {
  Source source = Source::kMethod;
  std::string name;  ///< headers in lower case
  JsonPath path;
};

/// What a reference stands for: a text, or a value of a document.
struct Value {
  bool found = false;
  std::string_view text{};
  const Json* document = nullptr;  ///< with `node`; null: it is `text`
  Json::Id node = Json::kNone;
};

/// Knows the values of one request. Texts live as long as it, or as `scratch`, which is the reference's own until the
/// next one.
class Scope {
 public:
  [[nodiscard]] virtual Value value(const Reference& reference, std::string& scratch) = 0;

 protected:
  ~Scope() = default;
};

/// Where a template's output goes.
enum class Place : std::uint8_t {
  kText,    ///< as it is
  kHeader,  ///< a field's value: control characters become spaces (RFC 9110 section 5.5)
  kPath,  ///< a segment each: all but unreserved characters percent-encoded; empty values, "." and ".." are refused
  kWholePath,  ///< as kPath, but slashes stay and values may be empty: what several segments are made of
  kQuery,  ///< all but unreserved characters percent-encoded
  kJson,  ///< escaped within the quotes of a string, a whole value elsewhere
  kHtml,  ///< & < > " ' as references; for XML too
};

enum class RenderError : std::uint8_t {
  kNone,
  kTooLong,
  kUnsafe,  ///< a path's value is missing, empty, "." or "..", or the whole of it is no path
};

/// How values are escaped in a body of that content type; JSON where there is none.
[[nodiscard]] Place place_of_type(std::string_view content_type);

/// Compiled once, immutable. Thread: any.
class Template {
 public:
  static constexpr std::size_t kMostText = 65536;  ///< bytes of a template
  static constexpr std::size_t kMostValues = 256;  ///< in one template

  /// An error names the place: "at character 12: ...".
  [[nodiscard]] static Result<Template> compile(std::string_view text, Place place);

  /// Appends at most `most` bytes to `out`; what was appended before an error stays.
  [[nodiscard]] RenderError render(Scope& scope, std::size_t most, std::string& out) const;

  /// True where some value is missing and no default stands in: such a header is not set.
  [[nodiscard]] bool lacks_value(Scope& scope) const;
  [[nodiscard]] bool uses(Source source) const;
  /// The calls that it refers to.
  [[nodiscard]] std::vector<std::string_view> calls() const;

 private:
  friend class TemplateCompiler;
  enum class FilterKind : std::uint8_t {
    kDefault,
    kLower,
    kUpper,
    kTrim,
    kUrlEncode,
    kJson,
    kNumber,
    kJoin,
    kLimit,
    kBase64,
  };
  struct Filter {
    FilterKind kind;
    std::string text;  // of default, join
    std::size_t number = 0;  // of limit
  };
  struct Piece {
    std::string literal;  // where it is no value
    bool is_value = false;
    bool quoted = false;  // kJson: within a string
    Reference reference;
    std::vector<Filter> filters;
  };
  static void apply(const Filter& filter, Value& value, bool& json, std::string& text);
  [[nodiscard]] bool render_value(const Piece& piece, Scope& scope, std::string& out) const;
  void put(const Piece& piece, const Value& value, bool json, std::string& out) const;

  std::vector<Piece> pieces_;
  Place place_ = Place::kText;
};

/// Whether `text` is one value and nothing else: "{{ request.body.a }}".
[[nodiscard]] bool is_single_value(std::string_view text);
/// `text` as a template of a JSON string: what is no value escaped, with quotes. A single value stays a value.
[[nodiscard]] std::string json_template_of(std::string_view text);

/// Appends `text` with all but RFC 3986's unreserved characters percent-encoded.
void append_percent_encoded(std::string_view text, std::string& out);
/// A part of a path or query as it is written there: triplets, and what is in `kept`, stay.
void append_part(std::string_view text, std::string_view kept, std::string& out);
/// Whether a path has a segment "." or "..", encoded or not; encoded slashes separate too, since some backends decode.
[[nodiscard]] bool has_dot_segment(std::string_view path);
/// Appends a text that may be sent as a field's value: control characters as spaces, none around it.
void append_header_value(std::string_view text, std::string& out);

}  // namespace fairlead::change
