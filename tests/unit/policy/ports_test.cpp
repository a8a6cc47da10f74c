// SPDX-License-Identifier: Apache-2.0
#include "agent/policy/ports.hpp"

#include <gtest/gtest.h>

#include <random>

namespace fairlead::policy {
namespace {

/// The answer by definition, port by port.
std::pair<std::uint16_t, std::uint32_t> by_definition(const std::vector<Voice>& voices, const Defaults& defaults,
                                                      std::uint16_t port) {
  const auto first = [&](Effect effect) -> std::uint32_t {
    for (const auto& voice : voices)
      if (voice.effect == effect && voice.ports.size() == 1 && voice.ports[0] == PortRange{}) return voice.policy_id;
    for (const auto& voice : voices)
      for (const auto& range : voice.ports)
        if (voice.effect == effect && range.from <= port && port <= range.to) return voice.policy_id;
    return 0;
  };
  const std::uint16_t audit = first(Effect::kAudit) != 0 ? FL_AUDIT : 0;
  const auto deny = [&](std::uint32_t id) { return std::pair(static_cast<std::uint16_t>(FL_DENY | audit), id); };
  if (const auto id = first(Effect::kDeny)) return deny(id);
  if (defaults.isolated && first(Effect::kPermit) == 0) return deny(defaults.isolated_by);
  if (defaults.allow_listed && first(Effect::kAllow) == 0) return deny(defaults.allow_listed_by);
  const auto id = audit != 0                   ? first(Effect::kAudit)
                  : first(Effect::kAllow) != 0 ? first(Effect::kAllow)
                                               : first(Effect::kPermit);
  return {static_cast<std::uint16_t>(FL_ALLOW | audit), id};
}

std::pair<std::uint16_t, std::uint32_t> by_row(const Verdict& verdict, std::uint16_t port) {
  for (const auto& range : verdict.ports)
    if (range.from <= port && port <= range.to) return {range.verdict, range.policy_id};
  return {verdict.otherwise, verdict.otherwise_policy_id};
}

TEST(DecidePorts, SaysOfEachPortWhatTheVoicesSay) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::vector<PortRange>> ranges(random() % 6);
    std::vector<Voice> voices;
    for (auto& each : ranges) {
      for (auto left = random() % 4; left > 0; --left) {
        const auto from = static_cast<std::uint16_t>(random() % 3 == 0 ? 65500 + random() % 36 : random() % 40);
        if (random() % 8 == 0) each = {{}};
        else each.push_back({from, static_cast<std::uint16_t>(std::min<std::size_t>(65535, from + random() % 12))});
      }
      voices.push_back({static_cast<Effect>(random() % 4), static_cast<std::uint32_t>(100 + voices.size()), each});
    }
    const Defaults defaults{
        .isolated = random() % 2 == 0, .allow_listed = random() % 2 == 0, .isolated_by = 1, .allow_listed_by = 2};
    const auto verdict = decide_ports(voices, defaults);
    for (std::uint32_t port = 0; port < 65536; port += port == 60 ? 65430 : 1)
      ASSERT_EQ(by_row(verdict, static_cast<std::uint16_t>(port)),
                by_definition(voices, defaults, static_cast<std::uint16_t>(port)))
          << "round " << round << " port " << port;
    for (std::size_t i = 1; i < verdict.ports.size(); ++i) ASSERT_LT(verdict.ports[i - 1].to, verdict.ports[i].from);
  }
}

TEST(DecidePorts, WhatMostPortsGetNeedsNoRange) {
  const std::vector<PortRange> all_but_one{{0, 79}, {81, 65535}};
  const auto verdict = decide_ports(std::vector<Voice>{{Effect::kPermit, 7, all_but_one}},
                                    {.isolated = true, .allow_listed = false, .isolated_by = 9, .allow_listed_by = 0});
  EXPECT_EQ(verdict.otherwise, FL_ALLOW);
  ASSERT_EQ(verdict.ports.size(), 1U);
  EXPECT_EQ(verdict.ports[0].from, 80);
  EXPECT_EQ(verdict.ports[0].policy_id, 9U);
}

}  // namespace
}  // namespace fairlead::policy
