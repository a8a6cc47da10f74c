// SPDX-License-Identifier: Apache-2.0
#pragma once

// Requests and answers against an OpenAPI 3.0 or 3.1 document: paths, parameters, bodies.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/change/schema.hpp"

namespace fairlead::change {

/// Names in lower case, and values. Views.
using ApiHeaders = std::vector<std::pair<std::string_view, std::string_view>>;

/// A request as far as OpenAPI speaks of it. Views.
struct ApiRequest {
  std::string_view method;  ///< "GET"
  std::string_view path;    ///< normal, without the query and the base path; still percent-encoded
  std::string_view query;
  ApiHeaders headers;  ///< cookie among them
};

enum class ApiMatch : std::uint8_t { kFound, kNoPath, kNoMethod };

/// Compiled once, immutable. Owner: filters. Thread: any.
class OpenApi {
 public:
  struct Operation;

  /// `text`: the document as JSON. An error names the place. `remarks`: what of it is not checked. `responses`: they
  /// are to be checked, too.
  [[nodiscard]] static Result<std::shared_ptr<const OpenApi>> compile(std::string text,
                                                                      std::vector<std::string>& remarks,
                                                                      bool responses = false);
  ~OpenApi();
  OpenApi(const OpenApi&) = delete;
  OpenApi& operator=(const OpenApi&) = delete;

  /// Paths without parameters go before those with; what has values in place of the parameters is put into `values`,
  /// decoded, by position. `allowed`, with kNoMethod: "GET, POST".
  [[nodiscard]] ApiMatch match(const ApiRequest& request, const Operation*& operation, std::vector<std::string>& values,
                               std::string& allowed) const;

  /// Path, query, header and cookie parameters. `where` of a problem is "query.limit" or the like.
  [[nodiscard]] bool check_parameters(const Operation& operation, const ApiRequest& request,
                                      const std::vector<std::string>& values, SchemaReport& report) const;

  /// Whether a request without body is refused.
  [[nodiscard]] static bool requires_body(const Operation& operation);
  [[nodiscard]] static bool takes_body(const Operation& operation);
  enum class BodyKind : std::uint8_t { kAny, kJson, kForm, kUnknown };
  /// What a body of that content type is held to; kUnknown: no such type is allowed.
  [[nodiscard]] static BodyKind body_kind(const Operation& operation, std::string_view content_type);
  /// A form's fields as an object, for check_body(); false: no UTF-8, or more fields than are taken.
  [[nodiscard]] bool read_form(const Operation& operation, std::string_view content_type, std::string_view text,
                               Json& out) const;
  [[nodiscard]] bool check_body(const Operation& operation, std::string_view content_type, const Json& body,
                                SchemaReport& report) const;

  /// What an answer's body is held to; kUnknown: neither the status, nor "2XX", nor "default" is described, or not with
  /// that content type.
  [[nodiscard]] static BodyKind response_kind(const Operation& operation, std::uint16_t status,
                                              std::string_view content_type);
  /// Headers of an answer; `where` of a problem is "header.x-total" or the like.
  [[nodiscard]] bool check_headers(const Operation& operation, std::uint16_t status, const ApiHeaders& headers,
                                   SchemaReport& report) const;
  [[nodiscard]] bool check_response(const Operation& operation, std::uint16_t status, std::string_view content_type,
                                    const Json& body, SchemaReport& report) const;

 private:
  friend class OpenApiCompiler;
  OpenApi();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fairlead::change
