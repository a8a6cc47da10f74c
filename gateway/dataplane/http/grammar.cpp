// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/grammar.hpp"

#include <algorithm>

#include "fairlead/base/address.hpp"

namespace fairlead::http::grammar {

namespace {

bool is_port(std::string_view text) {
  unsigned port = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return false;
    port = port * 10 + static_cast<unsigned>(c - '0');
    if (port > 65535) return false;
  }
  return true;
}

bool is_reg_name(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (is(text[at], kRegName)) {
      ++at;
    } else if (is_triplet(text, at)) {
      at += 3;
    } else {
      return false;
    }
  }
  return !text.empty();
}

bool is_ipv6(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return false;
  return Address::parse(text).has_value();
}

/// The host's length; 0: no valid host.
std::size_t host_length(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return 0;
    return close + 1;
  }
  const auto colon = std::min(text.find(':'), text.size());
  return is_reg_name(text.substr(0, colon)) ? colon : 0;
}

}  // namespace

bool is_path_and_query(std::string_view text, Class wanted) {
  if (!text.starts_with('/')) return false;
  for (std::size_t at = 1; at < text.size();) {
    if (is(text[at], wanted)) {
      ++at;
    } else if (is_triplet(text, at)) {
      at += 3;
    } else {
      return false;
    }
  }
  return true;
}

bool is_authority(std::string_view text) {
  const auto length = host_length(text);
  if (length == 0) return false;
  const auto rest = text.substr(length);
  return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
}

bool is_host_and_port(std::string_view text) {
  const auto length = host_length(text);
  return length != 0 && length + 1 < text.size() && text[length] == ':' && is_port(text.substr(length + 1));
}

bool is_forbidden_trailer(std::string_view name) {
  static constexpr std::string_view kForbidden[] = {"age",
                                                    "authorization",
                                                    "cache-control",
                                                    "connection",
                                                    "content-encoding",
                                                    "content-length",
                                                    "content-range",
                                                    "content-type",
                                                    "cookie",
                                                    "date",
                                                    "expect",
                                                    "expires",
                                                    "host",
                                                    "http2-settings",
                                                    "keep-alive",
                                                    "location",
                                                    "max-forwards",
                                                    "pragma",
                                                    "proxy-authenticate",
                                                    "proxy-authorization",
                                                    "proxy-connection",
                                                    "range",
                                                    "retry-after",
                                                    "set-cookie",
                                                    "te",
                                                    "trailer",
                                                    "transfer-encoding",
                                                    "upgrade",
                                                    "vary",
                                                    "warning",
                                                    "www-authenticate"};
  return std::ranges::find(kForbidden, name) != std::end(kForbidden);
}

bool is_hop_trailer(std::string_view name) {
  static constexpr std::string_view kHop[] = {"connection",        "content-length",   "host", "http2-settings",
                                              "keep-alive",        "proxy-connection", "te",   "trailer",
                                              "transfer-encoding", "upgrade"};
  return std::ranges::find(kHop, name) != std::end(kHop);
}

}  // namespace fairlead::http::grammar
