// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/coding.hpp"

#include <algorithm>

#include "fairlead/cache/control.hpp"
#include "gateway/dataplane/filter/packed.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {

using telemetry::ResponseFlag;

namespace {

/// Of a member of Accept-Encoding: "br;q=0.9".
bool is_written(std::string_view member) {
  auto name = member.substr(0, member.find(';'));
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
  constexpr std::string_view kNames[] = {"gzip", "x-gzip", "br", "zstd"};
  return std::ranges::any_of(kNames, [&](std::string_view one) { return cache::equal_ignoring_case(name, one); });
}

}  // namespace

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
                       : value == "br"                      ? Coding::kBrotli
                       : value == "zstd"                    ? Coding::kZstd
                                                            : Coding::kOther;
    out = out == Coding::kIdentity ? known : Coding::kOther;
  }
  return out;
}

void remove_fields(http::Fields& fields, std::initializer_list<std::string_view> names) {
  std::erase_if(fields, [&](const http::Field& field) { return std::ranges::find(names, field.name) != names.end(); });
}

change::Expanded expand(Coding coding, std::string_view packed, const change::ExpandLimits& limits,
                        std::string& plain) {
  switch (coding) {
    case Coding::kGzip:
    case Coding::kDeflate: return change::expand(packed, limits, plain);
    case Coding::kBrotli: return expand_brotli(packed, limits, plain);
    case Coding::kZstd: return expand_zstd(packed, limits, plain);
    default: return change::Expanded::kBroken;
  }
}

bool pack(Coding coding, std::string_view text, std::string& out) {
  switch (coding) {
    case Coding::kGzip: return change::gzip(text, out);
    case Coding::kBrotli: return brotli(text, out);
    case Coding::kZstd: return zstd(text, out);
    default: return false;
  }
}

void limit_codings(http::Fields& fields, Arena& arena) {
  std::string kept;
  for (const auto& field : fields) {
    if (field.name != "accept-encoding") continue;
    auto list = field.value;
    std::string_view member;
    while (cache::next_member(list, member))
      if (is_written(member)) kept.append(kept.empty() ? "" : ", ").append(member);
  }
  remove_fields(fields, {"accept-encoding", "range", "if-range"});
  fields.push_back({"accept-encoding", kept.empty() ? std::string_view("identity") : arena.copy(kept)});
}

bool decode_request_body(Request& request, const std::string& body, const change::ExpandLimits& limits,
                         std::string& plain) {
  const auto coding = coding_of(request.head().fields);
  if (coding == Coding::kIdentity) return true;
  if (coding == Coding::kOther) {
    answer_problem(request, 415, "Unsupported Media Type",
                   "the body's coding cannot be read: only gzip, deflate, br and zstd can",
                   ResponseFlag::kDownstreamProtocolError, {{"accept-encoding", "gzip, deflate, br, zstd"}});
    return false;
  }
  switch (expand(coding, body, limits, plain)) {
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
