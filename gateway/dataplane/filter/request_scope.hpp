// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "fairlead/change/template.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// The values of a request, and of its response and calls where somebody adds them, for templates.
/// Owner: a filter, for as long as it renders. Thread: the worker's.
class RequestScope : public change::Scope {
 public:
  explicit RequestScope(Request& request) : request_(request) {}

  void set_body(const change::Json* body) { body_ = body; }
  void set_response(const http::ResponseHead* head) { response_ = head; }
  void set_response_body(const change::Json* body) { response_body_ = body; }

  [[nodiscard]] change::Value value(const change::Reference& reference, std::string& scratch) override;

 protected:
  ~RequestScope() = default;
  /// calls.NAME.*
  [[nodiscard]] virtual change::Value call_value(const change::Reference&, std::string& /*scratch*/) { return {}; }

 private:
  [[nodiscard]] change::Value groups();
  [[nodiscard]] change::Value claim(const change::JsonPath& path);

  Request& request_;
  const change::Json* body_ = nullptr;
  const http::ResponseHead* response_ = nullptr;
  const change::Json* response_body_ = nullptr;
  change::Json claims_, groups_;
  bool claims_read_ = false;
};

/// Version 4 (RFC 9562 section 5.4) of the worker's numbers: unique, not secret.
void append_uuid(upstream::Random& random, std::string& out);
/// A UUID of this worker, and how many it has made with it: cheaper to tell apart by eye than random ones.
void append_counted(upstream::Random& random, std::string& out);

/// For filters that have no calls.
class PlainScope final : public RequestScope {
 public:
  using RequestScope::RequestScope;
};

/// A template that readers have held to be good. Compiled anew: an error would be ours, and makes it empty.
[[nodiscard]] change::Template compiled(std::string_view text, change::Place place);

/// The content type says JSON: "application/json", "application/problem+json; charset=utf-8".
[[nodiscard]] bool is_json_type(const http::Fields& fields);

}  // namespace fairlead::filter
