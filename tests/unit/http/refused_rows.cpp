// SPDX-License-Identifier: Apache-2.0
// Prints the tables of what is to be refused as JSON, bytes as hexadecimal digits, for tests of whole programs.
#include <cstdio>
#include <string>

#include "unit/http/h1_rows.hpp"
#include "unit/http/h2_rows.hpp"

namespace {

std::string hex(const std::string& bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

void print(const char* table, const std::string& name, const std::string& bytes, unsigned answer, unsigned code) {
  static bool first = true;
  std::printf("%s{\"table\": \"%s\", \"name\": \"%s\", \"bytes\": \"%s\", \"answer\": %u, \"code\": %u}",
              first ? "[" : ",\n", table, name.c_str(), hex(bytes).c_str(), answer, code);
  first = false;
}

void print_all(const char* table, const std::vector<fairlead::http::rows::Row>& all) {
  for (const auto& row : all) print(table, row.name, row.bytes, static_cast<unsigned>(row.status), 0);
}

}  // namespace

int main() {
  namespace http = fairlead::http;
  print_all("requests", http::rows::requests());
  print_all("chunked bodies", http::rows::chunked_bodies());
  print_all("responses", http::rows::responses());
  for (const auto& cases : {http::h2_rows::malformed_requests(), http::h2_rows::broken_connections()})
    for (const auto& row : cases) print("HTTP/2", row.what, row.bytes, row.answer, row.code);
  std::puts("]");
}
