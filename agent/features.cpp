// SPDX-License-Identifier: Apache-2.0
#include "agent/features.hpp"

#include <algorithm>
#include <utility>

#include "agent/telemetry/udp_bytes.hpp"

namespace fairlead::agent {
namespace {

admin::FeatureState state(const char* name, bool on, const char* setting) {
  return {name, on, on ? "" : std::string("--") + setting + " off"};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string redirected_by_all(const Settings& settings, kernel::Datapath& datapath) {
  if (datapath.settings().redirect_unguarded == 0) return "all workloads";
  if (settings.redirect_programs.empty())
    return "nothing yet: this kernel does not show splice, so \"all\" takes the programs that --redirect-programs "
           "names only, and none is named";
  return "all workloads, by the programs " + joined(settings.redirect_programs) +
         " only: this kernel does not show splice";
}

admin::FeatureState redirection(const Settings& settings, kernel::Datapath& datapath, const Redirect* redirect) {
  constexpr const char* kName = "redirection";
  if (settings.redirect == FL_REDIRECT_OFF) return {kName, false, "--redirect off"};
  if (redirect == nullptr) return {kName, false, "starting"};
  if (!redirect->lacking().empty()) return {kName, false, "this kernel cannot: " + redirect->lacking()};
  if (!redirect->active())
    return {kName, false, "no workload has opted in: annotation fairlead.io/redirect on Pod or Namespace"};
  if (settings.redirect == FL_REDIRECT_OPTED_IN) return {kName, true, "workloads that have opted in"};
  return {kName, true, redirected_by_all(settings, datapath)};
}

constexpr const char* kNetlink = "sockets are ended by netlink (SOCK_DESTROY)";
constexpr const char* kWithoutSplice =
    "readers that splice are known by what they did before; \"all\" takes named programs";

constexpr const char* kWithoutInq =
    "FIONREAD leaves out what came one of both ways, redirected or by TCP; \"all\" takes named programs";
constexpr const char* kUdpBytes = "bytes of UDP sockets are not counted";

/// What happens where a program is missing.
constexpr std::pair<const char*, const char*> kInstead[] = {
    {"fl_account", "bytes of connections are counted at their close only"},
    {"fl_carry", "connections of another version's agent are not carried over at an upgrade"},
    {"fl_carry_held", "unconnected UDP sockets may be given another backend at an upgrade"},
    {"fl_count_ended", kNetlink},
    {"fl_end_tcp", kNetlink},
    {"fl_end_udp", kNetlink},
    {"fl_guard", "a new pod is protected once its network namespace is guarded, not before"},
    {"fl_redir_inq4", kWithoutInq},
    {"fl_redir_inq6", kWithoutInq},
    {"fl_redir_join", "no redirection"},
    {"fl_redir_msg", "no redirection"},
    {"fl_redir_option", "no redirection"},
    {"fl_redir_nosplice", kWithoutSplice},
    {"fl_redir_recv", "what is read is seen by fl_redir_recv4 and fl_redir_recv6"},
    {"fl_redir_recv4", "no redirection"},
    {"fl_redir_recv6", "no redirection"},
    {"fl_redir_splice", kWithoutSplice},
    {"fl_redir_urgent", "recv with MSG_OOB may take what was redirected before; \"all\" takes named programs"},
    {"fl_sk_lookup", "policies hold at callers on this node only"},
    {"fl_sweep_count", "counts of connections are not set right after a restart"},
    {"fl_sweep_doom", "sockets to removed endpoints are not ended"},
    {"fl_sweep_list", "sockets to removed endpoints are not ended"},
    {"fl_udp_got", kUdpBytes},
    {"fl_udp_got4", kUdpBytes},
    {"fl_udp_got6", kUdpBytes},
    {"fl_udp_sent", kUdpBytes},
    {"fl_udp_sent4", kUdpBytes},
    {"fl_udp_sent6", kUdpBytes},
    {"fl_why", "fairctl why cannot ask the kernel"},
};

/// Of several ways to the same the kernel has another one.
bool is_made_up(const kernel::Datapath& datapath, const std::string& name) {
  if (datapath.is_replaceable(name)) return true;
  if (name == "fl_redir_recv4" || name == "fl_redir_recv6") return datapath.program("fl_redir_recv") >= 0;
  return name.starts_with("fl_udp_") && !telemetry::UdpBytes::usable(datapath).empty();
}

const char* instead_of(const std::string& program) {
  const auto* const found = std::ranges::find_if(kInstead, [&](const auto& row) { return program == row.first; });
  return found == std::end(kInstead) ? "" : found->second;
}

}  // namespace

std::vector<admin::FeatureState> feature_states(const Settings& settings, kernel::Datapath& datapath,
                                                const Redirect* redirect) {
  std::vector<admin::FeatureState> states = {
      state("balancing", settings.balance, "balance"),
      state("policy", settings.policy, "policy"),
      redirection(settings, datapath, redirect),
      state("series", settings.series, "series"),
      state("flows", settings.flows, "flows"),
      {"flow log", !settings.flow_log.empty(), settings.flow_log.empty() ? "no --flow-log" : settings.flow_log},
      {"metrics endpoint", !settings.metrics.empty(), settings.metrics.empty() ? "--metrics off" : settings.metrics},
      {"ending TCP to removed endpoints", settings.end_tcp, settings.end_tcp ? "" : "--end-tcp off (UDP always is)"},
  };
  if (const auto reason = datapath.walks_by_namespace(); !reason.empty())
    states.push_back({"walks over sockets", true, "one network namespace after the other: " + reason});
  states[1].detail += states[1].on ? std::string("default ") + (settings.default_deny ? "closed" : "open") : "";
  return states;
}

std::vector<admin::Lack> lacks(kernel::Datapath& datapath) {
  std::vector<admin::Lack> list;
  for (const auto& feature : datapath.features()) {
    if (feature.available || is_made_up(datapath, feature.name)) continue;
    list.push_back({feature.name, instead_of(feature.name), feature.reason});
  }
  return list;
}

}  // namespace fairlead::agent
