// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/ports.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>

namespace fairlead::policy {
namespace {

constexpr std::uint32_t kPorts = 65536;

struct Edge {
  std::uint32_t port;
  bool begins;
  std::size_t voice;
};

/// By effect, the first voice that speaks of every port: what others of that effect say is the same, and of many rules
/// only one has to be looked at.
std::array<std::optional<std::size_t>, 4> whole_voices(std::span<const Voice> voices) {
  std::array<std::optional<std::size_t>, 4> result;
  for (std::size_t i = 0; i < voices.size(); ++i) {
    auto& first = result[static_cast<std::size_t>(voices[i].effect)];
    if (!first && voices[i].ports.size() == 1 && voices[i].ports[0] == PortRange{}) first = i;
  }
  return result;
}

std::vector<Edge> edges_of(std::span<const Voice> voices) {
  std::vector<Edge> edges;
  const auto whole = whole_voices(voices);
  for (std::size_t i = 0; i < voices.size(); ++i) {
    const auto& only = whole[static_cast<std::size_t>(voices[i].effect)];
    if (only && *only != i) continue;
    for (const auto& range : voices[i].ports) {
      edges.push_back({range.from, true, i});
      edges.push_back({std::uint32_t{range.to} + 1, false, i});
    }
  }
  std::ranges::sort(edges, {}, &Edge::port);
  return edges;
}

/// The voices that are heard at a port, by effect; the first of each names the rule.
using Heard = std::array<std::multiset<std::size_t>, 4>;

fl_port_verdict speak(const Heard& heard, std::span<const Voice> voices, const Defaults& defaults) {
  const auto first = [&](Effect effect) {
    const auto& of_effect = heard[static_cast<std::size_t>(effect)];
    return of_effect.empty() ? 0U : voices[*of_effect.begin()].policy_id;
  };
  const auto speaks = [&](Effect effect) { return !heard[static_cast<std::size_t>(effect)].empty(); };
  fl_port_verdict out{};
  out.verdict = FL_DENY;
  if (speaks(Effect::kDeny)) {
    out.policy_id = first(Effect::kDeny);
  } else if (defaults.isolated && !speaks(Effect::kPermit)) {
    out.policy_id = defaults.isolated_by;
  } else if (defaults.allow_listed && !speaks(Effect::kAllow)) {
    out.policy_id = defaults.allow_listed_by;
  } else {
    out.verdict = FL_ALLOW;
    out.policy_id = speaks(Effect::kAudit)   ? first(Effect::kAudit)
                    : speaks(Effect::kAllow) ? first(Effect::kAllow)
                                             : first(Effect::kPermit);
  }
  if (speaks(Effect::kAudit)) out.verdict |= FL_AUDIT;
  return out;
}

/// The whole port space cut where the answer changes.
std::vector<fl_port_verdict> segments(std::span<const Voice> voices, const Defaults& defaults) {
  std::vector<fl_port_verdict> result;
  Heard heard;
  const auto edges = edges_of(voices);
  std::size_t next = 0;
  for (std::uint32_t port = 0; port < kPorts;) {
    for (; next < edges.size() && edges[next].port == port; ++next) {
      auto& of_effect = heard[static_cast<std::size_t>(voices[edges[next].voice].effect)];
      if (edges[next].begins) of_effect.insert(edges[next].voice);
      else of_effect.erase(of_effect.find(edges[next].voice));
    }
    const std::uint32_t end = next < edges.size() ? std::min(edges[next].port, kPorts) : kPorts;
    auto verdict = speak(heard, voices, defaults);
    verdict.from = static_cast<std::uint16_t>(port);
    verdict.to = static_cast<std::uint16_t>(end - 1);
    if (!result.empty() && result.back().verdict == verdict.verdict && result.back().policy_id == verdict.policy_id)
      result.back().to = verdict.to;
    else result.push_back(verdict);
    port = end;
  }
  return result;
}

}  // namespace

bool operator==(const Verdict& a, const Verdict& b) {
  return a.otherwise == b.otherwise && a.otherwise_policy_id == b.otherwise_policy_id &&
         a.ports.size() == b.ports.size() &&
         (a.ports.empty() ||
          std::memcmp(a.ports.data(), b.ports.data(), a.ports.size() * sizeof(fl_port_verdict)) == 0);
}

Verdict decide_ports(std::span<const Voice> voices, const Defaults& defaults) {
  auto ranges = segments(voices, defaults);
  // What most ports get needs no ranges.
  std::map<std::pair<std::uint16_t, std::uint32_t>, std::uint32_t> share;
  for (const auto& range : ranges) share[{range.verdict, range.policy_id}] += 1U + range.to - range.from;
  const auto most = std::ranges::max_element(share, {}, [](const auto& entry) { return entry.second; });
  Verdict result{.otherwise = most->first.first, .otherwise_policy_id = most->first.second, .ports = {}};
  std::erase_if(ranges, [&](const auto& range) {
    return range.verdict == result.otherwise && range.policy_id == result.otherwise_policy_id;
  });
  result.ports = std::move(ranges);
  return result;
}

}  // namespace fairlead::policy
