// SPDX-License-Identifier: Apache-2.0
#include "gateway/page.hpp"

#include <string>

namespace fairlead::gateway {
namespace {

std::string type_of(std::string_view name) {
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "text/html; charset=utf-8";
}

}  // namespace

void add_page(admin::Server& server) {
  for (const auto& file : page_files()) {
    const auto path = file.name == "index.html" ? std::string("/") : "/" + std::string(file.name);
    server.get(path, [file](const admin::Request&) {
      return admin::Response{.status = 200, .type = type_of(file.name), .body = std::string(file.content)};
    });
  }
}

}  // namespace fairlead::gateway
