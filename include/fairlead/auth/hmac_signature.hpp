// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/http/message.hpp"

namespace fairlead::auth {

/// `hmac username="alice", algorithm="hmac-sha256", headers="date @request-target", signature="base64"`: the scheme of
/// draft-cavage-http-signatures as Kong and others have it. Views are into the header.
struct HmacHeader {
  std::string_view username;
  std::string_view algorithm{"hmac-sha256"};
  std::vector<std::string_view> headers;  ///< as written, in lower case; at least one
  std::string_view signature;

  [[nodiscard]] bool covers(std::string_view header) const;
};

/// Nothing where it is another scheme, or malformed: a parameter twice, or one missing.
[[nodiscard]] std::optional<HmacHeader> parse_hmac(std::string_view value);

/// What is signed: one line for each header of the list, "name: value", "@request-target: get /path", or "GET /path
/// HTTP/1.1" for request-line. Nothing where a header is not there, or stands twice.
[[nodiscard]] std::optional<std::string> signing_string(const HmacHeader& header, const http::RequestHead& head);

/// "hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"; false for others.
[[nodiscard]] bool check_hmac(std::string_view algorithm, std::string_view secret, std::string_view text,
                              std::string_view base64_signature);
[[nodiscard]] bool is_hmac_algorithm(std::string_view name);

/// RFC 9110 section 5.6.7, IMF-fixdate alone; seconds since 1970.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text);

/// `SHA-256=base64` (RFC 3230).
[[nodiscard]] bool check_body_digest(std::string_view digest_header, std::string_view body);

}  // namespace fairlead::auth
