// SPDX-License-Identifier: Apache-2.0
// What is whole stays whole with more behind it and asks for more with less; what is written again is read the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fairlead/net/proxy_protocol.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::net;

void check(bool good) {
  if (!good) std::abort();
}

void check_written(const ProxyHeader& header) {
  std::string text;
  if (!write_proxy_v2(header, true, text)) return;
  ProxyHeader again;
  check(parse_proxy(text, {.longest = 70000}, again).state == ProxyState::kDone && again.length == text.size());
  check(again.local == header.local && again.has_endpoints == (header.has_endpoints && !header.local));
  if (!again.has_endpoints) return;
  check(again.source.address == header.source.address && again.source.port == header.source.port);
  check(again.authority == header.authority && again.unique_id == header.unique_id &&
        again.tls.has_value() == header.tls.has_value());
  if (again.tls) check(again.tls->common_name == header.tls->common_name && again.tls->verify == header.tls->verify);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  ProxyHeader header;
  const auto parsed = parse_proxy(text, {}, header);
  switch (parsed.state) {
    case ProxyState::kNeedMore: check(parsed.need > size); break;
    case ProxyState::kInvalid: check(parsed.error != ProxyError::kNone); break;
    case ProxyState::kDone: {
      check(header.length > 0 && header.length <= size && parsed.error == ProxyError::kNone);
      ProxyHeader part;
      check(parse_proxy(text.substr(0, header.length - 1), {}, part).state == ProxyState::kNeedMore);
      check(parse_proxy(text.substr(0, header.length), {}, part).state == ProxyState::kDone);
      check_written(header);
      break;
    }
  }
  return 0;
}
