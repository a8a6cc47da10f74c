// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fairlead/route/authority.hpp"
#include "fairlead/route/path.hpp"
#include "fairlead/route/router.hpp"

namespace fairlead::route {

inline RoutePtr prepared(Route route) {
  auto done = prepare(std::move(route));
  if (!done) {
    ADD_FAILURE() << done.error().message;
    return std::make_shared<const Route>();
  }
  return *done;
}

inline std::shared_ptr<const Router> router_of(std::vector<Route> routes) {
  std::vector<RoutePtr> ready;
  for (auto& route : routes) ready.push_back(prepared(std::move(route)));
  return Router::build(ready);
}

/// A request as the proxy makes it: texts made normal first.
struct Asked {
  Arena arena;
  http::RequestHead head;
  Request request;

  Asked(std::string_view method, std::string_view host, std::string_view target, http::Fields fields = {}) {
    static constexpr std::string_view kNames[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    const auto* found = std::ranges::find(kNames, method);
    head.method = static_cast<http::Method>(found - std::begin(kNames));
    head.method_text = method;
    head.authority = host;
    head.fields = std::move(fields);
    Authority authority;
    if (!host.empty()) {
      EXPECT_EQ(name_of(parse_authority(host, arena, authority)), "none") << host;
    }
    Target normal;
    EXPECT_EQ(name_of(parse_target(target, {}, arena, normal)), "none") << target;
    request = {authority.host, normal.path, normal.query, &head};
  }
};

/// Of "namespace/name".
inline RouteKey key_of(std::string_view text) {
  const auto slash = text.find('/');
  return {text.substr(0, slash), text.substr(slash + 1)};
}

/// "key/rule.match" of what takes the request, "none" where nothing does.
inline std::string taken(const Match& match) {
  if (!match) return "none";
  return match.route->key.text() + "/" + std::to_string(match.rule) + "." + std::to_string(match.match);
}

}  // namespace fairlead::route
