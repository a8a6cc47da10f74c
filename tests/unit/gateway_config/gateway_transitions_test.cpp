// SPDX-License-Identifier: Apache-2.0
// lastTransitionTime of conditions, and supportedFeatures.
#include "gateway/dataplane/config/gateway_transitions.hpp"

#include <algorithm>

#include "gateway/dataplane/config/gateway_features.hpp"
#include "gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using All = Transitions::All;
const model::ObjectKey kRouteKey{Kind::kHttpRoute, "default", "r"};
const auto kAccepted = Transitions::id_of("a", "Accepted");
const auto kResolved = Transitions::id_of("a", "ResolvedRefs");

TEST(Transitions, KeepTheTimeWhileTheStatusStays) {
  Transitions times;
  times.begin(100);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 100);
  const All good{{kAccepted, true}, {kResolved, true}};
  const All bad{{kAccepted, true}, {kResolved, false}};
  times.note(kRouteKey, &good, good, 110);
  EXPECT_EQ(times.since(kRouteKey, kResolved), 100);
  times.note(kRouteKey, &good, bad, 120);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 100);
  EXPECT_EQ(times.since(kRouteKey, kResolved), 120);
  times.note(kRouteKey, &bad, bad, 130);
  EXPECT_EQ(times.since(kRouteKey, kResolved), 120);
  times.note(kRouteKey, &bad, good, 140);
  EXPECT_EQ(times.since(kRouteKey, kResolved), 140);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 100);
}

TEST(Transitions, OfANewObjectOrParentBeginWithIt) {
  Transitions times;
  times.begin(100);
  times.note(kRouteKey, nullptr, {{kAccepted, true}}, 150);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 150);
  const auto other = Transitions::id_of("b", "Accepted");
  EXPECT_NE(other, kAccepted);
  times.note(kRouteKey, nullptr, {{kAccepted, true}, {other, true}}, 160);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 150);
  EXPECT_EQ(times.since(kRouteKey, other), 160);
  times.forget(kRouteKey);
  times.note(kRouteKey, nullptr, {{kAccepted, true}}, 170);
  EXPECT_EQ(times.since(kRouteKey, kAccepted), 170);
}

TEST(Transitions, AreWrittenAsKubernetesDoes) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(1'782'000'000), "2026-06-21T00:00:00Z");
}

TEST(Status, HasATimeForEachCondition) {
  World world(kBasics + gateway("{name: http, port: 80, protocol: HTTP}") +
              route("HTTPRoute", "r", "parentRefs: [{name: g}], rules: [{backendRefs: [{name: web, port: 80}]}]"));
  for (const auto& key :
       {kRouteKey, model::ObjectKey{Kind::kGateway, "default", "g"}, model::ObjectKey{Kind::kGatewayClass, "", "c"}}) {
    const auto yaml = world.state.status_yaml(world.cluster, key);
    std::size_t conditions = 0;
    std::size_t times = 0;
    for (auto at = yaml.find("    type: "); at != std::string::npos; at = yaml.find("    type: ", at + 1)) ++conditions;
    for (auto at = yaml.find("- lastTransitionTime: \"20"); at != std::string::npos;
         at = yaml.find("- lastTransitionTime: \"20", at + 1))
      ++times;
    EXPECT_GT(times, 1U) << yaml;
    EXPECT_LE(times, conditions) << yaml;
  }
}

TEST(Status, OfTheClassNamesTheFeaturesThatWork) {
  World world(kBasics);
  const auto yaml = world.state.status_yaml(world.cluster, {Kind::kGatewayClass, "", "c"});
  const auto features = supported_features();
  EXPECT_TRUE(std::ranges::is_sorted(features));
  ASSERT_GT(features.size(), 10U);
  std::string expected = "  supportedFeatures:\n";
  for (const auto feature : features) expected += "  - name: " + std::string(feature) + "\n";
  EXPECT_TRUE(yaml.ends_with(expected)) << yaml;
}

}  // namespace
}  // namespace fairlead::config
