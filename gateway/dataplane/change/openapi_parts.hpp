// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/change/openapi.hpp"

namespace fairlead::change {

enum class ParameterPlace : std::uint8_t { kPath, kQuery, kHeader, kCookie };

/// Names and texts, decoded, in their order.
using TextPairs = std::vector<std::pair<std::string, std::string>>;
using MemberTypes = std::map<std::string, ValueTypes, std::less<>>;

struct Parameter {
  ParameterPlace place = ParameterPlace::kQuery;
  std::string name;          // of headers in lower case
  bool required = false;
  bool explode = true;       // of lists: once for each item, else with `between` between them
  bool deep = false;         // deepObject: name[member]=value
  char between = ',';        // of lists and objects that are one text
  bool json = false;         // by content: the text is JSON
  char lead = 0;             // of path parameters: '.' of style label, ';' of matrix
  std::size_t position = 0;  // of path parameters
  SchemaSet::Index schema = 0xffffffff;  // none: any
  ValueTypes types{};        // of the schema
  MemberTypes members{};     // the same

  [[nodiscard]] bool may_be(std::uint8_t type) const { return (types.own & type) != 0; }
  /// An object whose members stand there as if they were parameters themselves.
  [[nodiscard]] bool spread() const {
    const bool form = place == ParameterPlace::kQuery || place == ParameterPlace::kCookie;
    return may_be(ValueTypes::kObject) && !json && !deep && explode && form;
  }
};

struct MediaType {
  std::string type;  // lower case; "*/*" and "image/*" too
  SchemaSet::Index schema = 0xffffffff;
  bool form = false;      // application/x-www-form-urlencoded, in place of JSON
  MemberTypes members{};  // of a form
};

/// plus: '+' is a space, as in queries.
[[nodiscard]] std::string decoded(std::string_view text, bool plus);
/// The pairs of "a=b&c=d", or of "a=b; c=d".
[[nodiscard]] TextPairs pairs_of(std::string_view text, char between, bool plus);
/// All texts that a parameter has, decoded: one, or one for each item.
[[nodiscard]] std::vector<std::string> texts_of(const Parameter& parameter, const ApiRequest& request,
                                                const std::vector<std::string>& values);
/// Of a parameter that may be an object: its members.
[[nodiscard]] TextPairs members_of(const Parameter& parameter, const ApiRequest& request,
                                   const std::vector<std::string>& texts);
/// An object of members; one that comes again is a list. False: too many.
[[nodiscard]] bool build_object(const TextPairs& members, const MemberTypes& types, Json& out);
/// Each value that the texts of a parameter without content may stand for, the likeliest first; none: it is there more
/// than once, and no list.
[[nodiscard]] std::vector<Json> values_of(const Parameter& parameter, const std::vector<std::string>& texts,
                                          const TextPairs& members);

struct ApiResponse {
  std::string status;  // "200", "2XX", "default"
  std::vector<Parameter> headers;
  std::vector<MediaType> bodies;  // none: any
};

struct OpenApi::Operation {
  std::string method;
  std::vector<Parameter> parameters;
  bool has_body = false;
  bool body_required = false;
  std::vector<MediaType> bodies;
  std::vector<ApiResponse> responses;
};

/// A template of a path in pieces: "/a/{x}.json" is "/a/", a value, ".json".
struct ApiPath {
  std::vector<std::string> literals;  // one more than there are values
  std::vector<std::string> names;
  std::vector<OpenApi::Operation> operations;
};

struct OpenApi::Parts {
  std::string text;
  Json document;
  std::unique_ptr<SchemaSet> schemas;
  std::vector<ApiPath> paths;  // those without values first
};

}  // namespace fairlead::change
