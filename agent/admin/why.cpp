// SPDX-License-Identifier: Apache-2.0
// Replays the decision of a connect: the balancer by the kernel's own program, the policies by the same code built
// natively.
#include <arpa/inet.h>

#include <cstring>
#include <map>
#include <optional>

#include "agent/admin/target.hpp"
#include "agent/admin/views.hpp"
#include "agent/datapath/replay.hpp"
#include "agent/policy/decide.hpp"
#include "agent/telemetry/flow.hpp"

namespace fairlead::admin {
namespace {

struct Target {
  Address address;
  std::uint16_t port = 0;
};

/// By its name, NAMESPACE/NAME, or a name of DNS: NAME.NAMESPACE, with or without .svc and the cluster's domain.
bool is_service(const datapath::ServiceInfo& service, const std::string& name) {
  const std::string by_dns = service.name + "." + service.ns;
  return name == service.name || name == service.ns + "/" + service.name || name == by_dns || name == by_dns + ".svc" ||
         name.starts_with(by_dns + ".svc.");
}

/// The address by which a service of that name is reached at the port; of several the one in the caller's namespace,
/// as DNS has it, else the first one.
std::optional<Address> address_of_service(const Sources& sources, const std::string& name, const Target& asked,
                                          std::uint8_t proto, const std::string& callers) {
  std::optional<Address> first;
  for (const auto& service : sources.services.services()) {
    if (service.port != asked.port || service.proto != proto || !is_service(service, name)) continue;
    for (const auto& frontend : service.frontends) {
      if ((frontend.flags & FL_FRONTEND_NODE_PORT) != 0) continue;
      if (service.ns == callers) return Address(frontend.key.addr);
      if (!first) first = Address(frontend.key.addr);
    }
  }
  return first;
}

Result<Target> parse_target(const Sources& sources, const std::string& text, std::uint8_t proto,
                            const std::string& callers) {
  FL_TRY(const auto read, read_target(text));
  Target target{.address = {}, .port = read.port};
  const auto address = read.address ? read.address : address_of_service(sources, read.name, target, proto, callers);
  if (!address)
    return fail("found no service " + read.name + " with port " + std::to_string(read.port) +
                (proto == FL_UDP ? "/udp" : "/tcp") + "; fairctl services lists them");
  target.address = *address;
  return target;
}

/// Services that have the address, on other ports: "default/web 80/tcp".
Json others_at(const Sources& sources, const Address& address) {
  Json list = Json::array();
  for (const auto& service : sources.services.services())
    for (const auto& frontend : service.frontends)
      if (Address(frontend.key.addr) == address && (frontend.flags & FL_FRONTEND_NODE_PORT) == 0)
        list.push_back(service.ns + "/" + service.name + " " + std::to_string(service.port) +
                       (service.proto == FL_UDP ? "/udp" : "/tcp"));
  return list;
}

bool is_called(const policy::AddressInfo& info, const std::string& name) {
  const auto& workload = info.workload;
  return name == info.object.name || name == workload.name || name == info.object.ns + "/" + info.object.name ||
         name == workload.ns + "/" + workload.name;
}

/// What the devices of pods have by themselves, and the next hop that some networks give to all of them.
bool is_link_local(const Address& address) {
  static const auto v4 = Cidr::parse("169.254.0.0/16"), v6 = Cidr::parse("fe80::/10");
  return v4->contains(address) || v6->contains(address);
}

/// The caller's address of the target's family where it has one; null: none of that name.
std::optional<policy::AddressInfo> find_caller(const Sources& sources, const std::string& name, bool v4) {
  if (const auto address = Address::parse(name)) {
    if (auto found = sources.policies.find(*address)) return found;
    return policy::AddressInfo{.address = *address, .object = {}, .workload = {}, .row = {}, .policies = {}};
  }
  std::optional<policy::AddressInfo> best;
  int most = -1;
  for (auto& info : sources.policies.all()) {
    const bool fits = name.empty()
                          ? (info.row.flags & FL_WORKLOAD_HOST) != 0 && (info.row.flags & FL_WORKLOAD_LOCAL) != 0
                          : is_called(info, name);
    const int fitness = (info.address.is_v4() == v4 ? 2 : 0) + (is_link_local(info.address) ? 0 : 1);
    if (!fits || fitness <= most) continue;
    most = fitness;
    best = info;
  }
  return best;
}

/// The cookie of the namespace in which an address was seen; 0: never seen.
std::uint64_t cookie_of(const Sources& sources, const Address& address) {
  auto fd = sources.datapath.map("fl_netns");
  if (!fd) return 0;
  const auto map = kernel::RawMap::from_fd(std::move(*fd));
  const auto contents = map ? map->dump() : Result<kernel::RawMap::Contents>(fail("no map"));
  if (!contents) return 0;
  for (const auto& [cookie, row] : kernel::typed_rows<std::uint64_t, fl_netns>(*contents))
    if (Address(row.v4) == address || Address(row.v6) == address) return cookie;
  return 0;
}

/// Level and weight by backend, as the slots have them.
std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> slots_of(const Sources& sources,
                                                                          const fl_service& service) {
  std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> found;
  const auto& slots = sources.services.tables().slots;
  for (std::uint32_t level = 0; level < FL_LEVELS && service.levels[level].count != 0; ++level)
    for (std::uint32_t i = 0; i < service.levels[level].count; ++i) {
      const std::uint32_t row = service.levels[level].first + i;
      if (row >= slots.size()) continue;
      const fl_slot slot = slots[row];
      auto& entry = found.try_emplace(slot.backend_id, level, 0U).first->second;
      // Round robin repeats a slot by its weight.
      entry.second = service.algorithm == FL_ROUND_ROBIN ? entry.second + 1 : slot.weight;
    }
  return found;
}

/// chose: FL_CHOSE_..., as what stands in the way else does not where nothing better is there.
const char* obstacle(const fl_service& service, const datapath::BackendInfo& backend, std::uint32_t chose,
                     std::uint64_t now_ns) {
  const bool terminating = (backend.row.flags & FL_BACKEND_TERMINATING) != 0;
  if (backend.row.flags & FL_BACKEND_GONE) return "removed";
  if (terminating && !(chose & FL_CHOSE_DRAINING)) return "terminating: only while nothing else is ready";
  if (!terminating && !(backend.row.flags & FL_BACKEND_READY)) return "not ready";
  if (backend.state.ejected_until_ns > now_ns && !(chose & FL_CHOSE_ALL_EJECTED)) return "ejected by outlier detection";
  if (service.backend_connections != 0 && backend.state.active + backend.state.pending >= service.backend_connections)
    return "at its connection limit";
  return "";
}

Json candidates(const Sources& sources, const datapath::ServiceInfo& service, const fl_choice& choice) {
  Json list = Json::array();
  const auto slots = slots_of(sources, service.row);
  const auto now = telemetry::monotonic_ns();
  for (const auto id : service.backends) {
    const auto backend = sources.services.backend(id);
    if (!backend) continue;
    const auto slot = slots.find(id);
    std::string why_not = obstacle(service.row, *backend, choice.flags, now);
    if (why_not.empty() && slot == slots.end()) why_not = "not in any locality level of this node";
    Json json = {{"address", target_text(Address(backend->row.addr), ntohs(backend->row.port))},
                 {"workload", sources.telemetry.names().workload(backend->row.workload_id).text()},
                 {"chosen", id == choice.backend_id},
                 {"usable", why_not.empty()},
                 {"why_not", why_not},
                 {"active", backend->state.active},
                 {"pending", backend->state.pending}};
    if (slot != slots.end()) {
      json["level"] = slot->second.first;
      json["weight"] = slot->second.second;
    }
    list.push_back(std::move(json));
  }
  return list;
}

Json choice_flags(std::uint32_t flags) {
  constexpr std::pair<std::uint32_t, const char*> kTexts[] = {
      {FL_CHOSE_AFFINITY, "session affinity: the backend that this client had before"},
      {FL_CHOSE_AFFINITY_MISS, "session affinity: the backend that this client had before cannot be used"},
      {FL_CHOSE_DRAINING, "nothing is ready: a terminating endpoint is used"},
      {FL_CHOSE_ALL_EJECTED, "every candidate is ejected: one is used all the same"},
  };
  Json list = Json::array();
  for (const auto& [flag, text] : kTexts)
    if (flags & flag) list.push_back(text);
  return list;
}

/// The refused policies that close a workload.
std::string closed_by(const Sources& sources, const std::optional<policy::AddressInfo>& who) {
  std::string result;
  for (const auto& key : who ? who->policies : std::vector<model::ObjectKey>()) {
    const auto object = sources.cluster.find(key);
    if (object == nullptr || !std::holds_alternative<model::RefusedPolicy>(*object)) continue;
    result += (result.empty() ? "" : ", ") + key.text();
  }
  return result.empty() ? result : result + " was refused, and closes what it selects";
}

Json policy_json(const Sources& sources, const policy::AddressInfo& caller, const Target& to, std::uint8_t proto) {
  if (sources.datapath.settings().policy == 0) return {{"allowed", true}, {"why", "policy is off"}};
  // Of a caller that nobody knows here only the called side can judge, by its address.
  const auto decision = policy::decide(sources.policies.compiler(), {.source = caller.address,
                                                                     .destination = to.address,
                                                                     .port = to.port,
                                                                     .proto = proto,
                                                                     .server = caller.row.workload_id == 0});
  const auto rule = sources.policies.rule_name(decision.policy_id);
  Json json = {{"allowed", decision.allowed}};
  if (!rule.empty()) json["rule"] = rule;
  if (decision.audit) json["audited"] = true;
  if (decision.allowed) {
    json["why"] = rule.empty() ? "no policy restricts it" : rule;
  } else {
    json["side"] = decision.by_egress ? "egress of the caller" : "ingress of the called";
    const auto refused = closed_by(sources, decision.by_egress ? caller : sources.policies.find(to.address));
    if (decision.reason == FL_R_POLICY_MISSING && !refused.empty()) {
      json["why"] = refused;
      return json;
    }
    json["why"] =
        rule.empty()
            ? std::string(telemetry::reason_text(decision.reason)) + " (" +
                  (sources.policies.compiler().default_closed() ? "the default is closed" : "no rule allows it") + ")"
            : rule;
  }
  return json;
}

Json redirection(const Sources& sources, const policy::AddressInfo& caller, const Address& to, std::uint8_t proto) {
  const auto mode = sources.datapath.settings().redirect;
  const auto called = sources.policies.find(to);
  const auto no = [](const char* why) { return Json{{"possible", false}, {"why", why}}; };
  if (proto != FL_TCP) return no("only TCP is redirected");
  if (mode == FL_REDIRECT_OFF) return no("redirection is off");
  if (!called || !(called->row.flags & FL_WORKLOAD_LOCAL) || !(caller.row.flags & FL_WORKLOAD_LOCAL))
    return no("the two ends are not both on this node");
  if (mode == FL_REDIRECT_OPTED_IN && !(caller.row.flags & FL_WORKLOAD_REDIRECT))
    return no("the caller has not opted in");
  if (mode == FL_REDIRECT_OPTED_IN && !(called->row.flags & FL_WORKLOAD_REDIRECT))
    return no("the called has not opted in");
  if (mode == FL_REDIRECT_ALL && sources.datapath.settings().redirect_unguarded != 0)
    return {{"possible", true},
            {"why",
             "both ends are here, but this kernel does not show splice: only where both programs are named by "
             "--redirect-programs"}};
  return {{"possible", true}, {"why", "both ends are here; it begins once messages prove small and sockets allow it"}};
}

/// What the balancer answers; fills `to` with where the connect goes.
Result<Json> balance(const Sources& sources, const Target& asked, std::uint8_t proto, std::uint64_t cookie, Target& to,
                     bool& refused) {
  to = asked;
  if (sources.datapath.settings().balance == 0) return Json(nullptr);
  FL_TRY(const auto choice,
         datapath::replay(sources.datapath.program("fl_why"), asked.address, asked.port, proto, cookie));
  const auto service = choice.service_id == 0 ? std::nullopt : sources.services.service(choice.service_id);
  if (!service) return Json(nullptr);
  refused = choice.backend_id == 0;
  if (!refused) to = {Address(choice.backend_addr), ntohs(choice.backend_port)};
  Json json = {{"namespace", service->ns},
               {"name", service->name},
               {"port_name", service->port_name},
               {"level", choice.level},
               {"candidates", candidates(sources, *service, choice)},
               {"remarks", choice_flags(choice.flags)}};
  if (refused) json["refused"] = telemetry::reason_text(choice.reason);
  return json;
}

}  // namespace

Result<Json> why_view(const Sources& sources, const std::string& from, const std::string& target,
                      const std::string& protocol) {
  if (protocol != "tcp" && protocol != "udp") return fail("found protocol " + protocol + ", expected tcp or udp");
  const std::uint8_t proto = protocol == "udp" ? FL_UDP : FL_TCP;
  auto caller = find_caller(sources, from, true);
  FL_TRY(const auto asked, parse_target(sources, target, proto, caller ? caller->workload.ns : ""));
  if (!asked.address.is_v4()) caller = find_caller(sources, from, false);
  if (!caller && !from.empty())
    return fail("found no workload, pod or address " + from + "; fairctl workloads lists them");
  if (!caller) caller.emplace();
  const auto cookie = from.empty() ? sources.datapath.settings().host_netns : cookie_of(sources, caller->address);
  Target to;
  bool refused = false;
  FL_TRY(auto service, balance(sources, asked, proto, cookie, to, refused));
  Json json = {{"from", from.empty() ? "this node" : from},
               {"from_address", caller->address.text()},
               {"known", caller->row.workload_id != 0},
               {"seen", cookie != 0},
               {"asked", target_text(asked.address, asked.port)},
               {"protocol", protocol},
               {"balancing", sources.datapath.settings().balance != 0},
               {"service", std::move(service)}};
  if (json["service"].is_null()) json["others_at_address"] = others_at(sources, asked.address);
  if (refused) {
    json["result"] = "refused: ECONNREFUSED, " + json["service"]["refused"].get<std::string>();
    return json;
  }
  json["goes_to"] = target_text(to.address, to.port);
  const auto called = sources.policies.find(to.address);
  json["workload"] = called ? called->workload.ns + "/" + called->workload.name : "unknown";
  json["policy"] = policy_json(sources, *caller, to, proto);
  const bool allowed = json["policy"]["allowed"].get<bool>();
  json["redirection"] = allowed ? redirection(sources, *caller, to.address, proto)
                                : Json{{"possible", false}, {"why", "the connect is refused"}};
  json["result"] =
      allowed ? "connects to " + target_text(to.address, to.port) : std::string("refused: EACCES, denied by policy");
  return json;
}

}  // namespace fairlead::admin
