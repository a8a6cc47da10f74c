// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 records of a peer that has the keys: what it may seal, and what stands around it.
#include <cstdlib>
#include <string>

#include "gateway/dataplane/tls/records.hpp"

using fairlead::tls::RecordKey;
using fairlead::tls::Records;
using fairlead::tls::Secret;

namespace {

/// The next bytes of the input, as many as its first byte says.
std::string_view part_of(std::string_view& input) {
  if (input.empty()) return {};
  const auto size = std::min<std::size_t>(static_cast<unsigned char>(input[0]), input.size() - 1);
  const auto part = input.substr(1, size);
  input.remove_prefix(1 + size);
  return part;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::string text(32, 's');
  const Secret secret(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  auto records = Records::create(0x1301, secret, secret, 0);
  auto peer = RecordKey::create(RecordKey::Use::kSeal, 0x1301, secret, 0);
  if (!records || !peer) std::abort();
  std::string raw, into(100, '\0');
  while (!input.empty()) {
    const auto kind = static_cast<std::uint8_t>(input[0]);
    input.remove_prefix(1);
    const auto content = part_of(input);
    if (kind == 255) {
      raw += content;  // as it is
    } else {
      const auto at = raw.size();
      raw.resize(at + content.size() + Records::kOverhead);
      peer->seal(kind, content, raw.data() + at);
      if (kind == 22 && content.size() == 5 && content[0] == 24 && !peer->update()) std::abort();
    }
    std::span<char> rest(raw);
    std::span<const char> data;
    const auto opened = records->open(rest, into, data);
    if (opened == Records::Opened::kFailed || opened == Records::Opened::kEnd) return 0;
    if (opened == Records::Opened::kMore && records->lacking() == 0) std::abort();
    if (records->update_due() && records->seal_update().empty()) std::abort();
    raw = std::string(rest.data(), rest.size());
  }
  return 0;
}
