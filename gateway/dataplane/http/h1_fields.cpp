// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h1_fields.hpp"

#include <limits>

namespace fairlead::http {

namespace h1 {

const ScanKernels* scan = &best_scan();

H1Refusal Framing::take_length(std::string_view value) {
  // A list of equal lengths may be taken for one (RFC 9110 8.6), but need not: no honest client sends it.
  if (has_length) return H1Refusal::kContentLengthRepeated;
  if (value.empty() || value.size() > 19) return H1Refusal::kContentLength;
  for (const char c : value) {
    if (!grammar::is(c, grammar::kDigit)) return H1Refusal::kContentLength;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits fit into 64 bits
  }
  if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return H1Refusal::kContentLength;
  has_length = true;
  return H1Refusal::kNone;
}

H1Refusal Framing::take_coding(std::string_view value) {
  if (has_coding) return H1Refusal::kTransferEncoding;
  has_coding = true;
  bool unknown = false;
  bool last_is_chunked = false;
  std::string_view rest = value;
  do {
    const bool trailing_comma = rest.ends_with(',');
    const auto coding = grammar::next_element(rest);
    if (coding.empty() || last_is_chunked || (rest.empty() && trailing_comma)) return H1Refusal::kTransferEncoding;
    last_is_chunked = grammar::equals_ignoring_case(coding, "chunked");
    unknown |= !last_is_chunked;
  } while (!rest.empty());
  if (!last_is_chunked) return H1Refusal::kTransferEncoding;
  return unknown ? H1Refusal::kTransferCodingUnknown : H1Refusal::kNone;
}

H1Refusal Framing::take_connection(std::string_view value, std::vector<std::string_view>& named) {
  constexpr std::size_t kMostNamed = 32;
  while (!value.empty()) {
    const auto option = grammar::next_element(value);
    if (option.empty()) continue;
    if (grammar::equals_ignoring_case(option, "close")) {
      close = true;
    } else if (grammar::equals_ignoring_case(option, "keep-alive")) {
      keep_alive = true;
    } else if (grammar::equals_ignoring_case(option, "upgrade")) {
      names_upgrade = true;
    } else if (!grammar::is_token(option) || named.size() == kMostNamed) {
      return H1Refusal::kConnection;
    } else {
      named.push_back(option);
    }
  }
  return H1Refusal::kNone;
}

void remove_named(Fields& fields, const std::vector<std::string_view>& named) {
  for (const auto name : named) {
    std::erase_if(fields, [&](const Field& field) { return grammar::equals_ignoring_case(name, field.name); });
  }
}

std::string_view take_off(Fields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  if (found == fields.end()) return {};
  const auto value = found->value;
  fields.erase(found);
  return value;
}

H1Step parse_version(const char*& at, const char* end, Version& version, H1Refusal& refusal) {
  constexpr std::string_view kName = "HTTP/";
  const auto refuse = [&](H1Refusal why) {
    refusal = why;
    return H1Step::kRefused;
  };
  for (std::size_t i = 0; i < 8; ++i) {
    if (at + i == end) return H1Step::kMore;
    const char c = at[i];
    const bool good = i < kName.size() ? c == kName[i] : i == 6 ? c == '.' : grammar::is(c, grammar::kDigit);
    if (!good) return refuse(H1Refusal::kVersion);
  }
  if (at[5] != '1') return refuse(H1Refusal::kVersionUnsupported);
  version = at[7] == '0' ? Version::kHttp10 : Version::kHttp11;  // a later minor one is read as 1.1: RFC 9110 2.5
  at += 8;
  return H1Step::kDone;
}

namespace {

template <class Judge>
H1Step parse_trailers(H1Trailers& trailers, std::span<char> bytes, const H1Limits& limits, Judge judge) {
  trailers.fields.clear();
  trailers.facts = {};
  auto& refusal = trailers.facts.refusal;
  char* at = bytes.data();
  const auto step = parse_section(at, bytes.data() + bytes.size(), limits.head, refusal, [&](const Field& field) {
    trailers.fields.push_back(field);
    return judge(field.name);
  });
  trailers.facts.used = static_cast<std::size_t>(at - bytes.data());
  return step;
}

}  // namespace

}  // namespace h1

void use_scalar_h1_scan(bool scalar) { h1::scan = scalar ? &kScalarScan : &best_scan(); }

H1Step H1Trailers::parse(std::span<char> bytes, const H1Limits& limits) {
  return h1::parse_trailers(*this, bytes, limits, [](std::string_view name) {
    return grammar::is_forbidden_trailer(name) ? H1Refusal::kTrailerForbidden : H1Refusal::kNone;
  });
}

H1Step h1::parse_response_trailers(H1Trailers& trailers, std::span<char> bytes, const H1Limits& limits) {
  const auto step = parse_trailers(trailers, bytes, limits, [](std::string_view) { return H1Refusal::kNone; });
  std::erase_if(trailers.fields, [](const Field& field) { return grammar::is_hop_trailer(field.name); });
  return step;
}

}  // namespace fairlead::http
