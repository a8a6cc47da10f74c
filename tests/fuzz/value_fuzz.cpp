// SPDX-License-Identifier: Apache-2.0
// Small texts that come from users one by one: annotations of limits, hosts of rules, the Accept header of a scrape.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "agent/datapath/limits.hpp"
#include "agent/datapath/rules.hpp"
#include "fairlead/metrics/exposition.hpp"

namespace {

using namespace fairlead;

void limits(std::string_view text) {
  static constexpr std::array<const char*, 4> kKeys{"fairlead.io/max-connections-per-endpoint",
                                                    "fairlead.io/max-pending-connects",
                                                    "fairlead.io/max-retransmissions", "fairlead.io/max-rtt"};
  for (const auto* key : kKeys) {
    fl_service row{};
    std::vector<std::string> warnings;
    datapath::read_limits({{key, std::string(text)}}, row, warnings);
    const auto taken = row.backend_connections | row.max_pending | row.retrans_limit | row.rtt_limit_us;
    if ((taken == 0) == warnings.empty()) std::abort();
  }
}

void hosts(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return;
  const auto host = datapath::resolved_host(text.substr(0, slash), "shop", "cluster.local");
  const auto name = text.substr(slash + 1);
  if (datapath::host_matches(host, name) && !host.starts_with('*') && host != name) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: limits(text); break;
    case 1: hosts(text); break;
    default: static_cast<void>(metrics::Page::accepted(std::string(text)));
  }
  return 0;
}
