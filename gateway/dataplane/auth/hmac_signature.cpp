// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/hmac_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include "fairlead/auth/digest.hpp"

namespace fairlead::auth {
namespace {

constexpr std::size_t kMostHeaders = 32;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

void skip_blanks(std::string_view& text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
}

/// name="value"; no escapes, as no value needs any.
bool take_parameter(std::string_view& text, std::string_view& name, std::string_view& value) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  name = text.substr(0, equals);
  text.remove_prefix(equals + 1);
  if (!text.starts_with('"')) return false;
  const auto end = text.find('"', 1);
  if (end == std::string_view::npos) return false;
  value = text.substr(1, end - 1);
  text.remove_prefix(end + 1);
  return value.find('\\') == std::string_view::npos;
}

bool split_headers(std::string_view list, std::vector<std::string_view>& out) {
  while (!list.empty()) {
    const auto end = std::min(list.find(' '), list.size());
    const auto name = list.substr(0, end);
    const bool good = !name.empty() && out.size() < kMostHeaders && std::ranges::find(out, name) == out.end() &&
                      std::ranges::none_of(name, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!good) return false;
    out.push_back(name);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return !out.empty();
}

std::string_view version_text(http::Version version) {
  switch (version) {
    case http::Version::kHttp10: return "HTTP/1.0";
    case http::Version::kHttp11: return "HTTP/1.1";
    case http::Version::kHttp2: return "HTTP/2.0";
    case http::Version::kHttp3: return "HTTP/3.0";
  }
  return "HTTP/1.1";
}

bool append_header(std::string& out, std::string_view name, const http::RequestHead& head) {
  if (name == "request-line") {
    out.append(head.method_text).append(" ").append(head.target).append(" ").append(version_text(head.version));
    return true;
  }
  out.append(name).append(": ");
  if (name == "@request-target") {
    for (const char c : head.method_text) out += lower(c);
    out.append(" ").append(head.target);
    return true;
  }
  if (name == "host") {
    out += head.authority;
    return !head.authority.empty();
  }
  if (name == "content-length") {
    out += std::to_string(head.content_length);
    return head.body == http::Body::kLength;
  }
  const auto* field = http::find(head.fields, name);
  if (field == nullptr || std::ranges::count(head.fields, name, &http::Field::name) != 1) return false;
  out += field->value;
  return true;
}

const EVP_MD* hash_of(std::string_view algorithm) {
  if (algorithm == "hmac-sha1") return EVP_sha1();
  if (algorithm == "hmac-sha256") return EVP_sha256();
  if (algorithm == "hmac-sha384") return EVP_sha384();
  return algorithm == "hmac-sha512" ? EVP_sha512() : nullptr;
}

bool take_number(std::string_view text, std::size_t at, std::size_t digits, int& out) {
  const auto part = text.substr(at, digits);
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), out);
  return error == std::errc{} && end == part.data() + part.size() && part.front() != '-';
}

}  // namespace

bool HmacHeader::covers(std::string_view header) const { return std::ranges::find(headers, header) != headers.end(); }

std::optional<HmacHeader> parse_hmac(std::string_view value) {
  constexpr std::string_view kScheme = "hmac ";
  if (value.size() <= kScheme.size() || !same_name(value.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  value.remove_prefix(kScheme.size());
  HmacHeader out;
  std::array<bool, 4> seen{};
  while (true) {
    skip_blanks(value);
    std::string_view name, text;
    if (!take_parameter(value, name, text)) return std::nullopt;
    static constexpr std::string_view kNames[] = {"username", "algorithm", "headers", "signature"};
    const auto place = static_cast<std::size_t>(std::ranges::find(kNames, name) - std::begin(kNames));
    if (place == seen.size() || std::exchange(seen[place], true)) return std::nullopt;
    if (place == 0) out.username = text;
    else if (place == 1) out.algorithm = text;
    else if (place == 3) out.signature = text;
    else if (!split_headers(text, out.headers)) return std::nullopt;
    skip_blanks(value);
    if (value.empty()) break;
    if (!value.starts_with(',')) return std::nullopt;
    value.remove_prefix(1);
  }
  if (!seen[0] || !seen[2] || !seen[3] || out.username.empty() || out.signature.empty()) return std::nullopt;
  return out;
}

std::optional<std::string> signing_string(const HmacHeader& header, const http::RequestHead& head) {
  std::string out;
  for (const auto name : header.headers) {
    if (!out.empty()) out += '\n';
    if (!append_header(out, name, head)) return std::nullopt;
  }
  return out;
}

bool is_hmac_algorithm(std::string_view name) { return hash_of(name) != nullptr; }

bool check_hmac(std::string_view algorithm, std::string_view secret, std::string_view text,
                std::string_view base64_signature) {
  const auto* hash = hash_of(algorithm);
  const auto signature = decode_base64(base64_signature);
  if (hash == nullptr || !signature || secret.empty()) return false;
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  unsigned length = 0;
  if (HMAC(hash, secret.data(), static_cast<int>(secret.size()), unsigned_bytes(text), text.size(), made.data(),
           &length) == nullptr)
    return false;
  return equal_constant_time({reinterpret_cast<const char*>(made.data()), length}, *signature);
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT"; the day's name says nothing.
  constexpr std::string_view kForm = "Sun, 06 Nov 1994 08:49:37 GMT";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != kForm.size() || text.substr(25) != " GMT" || text.substr(3, 2) != ", " || text[7] != ' ' ||
      text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':')
    return std::nullopt;
  const auto month = kMonths.find(text.substr(8, 3));
  tm parts{};
  if (month == std::string_view::npos || month % 3 != 0 || !take_number(text, 5, 2, parts.tm_mday) ||
      !take_number(text, 12, 4, parts.tm_year) || !take_number(text, 17, 2, parts.tm_hour) ||
      !take_number(text, 20, 2, parts.tm_min) || !take_number(text, 23, 2, parts.tm_sec))
    return std::nullopt;
  if (parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
    return std::nullopt;
  parts.tm_mon = static_cast<int>(month / 3);
  parts.tm_year -= 1900;
  return static_cast<std::int64_t>(timegm(&parts));
}

bool check_body_digest(std::string_view digest_header, std::string_view body) {
  constexpr std::string_view kName = "SHA-256=";
  if (!digest_header.starts_with(kName)) return false;
  return equal_constant_time(encode_base64(bytes_of(sha256(body))), digest_header.substr(kName.size()));
}

}  // namespace fairlead::auth
