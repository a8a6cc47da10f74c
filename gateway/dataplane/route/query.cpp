// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/query.hpp"

#include "fairlead/base/ascii.hpp"

namespace fairlead::route {

char next_query_octet(std::string_view& encoded) {
  const char c = encoded.front();
  if (c == '%' && encoded.size() >= 3) {
    const int high = hex_value(encoded[1]);
    const int low = hex_value(encoded[2]);
    if (high >= 0 && low >= 0) {
      encoded.remove_prefix(3);
      return static_cast<char>(high * 16 + low);
    }
  }
  encoded.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

bool query_equals(std::string_view encoded, std::string_view text) {
  if (encoded.size() < text.size()) return false;
  for (const char c : text)
    if (encoded.empty() || next_query_octet(encoded) != c) return false;
  return encoded.empty();
}

std::optional<std::string_view> find_query(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    const auto equals = pair.find('=');
    if (query_equals(pair.substr(0, equals), name))
      return equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (pair.size() == query.size()) break;
    query.remove_prefix(pair.size() + 1);
  }
  return std::nullopt;
}

void decode_query(std::string_view encoded, std::string& out) {
  while (!encoded.empty()) out.push_back(next_query_octet(encoded));
}

}  // namespace fairlead::route
