// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>

#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/stream_refusal.hpp"

namespace fairlead::proxy {

std::string_view scheme_of(ListenerKind kind) {
  constexpr std::array<std::string_view, 4> kNames{"http", "https", "tcp", "udp"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name_of(StreamRefusal refusal) {
  constexpr std::array<std::string_view, kStreamRefusals> kNames{"untrusted", "proxy_header", "not_tls",    "timeout",
                                                                 "truncated", "no_route",     "no_backend", "limit",
                                                                 "connect",   "overloaded"};
  return kNames[static_cast<std::size_t>(refusal)];
}

/// A wildcard stands for one label or more, as in Gateway API.
const StreamRoute* StreamTable::find(std::string_view server_name) const {
  if (!server_name.empty()) {
    if (const auto exact = names.find(server_name); exact != names.end()) return &exact->second;
    std::string pattern;
    for (auto dot = server_name.find('.'); dot != std::string_view::npos; dot = server_name.find('.', dot + 1)) {
      pattern.assign("*").append(server_name.substr(dot));
      if (const auto wide = names.find(pattern); wide != names.end()) return &wide->second;
    }
  }
  const auto all = names.find(std::string_view());
  return all != names.end() ? &all->second : nullptr;
}

}  // namespace fairlead::proxy
