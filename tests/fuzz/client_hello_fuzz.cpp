// SPDX-License-Identifier: Apache-2.0
// The look at a ClientHello: within bounds, the same whether bytes come at once or bit by bit, and a result that keeps
// its promises.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fairlead/tls/client_hello.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_found(const fairlead::tls::ClientHello& hello) {
  require(hello.has_sni == !hello.server_name.empty());
  require(hello.server_name.size() <= 255);
  for (const char c : hello.server_name) require(c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z'));
  require(!hello.offers(""));
  if (!hello.alpn.empty()) {
    const auto first = static_cast<std::uint8_t>(hello.alpn[0]);
    require(first != 0 && hello.offers(std::string_view(hello.alpn).substr(1, first)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fairlead::tls::Peek;
  // A copy of just this size, so that reading past it is seen.
  const auto copy = std::make_unique<char[]>(size == 0 ? 1 : size);
  if (size != 0) std::memcpy(copy.get(), data, size);
  fairlead::tls::ClientHello whole;
  const Peek result = fairlead::tls::peek_client_hello({copy.get(), size}, whole);
  if (result == Peek::kFound) check_found(whole);
  // A verdict on a beginning stands, whatever follows: only kNeedMore may change.
  const std::size_t cut = size == 0 ? 0 : data[size - 1] * size / 256;
  fairlead::tls::ClientHello part;
  const Peek early = fairlead::tls::peek_client_hello({copy.get(), cut}, part);
  if (early != Peek::kNeedMore) {
    require(early == result);
    require(part.server_name == whole.server_name && part.alpn == whole.alpn && part.version == whole.version);
  }
  return 0;
}
