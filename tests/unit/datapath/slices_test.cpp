// SPDX-License-Identifier: Apache-2.0
// Endpoints that stand in several slices, as the control plane writes them.
#include <gtest/gtest.h>

#include "agent/datapath/desired.hpp"

namespace fairlead::datapath {
namespace {

class SlicesTest : public ::testing::Test {
 protected:
  SlicesTest() {
    service_.ports = {{.name = "http",
                       .port = 80,
                       .node_port = 0,
                       .protocol = model::Protocol::kTcp,
                       .target = {.number = 0, .name = "web"}}};
    service_.cluster_ips = {*Address::parse("10.96.0.1"), *Address::parse("fd00:96::1")};
  }
  model::EndpointSlice& slice(std::uint16_t port, const char* name = "http",
                              model::Protocol protocol = model::Protocol::kTcp) {
    slices_.push_back(std::make_shared<model::EndpointSlice>());
    slices_.back()->ports = {{.name = name, .port = port, .protocol = protocol}};
    return *slices_.back();
  }
  static model::Endpoint& add(model::EndpointSlice& to, const char* address) {
    to.endpoints.emplace_back().addresses = {*Address::parse(address)};
    return to.endpoints.back();
  }
  /// "address:port", with "!" where it gets no new connections, of one family.
  std::vector<std::string> endpoints(bool v4 = true) {
    const std::vector<std::shared_ptr<const model::EndpointSlice>> slices(slices_.begin(), slices_.end());
    std::vector<std::string> result;
    for (const auto& spec : desired_rows(service_, slices, nullptr, {}).ports) {
      if (spec.v4 != v4) continue;
      for (const auto& backend : spec.backends)
        result.push_back(backend.address.text() + ":" + std::to_string(backend.port) +
                         ((backend.flags & FL_BACKEND_READY) == 0 ? "!" : ""));
    }
    return result;
  }
  using Texts = std::vector<std::string>;

  model::Service service_;
  std::vector<std::shared_ptr<model::EndpointSlice>> slices_;
};

// A rollout that changes the port behind a name: each slice says its own.
TEST_F(SlicesTest, ANamedPortHasANumberInEachSlice) {
  add(slice(8080), "10.0.0.1");
  add(slice(9090), "10.0.0.2");
  EXPECT_EQ(endpoints(), (Texts{"10.0.0.1:8080", "10.0.0.2:9090"}));
}

TEST_F(SlicesTest, EachFamilyHasSlicesOfItsOwn) {
  add(slice(8080), "10.0.0.1");
  add(slice(8080), "fd00::1");
  EXPECT_EQ(endpoints(true), Texts{"10.0.0.1:8080"});
  EXPECT_EQ(endpoints(false), Texts{"fd00::1:8080"});
}

TEST_F(SlicesTest, TheBetterWordOfTwoSlicesCounts) {
  for (const bool first : {true, false}) {
    slices_.clear();
    add(slice(8080), "10.0.0.1").ready = first;
    add(slice(8080), "10.0.0.1").ready = !first;
    EXPECT_EQ(endpoints(), Texts{"10.0.0.1:8080"});
  }
  slices_.back()->endpoints[0].ready = slices_.front()->endpoints[0].ready = false;
  EXPECT_EQ(endpoints(), Texts{"10.0.0.1:8080!"});
}

TEST_F(SlicesTest, OneAddressWithTwoPortsIsTwoEndpoints) {
  add(slice(8080), "10.0.0.1");
  add(slice(9090), "10.0.0.1");
  EXPECT_EQ(endpoints(), (Texts{"10.0.0.1:8080", "10.0.0.1:9090"}));
}

// DNS: the port's name differs by protocol, but services written by hand may use one number for both.
TEST_F(SlicesTest, PortsMeetByNameAndProtocol) {
  add(slice(8080, "http", model::Protocol::kUdp), "10.0.0.1");
  add(slice(8080, "metrics"), "10.0.0.2");
  add(slice(8080, ""), "10.0.0.3");
  EXPECT_EQ(endpoints(), Texts{});
  add(slice(8081, "http"), "10.0.0.4");
  EXPECT_EQ(endpoints(), Texts{"10.0.0.4:8081"});
}

// Whoever writes the slices of a service without a selector; the selector is not ours to follow.
TEST_F(SlicesTest, ASelectorIsNotNeeded) {
  add(slice(5432), "192.0.2.7");
  service_.selector.clear();
  EXPECT_EQ(endpoints(), Texts{"192.0.2.7:5432"});
  service_.selector = {{"app", "nothing-has-it"}};
  EXPECT_EQ(endpoints(), Texts{"192.0.2.7:5432"});
}

}  // namespace
}  // namespace fairlead::datapath
