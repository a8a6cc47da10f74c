// SPDX-License-Identifier: Apache-2.0
#include "fairlead/base/address.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>

namespace fairlead {
namespace {

constexpr std::uint32_t kV4Bits = 96;  // prefix bits in front of a v4-mapped address

const unsigned char* bytes_of(const fl_addr& raw) { return reinterpret_cast<const unsigned char*>(&raw); }

bool equal_prefix(const fl_addr& a, const fl_addr& b, std::uint32_t bits) {
  const std::size_t whole = bits / 8;
  if (std::memcmp(&a, &b, whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const int shift = static_cast<int>(8 - bits % 8);
  return bytes_of(a)[whole] >> shift == bytes_of(b)[whole] >> shift;
}

fl_addr masked(fl_addr raw, std::uint32_t bits) {
  auto* bytes = reinterpret_cast<unsigned char*>(&raw);
  for (std::uint32_t bit = bits; bit < 128; ++bit) bytes[bit / 8] &= static_cast<unsigned char>(~(0x80U >> (bit % 8)));
  return raw;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  // inet_pton reads up to a zero byte: whatever followed it would go unseen (found by address_fuzz).
  if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(buffer.data(), text.data(), text.size());
  in_addr v4{};
  if (inet_pton(AF_INET, buffer.data(), &v4) == 1) return from_v4(v4.s_addr);
  fl_addr raw{};
  if (inet_pton(AF_INET6, buffer.data(), &raw) == 1) return Address(raw);
  return std::nullopt;
}

Address Address::from_v4(__be32 network_order) {
  fl_addr raw{};
  raw.word[2] = htonl(0xffff);
  raw.word[3] = network_order;
  return Address(raw);
}

bool Address::is_v4() const { return raw_.word[0] == 0 && raw_.word[1] == 0 && raw_.word[2] == htonl(0xffff); }

bool Address::is_unspecified() const {
  return raw_.word[0] == 0 && raw_.word[1] == 0 && (raw_.word[2] == 0 || is_v4()) && raw_.word[3] == 0;
}

bool Address::is_loopback() const {
  if (is_v4()) return ntohl(raw_.word[3]) >> 24 == 127;
  return raw_.word[0] == 0 && raw_.word[1] == 0 && raw_.word[2] == 0 && raw_.word[3] == htonl(1);
}

std::string Address::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (!is_v4()) {
    inet_ntop(AF_INET6, &raw_, buffer.data(), buffer.size());
    return buffer.data();
  }
  // inet_ntop is a printf: too much for what every request tells its backend.
  const auto* bytes = bytes_of(raw_) + 12;
  char* end = buffer.data();
  for (int i = 0; i < 4; ++i) {
    if (i != 0) *end++ = '.';
    end = std::to_chars(end, buffer.data() + buffer.size(), bytes[i]).ptr;
  }
  return {buffer.data(), end};
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const std::uint32_t base = address->is_v4() ? kV4Bits : 0;
  std::uint32_t bits = 128 - base;
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size() || bits > 128 - base) return std::nullopt;
  }
  return Cidr{Address(masked(address->raw(), bits + base)), bits + base};
}

/// IPv4 is held within ::/0, and is none of it.
bool Cidr::contains(const Address& other) const {
  return (prefix >= kV4Bits || !other.is_v4()) && equal_prefix(address.raw(), other.raw(), prefix);
}

bool Cidr::contains(const Cidr& other) const { return other.prefix >= prefix && contains(other.address); }

std::string Cidr::text() const {
  const bool v4 = address.is_v4() && prefix >= kV4Bits;
  return address.text() + "/" + std::to_string(v4 ? prefix - kV4Bits : prefix);
}

}  // namespace fairlead

std::size_t std::hash<fairlead::Address>::operator()(const fairlead::Address& address) const noexcept {
  return std::hash<std::string_view>{}(
      std::string_view(reinterpret_cast<const char*>(&address.raw()), sizeof(fl_addr)));
}
