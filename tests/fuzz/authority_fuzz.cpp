// SPDX-License-Identifier: Apache-2.0
// An authority that is taken parses to itself; so do the nodes and elements of Forwarded end where they should.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fairlead/route/authority.hpp"
#include "fairlead/route/forwarded.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  using namespace fairlead::route;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Arena arena;
  Authority authority;
  if (parse_authority(text, arena, authority) == AuthorityError::kNone) {
    const bool v6 = authority.kind == HostKind::kIpv6;
    auto made = v6 ? "[" + std::string(authority.host) + "]" : std::string(authority.host);
    if (authority.port != 0) made += ":" + std::to_string(authority.port);
    Authority again;
    if (parse_authority(made, arena, again) != AuthorityError::kNone) std::abort();
    if (again.host != authority.host || again.port != authority.port || again.kind != authority.kind) std::abort();
    for (const char c : authority.host)
      if (c <= 0x20 || c >= 0x7f || c == '@' || c == '/' || (c >= 'A' && c <= 'Z')) std::abort();
  }
  auto rest = text;
  ForwardedElement element;
  while (!rest.empty()) {
    const auto before = rest.size();
    if (!next_forwarded(rest, element)) break;
    if (rest.size() >= before) std::abort();
  }
  const http::Fields fields{{"forwarded", text}, {"x-forwarded-for", text}};
  const net::Endpoint peer{*Address::parse("10.0.0.1"), 1};
  for (const auto field : {ClientField::kForwarded, ClientField::kXForwardedFor}) {
    const ForwardedOptions options{field, 1 + static_cast<std::uint32_t>(size % 3), {}, false};
    const auto client = find_client(peer, fields, options);
    if (client.from_field != (client.error == ForwardedError::kNone)) std::abort();
  }
  return 0;
}
