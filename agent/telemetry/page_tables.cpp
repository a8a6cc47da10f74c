// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "agent/telemetry/page.hpp"

namespace fairlead::telemetry {
namespace {

using metrics::label_text;
using metrics::Type;

bool was_used(const fl_backend_state& state) { return state.total != 0 || state.active != 0 || state.pending != 0; }

std::string endpoint_text(const fl_backend& row) {
  const Address address(row.addr);
  return (address.is_v4() ? address.text() : "[" + address.text() + "]") + ":" + std::to_string(ntohs(row.port));
}

metrics::Labels backend_labels(const datapath::ServiceInfo& service, const fl_backend& row) {
  return {{"service", service.ns + "/" + service.name},
          {"port", std::to_string(service.port)},
          {"protocol", service.proto == FL_UDP ? "udp" : "tcp"},
          {"backend", endpoint_text(row)}};
}

void add_backend(metrics::Page& page, const datapath::ServiceInfo& service, const datapath::BackendInfo& backend,
                 std::uint64_t now_ns) {
  const auto& state = backend.state;
  const auto labels = label_text(backend_labels(service, backend.row));
  const auto gauge = [&](const char* name, const char* help, double value) {
    page.family(name, Type::kGauge, help).add(labels, value);
  };
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    page.family(name, Type::kCounter, help).add(labels, value);
  };
  gauge("fairlead_backend_active_connections", "connections established, and UDP sockets held", state.active);
  gauge("fairlead_backend_pending_connections", "connects under way", state.pending);
  gauge("fairlead_backend_ejected", "1 while outlier detection puts the backend aside",
        state.ejected_until_ns > now_ns ? 1 : 0);
  count("fairlead_backend_connections", "connects given to the backend", state.total);
  count("fairlead_backend_connect_failures", "connects to the backend that failed", state.connect_failures);
  count("fairlead_backend_resets", "established connections that the backend reset or let time out", state.resets);
  if (service.proto != FL_TCP) return;
  count("fairlead_backend_retransmissions", "TCP segments sent again to the backend, counted at the close",
        state.retransmissions);
  if (state.srtt_us != 0)
    gauge("fairlead_backend_rtt_seconds", "round trip time to the backend, smoothed over connections as they close",
          state.srtt_us / kMicros);
}

std::array<double, FL_BACKEND_BUCKETS - 1> backend_bounds() {
  std::array<double, FL_BACKEND_BUCKETS - 1> bounds{};
  double edge = 32 / kMicros;
  for (auto& bound : bounds) {
    bound = edge;
    edge *= 4;
  }
  return bounds;
}

/// What fl_be_stats has of it.
void add_backend_sums(metrics::Page& page, const datapath::ServiceInfo& service, const fl_backend& row,
                      const fl_backend_stats& stats) {
  static const auto kBounds = backend_bounds();
  auto names = backend_labels(service, row);
  const auto labels = label_text(names);
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    page.family(name, Type::kCounter, help).add(labels, value);
  };
  count("fairlead_backend_connections_closed", "connections to the backend closed", stats.closed);
  count("fairlead_backend_request_bytes", "bytes from clients to the backend", stats.sent_bytes);
  count("fairlead_backend_response_bytes", "bytes from the backend to clients", stats.received_bytes);
  if (service.proto == FL_TCP) {
    count("fairlead_backend_redirected_bytes", "bytes that went from socket to socket, both ways",
          stats.redirected_bytes);
    const std::vector<std::uint64_t> counts(std::begin(stats.connect_us), std::end(stats.connect_us));
    page.family("fairlead_backend_connect_duration_seconds", Type::kHistogram,
                "time from connect() to established, in steps of four")
        .add_histogram(labels, kBounds, counts, static_cast<double>(stats.connect_us_sum) / kMicros);
  }
  names.emplace_back("reason", "");
  for (std::uint32_t reason = 1; reason < FL_REASONS; ++reason) {
    if (stats.failed[reason] == 0) continue;
    names.back().second = reason_name(reason);
    page.family("fairlead_backend_connections_failed", Type::kCounter,
                "connections to the backend that did not begin or ended badly, by reason")
        .add(label_text(names), std::uint64_t{stats.failed[reason]});
  }
}

void add_service(metrics::Page& page, const datapath::ServiceInfo& service, const fl_service_state& state) {
  const auto labels = label_text({{"service", service.ns + "/" + service.name},
                                  {"port", std::to_string(service.port)},
                                  {"protocol", service.proto == FL_UDP ? "udp" : "tcp"}});
  page.family("fairlead_service_active_connections", Type::kGauge, "connections established, and UDP sockets held")
      .add(labels, static_cast<double>(state.active));
  page.family("fairlead_service_pending_connections", Type::kGauge, "connects under way")
      .add(labels, static_cast<double>(state.pending));
  page.family("fairlead_service_connections", Type::kCounter, "connects that were given a backend")
      .add(labels, std::uint64_t{state.total});
  page.family("fairlead_service_no_backend", Type::kCounter, "connects refused for want of a backend")
      .add(labels, std::uint64_t{state.no_backend});
  page.family("fairlead_service_over_limit", Type::kCounter, "connects refused for a limit")
      .add(labels, std::uint64_t{state.over_limit});
}

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

/// Memory of a map, from the fdinfo that the kernel writes for it.
std::uint64_t memory_of(int fd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(fd));
  std::string word;
  std::uint64_t value = 0;
  while (info >> word)
    if (word == "memlock:" && info >> value) return value;
  return 0;
}

Result<std::uint64_t> entries_of(const kernel::RawMap& map) {
  switch (map.shape().type) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LPM_TRIE:
    case BPF_MAP_TYPE_SOCKHASH: break;
    default: return map.shape().max_entries;
  }
  std::vector<std::byte> key(map.shape().key_size);
  std::vector<std::byte> next(map.shape().key_size);
  std::uint64_t count = 0;
  for (const void* from = nullptr; bpf_map_get_next_key(map.fd(), from, next.data()) == 0; from = key.data()) {
    key = next;
    // An element that is removed under the walk makes it begin anew.
    if (++count > map.shape().max_entries) break;
  }
  return std::min<std::uint64_t>(count, map.shape().max_entries);
}

}  // namespace

void add_services(metrics::Page& page, const datapath::Services& services, const BackendSums& sums,
                  std::uint64_t now_ns) {
  std::uint64_t backends = 0;
  const auto all = services.services();
  for (const auto& service : all) {
    backends += service.backends.size();
    const auto& states = services.tables().service_states;
    if (service.row.state_index >= states.size()) continue;
    const fl_service_state state = states[service.row.state_index];
    if (state.generation != service.row.generation) continue;
    if (state.total + state.no_backend + state.over_limit != 0) add_service(page, service, state);
    for (const auto id : service.backends) {
      const auto backend = services.backend(id);
      if (!backend || !was_used(backend->state)) continue;
      add_backend(page, service, *backend, now_ns);
      if (const auto found = sums.find({.backend_id = id, .generation = backend->row.generation}); found != sums.end())
        add_backend_sums(page, service, backend->row, found->second);
    }
  }
  page.family("fairlead_services", Type::kGauge, "service ports in force").add("", static_cast<double>(all.size()));
  page.family("fairlead_backends", Type::kGauge, "endpoints of service ports").add("", static_cast<double>(backends));
}

void add_maps(metrics::Page& page, std::span<const MapFill> maps) {
  for (const auto& map : maps) {
    const auto labels = label_text({{"map", map.name}});
    page.family("fairlead_map_entries", Type::kGauge, "elements in a map")
        .add(labels, static_cast<double>(map.entries));
    page.family("fairlead_map_capacity", Type::kGauge, "elements that fit a map")
        .add(labels, static_cast<double>(map.capacity));
  }
}

Result<std::vector<MapFill>> read_maps(const std::string& pin_dir) {
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(pin_dir.c_str()));
  if (!directory) return fail(system_error("reading " + pin_dir, errno));
  std::vector<MapFill> maps;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (!name.starts_with("fl_") || name.ends_with("_of")) continue;
    auto map = kernel::RawMap::open_pin(pin_dir + "/" + name);
    if (!map) continue;  // replaced under our eyes by a larger one: it is there next time
    FL_TRY(const auto entries, entries_of(*map));
    const char* type = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(map->shape().type));
    maps.push_back({name, type == nullptr ? "?" : type, map->shape().max_entries, entries, memory_of(map->fd())});
  }
  std::sort(maps.begin(), maps.end(), [](const MapFill& a, const MapFill& b) { return a.name < b.name; });
  return maps;
}

}  // namespace fairlead::telemetry
