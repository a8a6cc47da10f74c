// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/flow.hpp"

#include <arpa/inet.h>

#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "agent/telemetry/counters.hpp"
#include "fairlead/base/address.hpp"

namespace fairlead::telemetry {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

/// RFC 3339 with microseconds.
std::string time_text(std::int64_t ns) {
  const time_t seconds = ns / kSecond;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%06lldZ", static_cast<long long>(ns % kSecond / 1000));
  return text;
}

Json end_json(Names& names, std::uint32_t id, const fl_addr& raw, std::uint16_t port) {
  Json end;
  const auto& workload = names.workload(id);
  if (workload.known) end = {{"workload", workload.name}, {"namespace", workload.ns}, {"kind", workload.kind}};
  const Address address(raw);
  if (!address.is_unspecified()) end["address"] = address.text();
  if (port != 0) end["port"] = ntohs(port);
  if (names.is_local(address)) end["local"] = true;
  return end;
}

Json service_json(const fl_event& event, Names& names) {
  Json json;
  if (const auto* service = names.service(event.service_id))
    json = {{"name", service->name}, {"namespace", service->ns}, {"port_name", service->port_name}};
  const Address address(event.service_addr);
  if (!address.is_unspecified()) json["address"] = address.text();
  if (event.service_port != 0) json["port"] = ntohs(event.service_port);
  return json;
}

void add_amounts(Json& json, const fl_event& event) {
  json["request_bytes"] = event.sent_bytes;
  json["response_bytes"] = event.received_bytes;
  json["redirected_bytes"] = event.redirected_bytes;
  json["retransmissions"] = event.retransmissions;
  if (event.srtt_us != 0) json["rtt_us"] = event.srtt_us;
}

}  // namespace

const char* event_type_name(std::uint8_t type) {
  switch (type) {
    case FL_EVENT_OPEN: return "open";
    case FL_EVENT_CLOSE: return "close";
    case FL_EVENT_FAIL: return "fail";
    case FL_EVENT_DENY: return "deny";
    case FL_EVENT_AUDIT: return "audit";
    case FL_EVENT_EJECT: return "eject";
    default: return "other";
  }
}

std::int64_t wall_offset() { return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC); }
std::uint64_t monotonic_ns() { return static_cast<std::uint64_t>(clock_ns(CLOCK_MONOTONIC)); }

std::string flow_json(const fl_event& event, Names& names, std::int64_t wall_offset_ns) {
  const bool ejection = event.type == FL_EVENT_EJECT;
  const auto at = static_cast<std::int64_t>(ejection ? event.start_ns : event.end_ns) + wall_offset_ns;
  Json json = {{"time", time_text(at)},
               {"type", event_type_name(event.type)},
               {"reason", reason_name(event.reason)},
               {"protocol", event.proto == FL_UDP ? "udp" : "tcp"},
               {"reporter", event.reporter == FL_REPORTER_SOURCE ? "source" : "destination"}};
  json["source"] = end_json(names, event.source_workload, event.source_addr, event.source_port);
  json["destination"] = end_json(names, event.destination_workload, event.destination_addr, event.destination_port);
  if (auto service = service_json(event, names); !service.is_null()) json["service"] = std::move(service);
  if (event.policy_id != 0) json["rule"] = names.rule(event.policy_id);
  if (event.pid != 0) {
    json["pid"] = event.pid;
    json["program"] = std::string(event.comm, ::strnlen(event.comm, sizeof event.comm));
  }
  if (ejection) json["until"] = time_text(static_cast<std::int64_t>(event.end_ns) + wall_offset_ns);
  else json["duration_us"] = (event.end_ns - event.start_ns) / 1000;
  if (event.connect_ns != 0) json["connect_us"] = event.connect_ns / 1000;
  if (event.type == FL_EVENT_CLOSE) add_amounts(json, event);
  // A program's name is any bytes: what is no UTF-8 is replaced.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fairlead::telemetry
