// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

/// A field that is not read: one of Istio's, or none.
void not_read(Reader& reader, View field, std::initializer_list<std::string_view> istio) {
  if (std::ranges::find(istio, field.key()) != istio.end()) reader.not_served(field);
  else reader.unknown(field);
}

void read_locality(Reader& reader, View at, model::TrafficPolicy& out) {
  reader.fields(at, [&](View field) {
    if (field.key() == "enabled") {
      reader.read(field, out.locality_enabled.emplace(true));
    } else if (field.key() == "failoverPriority") {
      read_strings(reader, field, out.failover_priority);
    } else if (field.key() == "failover") {
      reader.items(field, [&](View item) {
        auto& entry = out.failover.emplace_back();
        if (const auto from = item.find("from")) reader.read(from, entry.from);
        if (const auto to = item.find("to")) reader.read(to, entry.to);
      });
    } else if (field.key() == "distribute") {
      reader.items(field, [&](View item) {
        auto& entry = out.distribute.emplace_back();
        std::uint64_t sum = 0;
        if (const auto from = item.find("from")) reader.read(from, entry.from);
        reader.fields(item.find("to"), [&](View share) {
          const auto percent = reader.number(share, 0, 100).value_or(0);
          sum += percent;
          entry.to.emplace_back(share.key(), static_cast<std::uint32_t>(percent));
        });
        if (sum != 100) reader.error(item, "shares in \"to\" that sum to 100");
      });
    } else {
      reader.unknown(field);
    }
  });
}

void read_balancer(Reader& reader, View at, model::TrafficPolicy& out) {
  if (const auto hash = at.find("consistentHash"); hash && at.find("simple"))
    reader.error(hash, "simple or consistentHash, not both");
  reader.fields(at, [&](View field) {
    if (field.key() == "simple") {
      using enum model::Balancing;
      constexpr model::Balancing kBy[] = {kUnset, kRandom, kRoundRobin, kLeastRequest, kLeastRequest, kPassthrough};
      const auto found =
          reader.one_of(field, {"UNSPECIFIED", "RANDOM", "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "PASSTHROUGH"});
      if (found) out.balancing = kBy[*found];
    } else if (field.key() == "consistentHash") {
      reader.fields(field, [&](View how) {
        if (how.key() != "useSourceIp")
          return not_read(
              reader, how,
              {"httpHeaderName", "httpCookie", "httpQueryParameterName", "ringHash", "maglev", "minimumRingSize"});
        reader.read(how, out.hash_by_source_ip);
      });
      if (out.hash_by_source_ip) out.balancing = model::Balancing::kConsistentHash;
    } else if (field.key() == "localityLbSetting") {
      read_locality(reader, field, out);
    } else if (field.key() == "warmupDurationSecs") {
      out.warmup = reader.duration(field, milliseconds(1)).value_or(milliseconds(0));
    } else if (field.key() == "warmup") {
      reader.fields(field, [&](View part) {
        if (part.key() != "duration") return not_read(reader, part, {"minimumPercent", "aggression"});
        out.warmup = reader.duration(part, milliseconds(1)).value_or(milliseconds(0));
      });
    } else {
      reader.unknown(field);
    }
  });
}

void read_pool(Reader& reader, View at, model::TrafficPolicy& out) {
  reader.fields(at, [&](View field) {
    if (field.key() != "tcp") return not_read(reader, field, {"http"});
    reader.fields(field, [&](View part) {
      if (part.key() == "maxConnections") {
        out.max_connections = static_cast<std::uint32_t>(reader.number(part, 1, 0x7fffffff).value_or(0));
      } else if (part.key() == "connectTimeout") {
        out.connect_timeout = reader.duration(part, milliseconds(1)).value_or(milliseconds(0));
      } else {
        not_read(reader, part, {"tcpKeepalive", "maxConnectionDuration", "idleTimeout"});
      }
    });
  });
}

/// At L4 all three mean failed connects, so the first that would eject counts; 0 turns one of them off.
void read_consecutive(Reader& reader, View at, model::OutlierDetection& out) {
  std::optional<std::uint64_t> least;
  for (const char* name : {"consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveLocalOriginFailures"}) {
    const auto field = at.find(name);
    const auto value = field ? reader.number(field, 0, 0xffffffff) : std::nullopt;
    if (value && (!least || *least == 0 || (*value != 0 && *value < *least))) least = value;
  }
  if (least) out.consecutive_failures = static_cast<std::uint32_t>(*least);
}

void read_outlier(Reader& reader, View at, model::OutlierDetection& out) {
  read_consecutive(reader, at, out);
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "consecutiveGatewayErrors" || key == "consecutive5xxErrors" || key == "consecutiveLocalOriginFailures")
      return;
    if (key == "interval") {
      out.interval = reader.duration(field, milliseconds(1)).value_or(out.interval);
      reader.warn(field, "not needed: failures are counted as they come, not at intervals");
    } else if (key == "baseEjectionTime") {
      out.base_ejection = reader.duration(field, milliseconds(1)).value_or(out.base_ejection);
    } else if (key == "maxEjectionPercent") {
      out.max_ejection_percent = static_cast<std::uint8_t>(reader.number(field, 0, 100).value_or(0));
    } else if (key == "minHealthPercent") {
      out.min_health_percent = static_cast<std::uint8_t>(reader.number(field, 0, 100).value_or(0));
    } else {
      not_read(reader, field, {"consecutiveErrors", "splitExternalLocalOriginErrors"});
    }
  });
}

void read_policy(Reader& reader, View at, model::TrafficPolicy& out) {
  reader.fields(at, [&](View field) {
    const auto key = field.key();
    if (key == "loadBalancer") return read_balancer(reader, field, out);
    if (key == "connectionPool") return read_pool(reader, field, out);
    if (key == "outlierDetection") return read_outlier(reader, field, out.outlier.emplace());
    if (key != "portLevelSettings" && key != "port")
      not_read(reader, field, {"tls", "tunnel", "proxyProtocol", "retryBudget"});
  });
}

void read_port_policies(Reader& reader, View at, model::DestinationRule& out) {
  reader.items(at, [&](View item) {
    auto& entry = out.port_policies.emplace_back();
    const auto number = item.find("port").find("number");
    if (!number) return reader.missing(item, "port.number", "a number from 1 to 65535");
    reader.read_port(number, entry.first);
    read_policy(reader, item, entry.second);
  });
}

}  // namespace

model::DestinationRule read_destination_rule(Reader& reader, View root) {
  model::DestinationRule out;
  out.metadata = read_metadata(reader, root, true);
  const auto spec = root.find("spec");
  if (!spec) {
    reader.missing(root, "spec", "a mapping");
    return out;
  }
  if (!spec.find("host")) reader.missing(spec, "host", "the host of a service");
  reader.fields(spec, [&](View field) {
    if (field.key() == "host") return reader.read(field, out.host);
    if (field.key() == "exportTo") {
      read_strings(reader, field, out.export_to);
      if (out.export_to != std::vector<std::string>{"*"})
        reader.warn(field, "clients of all namespaces follow the rule, whatever exportTo says");
      return;
    }
    if (field.key() == "trafficPolicy") {
      read_policy(reader, field, *out.policy);
      return read_port_policies(reader, field.find("portLevelSettings"), out);
    }
    if (field.key() != "workloadSelector") return not_read(reader, field, {"subsets"});
    if (const auto labels = field.find("matchLabels")) out.workload_selector = read_labels(reader, labels);
    if (!out.workload_selector.empty()) reader.warn(field, "a rule for some clients is not served: it is not in force");
  });
  return out;
}

}  // namespace fairlead::config
