// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "fairlead/net/socket_address.hpp"

namespace fairlead::net {
namespace {

bool is_link_local(const Address& address) {
  static const std::array kBlocks{*Cidr::parse("169.254.0.0/16"), *Cidr::parse("fe80::/10")};
  return std::ranges::any_of(kBlocks, [&](const Cidr& block) { return block.contains(address); });
}

std::optional<Address> address_of(const sockaddr* address) {
  if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6)) return std::nullopt;
  SocketAddress copy;
  const std::size_t size = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(copy.get_mutable(), address, size);
  return copy.endpoint().address;
}

}  // namespace

std::vector<Address> reachable_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::vector<Address> out;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    const auto address = address_of(each->ifa_addr);
    if (!address || (each->ifa_flags & IFF_UP) == 0 || address->is_loopback() || is_link_local(*address)) continue;
    out.push_back(*address);
  }
  std::ranges::sort(out, [](const Address& a, const Address& b) { return a.is_v4() != b.is_v4() ? a.is_v4() : a < b; });
  const auto twice = std::ranges::unique(out);
  out.erase(twice.begin(), twice.end());
  return out;
}

}  // namespace fairlead::net
