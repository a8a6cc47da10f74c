// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/change/openapi.hpp"

namespace fairlead::change {

enum class ParameterPlace : std::uint8_t { kPath, kQuery, kHeader, kCookie };

struct Parameter {
  ParameterPlace place = ParameterPlace::kQuery;
  std::string name;          // of headers in lower case
  bool required = false;
  bool explode = true;       // of lists: once for each item, else between commas
  bool json = false;         // by content: the text is JSON
  std::size_t position = 0;  // of path parameters
  SchemaSet::Index schema = 0xffffffff;  // none: any
};

struct MediaType {
  std::string type;  // lower case; "*/*" and "image/*" too
  SchemaSet::Index schema = 0xffffffff;
};

struct ApiResponse {
  std::string status;  // "200", "2XX", "default"
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
