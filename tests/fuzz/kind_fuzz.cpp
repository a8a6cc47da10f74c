// SPDX-License-Identifier: Apache-2.0
// The reader of each kind: the first byte chooses the kind, the rest is what follows its name. A refused object comes
// with an error that names a line of the text, a taken one without any.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway/dataplane/config/parse.hpp"

namespace {

#define FL_HEAD(group, kind) "apiVersion: " group "\nkind: " kind "\nmetadata: {name: x}\n"
constexpr std::array<const char*, 8> kHeads{
    FL_HEAD("v1", "Namespace"),
    FL_HEAD("v1", "Node"),
    FL_HEAD("v1", "Pod"),
    FL_HEAD("v1", "Service"),
    FL_HEAD("discovery.k8s.io/v1", "EndpointSlice"),
    FL_HEAD("networking.istio.io/v1", "DestinationRule"),
    FL_HEAD("networking.k8s.io/v1", "NetworkPolicy"),
    FL_HEAD("security.istio.io/v1", "AuthorizationPolicy"),
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using fairlead::config::Severity;
  if (size == 0) return 0;
  std::string text = kHeads[data[0] % kHeads.size()];
  text.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto parsed = fairlead::config::parse_text(text, false);
  bool errors = false;
  for (const auto& diagnostic : parsed.diagnostics) {
    errors |= diagnostic.severity == Severity::kError;
    if (diagnostic.line == 0 || diagnostic.line > text.size() + 1) std::abort();
    if (diagnostic.text().empty()) std::abort();
  }
  for (const auto& object : parsed.objects)
    if (object.object == nullptr && !errors) std::abort();
  return 0;
}
