// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/dns.hpp"

#include <gtest/gtest.h>

#include <map>

#include "unit/upstream/doubles.hpp"

namespace fairlead::upstream {
namespace {

class FakeResolver final : public Resolver {
 public:
  struct Entry final : DnsQuery {
    Entry(FakeResolver& its_resolver, std::string its_name) : resolver(its_resolver), name(std::move(its_name)) {}
    ~Entry() override { resolver.running.erase(name); }
    FakeResolver& resolver;
    std::string name;
  };
  std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsListener& listener) override {
    EXPECT_TRUE(running.emplace(name, &listener).second) << "asked twice at once";
    ++asked;
    return std::make_unique<Entry>(*this, name);
  }
  std::map<std::string, DnsListener*> running;
  int asked = 0;
};

class DnsTest : public testing::Test {
 protected:
  static ClusterSpecRef of(const std::string& cluster, const std::string& name) {
    auto spec = std::make_shared<ClusterSpec>();
    spec->name = cluster;
    spec->dns.push_back({.name = name,
                         .port = 443,
                         .least_ttl = milliseconds(1000),
                         .greatest_ttl = milliseconds(60'000),
                         .failure_refresh = milliseconds(5000)});
    return spec;
  }
  void answer(const DnsAnswer& with, const std::string& name = "shop.example") {
    ASSERT_TRUE(resolver.running.contains(name));
    resolver.running[name]->on_answer(with);
    clock.end_turn();
  }
  static DnsAnswer addresses(std::initializer_list<const char*> texts, std::uint32_t ttl_s) {
    DnsAnswer out{.status = DnsStatus::kAnswer, .ttl_s = ttl_s};
    for (const auto* text : texts) out.addresses.push_back(*Address::parse(text));
    return out;
  }
  /// Asked after exactly so long.
  void expect_next_after(std::uint64_t ms) {
    const auto before = resolver.asked;
    clock.pass(ms - 1);
    EXPECT_EQ(resolver.asked, before);
    clock.pass(1);
    EXPECT_EQ(resolver.asked, before + 1);
  }

  FakeResolver resolver;
  test::ManualClock clock;
  std::vector<std::string> published;
  DnsEndpoints dns{clock, resolver, [this](const std::string& cluster, const std::vector<EndpointSpec>& endpoints) {
                     auto text = cluster;
                     for (const auto& e : endpoints) text += " " + e.address.address.text();
                     published.push_back(text);
                   }};
};

TEST_F(DnsTest, HonoursTheTtlWithinBounds) {
  dns.apply(of("a", "shop.example"));
  answer(addresses({"10.0.0.2", "10.0.0.1"}, 30));
  EXPECT_EQ(published, std::vector<std::string>{"a 10.0.0.1 10.0.0.2"});
  expect_next_after(30'000);
  answer(addresses({"10.0.0.1", "10.0.0.2"}, 0));
  EXPECT_EQ(published.size(), 1u) << "another order is no change";
  expect_next_after(1000);
  answer(addresses({"10.0.0.1"}, 86'400));
  EXPECT_EQ(published.back(), "a 10.0.0.1");
  expect_next_after(60'000);
}

TEST_F(DnsTest, FailuresKeepTheLastGoodAnswerAndBackOff) {
  const auto spec = of("a", "shop.example");
  dns.apply(spec);
  answer(addresses({"10.0.0.1"}, 10));
  expect_next_after(10'000);
  for (const std::uint64_t wait : {5000u, 10'000u, 20'000u, 40'000u, 60'000u, 60'000u}) {
    answer({.status = DnsStatus::kFailure});
    EXPECT_EQ(dns.endpoints(*spec).size(), 1u);
    expect_next_after(wait);
  }
  EXPECT_EQ(dns.counters().failures, 6u);
  answer(addresses({"10.0.0.1"}, 10));
  expect_next_after(10'000);
  answer({.status = DnsStatus::kFailure});
  expect_next_after(5000);
  EXPECT_EQ(published.size(), 1u);
}

TEST_F(DnsTest, NegativeAnswersAreCountedAndKeepWhatWorked) {
  const auto spec = of("a", "shop.example");
  dns.apply(spec);
  answer({.status = DnsStatus::kNegative, .ttl_s = 20});
  EXPECT_TRUE(dns.endpoints(*spec).empty());
  EXPECT_EQ(dns.counters().negative, 1u);
  expect_next_after(20'000);
  answer(addresses({"10.0.0.1"}, 10));
  expect_next_after(10'000);
  answer({.status = DnsStatus::kNegative, .ttl_s = 0});
  EXPECT_EQ(dns.endpoints(*spec).size(), 1u);
  expect_next_after(5000);
  answer(addresses({}, 10));  // an answer without addresses is a negative one
  EXPECT_EQ(dns.counters().negative, 3u);
}

TEST_F(DnsTest, ANameIsAskedOnceForAllItsClusters) {
  dns.apply(of("a", "shop.example"));
  dns.apply(of("b", "shop.example"));
  EXPECT_EQ(resolver.asked, 1);
  answer(addresses({"2001:db8::1"}, 10));
  EXPECT_EQ(published.size(), 2u);
  dns.apply(of("b", "other.example"));
  EXPECT_EQ(dns.names(), 2u);
  dns.remove("a");
  clock.end_turn();
  EXPECT_EQ(dns.names(), 1u);
  dns.remove("b");
  dns.remove("never there");
  clock.end_turn();
  EXPECT_EQ(dns.names(), 0u);
  EXPECT_TRUE(resolver.running.empty()) << "given up";
  EXPECT_EQ(clock.timers().armed(), 0u);
}

TEST_F(DnsTest, EndpointsHaveWhatTheSpecSays) {
  auto spec = std::make_shared<ClusterSpec>();
  spec->name = "a";
  spec->endpoints.push_back(test::endpoint("192.0.2.1"));
  spec->dns.push_back({.name = "shop.example", .port = 8443, .weight = 3, .priority = 1});
  dns.apply(spec);
  answer(addresses({"10.0.0.1"}, 10));
  const auto endpoints = dns.endpoints(*spec);
  ASSERT_EQ(endpoints.size(), 2u);
  EXPECT_EQ(endpoints[0].address.address.text(), "192.0.2.1");
  EXPECT_EQ(endpoints[1].address.port, 8443);
  EXPECT_EQ(endpoints[1].hostname, "shop.example");
  EXPECT_EQ(endpoints[1].weight, 3u);
  EXPECT_EQ(endpoints[1].priority, 1);
}

TEST_F(DnsTest, SaysWhatIsKnownOfEachName) {
  dns.apply(of("a", "shop.example."));
  EXPECT_EQ(dns.unanswered(), 1u);
  ASSERT_EQ(dns.states().size(), 1u);
  EXPECT_FALSE(dns.states()[0].answered);
  answer({.status = DnsStatus::kNegative}, "shop.example.");
  EXPECT_EQ(dns.unanswered(), 0u);
  EXPECT_TRUE(dns.states()[0].answered);
  EXPECT_EQ(dns.states()[0].last, DnsStatus::kNegative);
  clock.pass(5000);
  answer(addresses({"10.0.0.1"}, 60), "shop.example.");
  EXPECT_EQ(dns.states()[0].last, DnsStatus::kAnswer);
  EXPECT_EQ(dns.states()[0].addresses.size(), 1u);
  EXPECT_EQ(dns.endpoints(*of("a", "shop.example."))[0].hostname, "shop.example") << "as a Host or SNI has it";
}

TEST_F(DnsTest, ANameThatGoesUnansweredIsWaitedForByNobody) {
  dns.apply(of("a", "shop.example"));
  dns.remove("a");
  EXPECT_EQ(dns.unanswered(), 0u);
}

}  // namespace
}  // namespace fairlead::upstream
