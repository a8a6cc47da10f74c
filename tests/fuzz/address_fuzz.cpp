// SPDX-License-Identifier: Apache-2.0
// What parses must print as text that parses to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fairlead/base/address.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fairlead::Address;
  using fairlead::Cidr;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto address = Address::parse(text)) {
    if (Address::parse(address->text()) != address) std::abort();
    if (text.find('\0') != std::string_view::npos) std::abort();
  }
  if (const auto block = Cidr::parse(text)) {
    if (block->prefix > 128 || !block->contains(block->address) || !block->contains(*block)) std::abort();
    if (Cidr::parse(block->text()) != block) std::abort();
    if (text.find('\0') != std::string_view::npos) std::abort();
  }
  return 0;
}
