// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/coding.hpp"

#include <algorithm>

#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {

using telemetry::ResponseFlag;

Coding coding_of(const http::Fields& fields) {
  auto out = Coding::kIdentity;
  for (const auto& field : fields) {
    if (field.name != "content-encoding") continue;
    std::string value(field.value);
    for (auto& c : value)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (value == "identity" || value.empty()) continue;
    const auto known = value == "gzip" || value == "x-gzip" ? Coding::kGzip
                       : value == "deflate"                 ? Coding::kDeflate
                                                            : Coding::kOther;
    out = out == Coding::kIdentity ? known : Coding::kOther;
  }
  return out;
}

void remove_fields(http::Fields& fields, std::initializer_list<std::string_view> names) {
  std::erase_if(fields, [&](const http::Field& field) { return std::ranges::find(names, field.name) != names.end(); });
}

void limit_codings(http::Fields& fields) {
  const bool gzip = std::ranges::any_of(fields, [](const http::Field& field) {
    return field.name == "accept-encoding" && field.value.find("gzip") != std::string_view::npos &&
           field.value.find("q=0") == std::string_view::npos;
  });
  remove_fields(fields, {"accept-encoding", "range", "if-range"});
  fields.push_back({"accept-encoding", gzip ? "gzip" : "identity"});
}

bool decode_request_body(Request& request, const std::string& body, const change::ExpandLimits& limits,
                         std::string& plain) {
  const auto coding = coding_of(request.head().fields);
  if (coding == Coding::kIdentity) return true;
  if (coding == Coding::kOther) {
    answer_problem(request, 415, "Unsupported Media Type",
                   "the body's coding cannot be read: only gzip and deflate can",
                   ResponseFlag::kDownstreamProtocolError, {{"accept-encoding", "gzip, deflate"}});
    return false;
  }
  switch (change::expand(body, limits, plain)) {
    case change::Expanded::kWhole: break;
    case change::Expanded::kTooLarge:
      answer_problem(request, 413, "Content Too Large", "the body is too large once it is expanded",
                     ResponseFlag::kTooLarge);
      return false;
    case change::Expanded::kBroken:
      answer_problem(request, 400, "Bad Request", "the body is not what its content-encoding says",
                     ResponseFlag::kDownstreamProtocolError);
      return false;
  }
  if (plain.empty()) plain.push_back(' ');  // coded, and nothing: no JSON in any case
  return true;
}

}  // namespace fairlead::filter
