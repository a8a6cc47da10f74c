// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "fairlead/abi/address.h"

namespace fairlead {

/// An IPv4 or IPv6 address; IPv4 is held v4-mapped, as in the kernel's maps (network byte order).
class Address {
 public:
  Address() : raw_{} {}
  explicit Address(const fl_addr& raw) : raw_(raw) {}

  /// Parses "10.0.0.1" or "2001:db8::1" (no zone, no port, no brackets); nothing if it is neither.
  static std::optional<Address> parse(std::string_view text);
  /// From an address in network byte order, as in sockaddr_in.
  static Address from_v4(__be32 network_order);

  [[nodiscard]] const fl_addr& raw() const { return raw_; }
  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] bool is_unspecified() const;  ///< 0.0.0.0, :: or all zero
  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Address& a, const Address& b) {
    return std::memcmp(&a.raw_, &b.raw_, sizeof a.raw_) == 0;
  }
  friend std::strong_ordering operator<=>(const Address& a, const Address& b) {
    return std::memcmp(&a.raw_, &b.raw_, sizeof a.raw_) <=> 0;
  }

 private:
  fl_addr raw_;
};

/// An address block, "10.0.0.0/8"; prefix counts in IPv6 bits: IPv4 blocks have 96 added.
struct Cidr {
  Address address;
  std::uint32_t prefix = 128;

  /// Bits behind the prefix count for nothing, as in Kubernetes and Istio: "10.0.0.1/8" is "10.0.0.0/8".
  static std::optional<Cidr> parse(std::string_view text);
  [[nodiscard]] bool contains(const Address& address) const;
  [[nodiscard]] bool contains(const Cidr& other) const;
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Cidr&) const = default;
};

}  // namespace fairlead

template <>
struct std::hash<fairlead::Address> {
  std::size_t operator()(const fairlead::Address& address) const noexcept;
};
