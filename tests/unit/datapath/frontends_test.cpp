// SPDX-License-Identifier: Apache-2.0
// Which addresses and ports of a Service become frontends.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/datapath/desired.hpp"
#include "agent/datapath/sizes.hpp"

namespace fairlead::datapath {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Address> addresses(const std::vector<const char*>& texts) {
  std::vector<Address> out;
  for (const auto* text : texts) out.push_back(*Address::parse(text));
  return out;
}

class FrontendsTest : public ::testing::Test {
 protected:
  FrontendsTest() {
    service_.metadata = {.name = "web", .ns = "shop", .labels = {}, .annotations = {}};
    service_.ports = {{.name = "http", .port = 80, .node_port = 30080, .protocol = model::Protocol::kTcp, .target = {}},
                      {.name = "dns", .port = 53, .node_port = 0, .protocol = model::Protocol::kUdp, .target = {}}};
    service_.cluster_ips = addresses({"10.96.0.1", "fd00:96::1"});
  }
  /// "address:port kind" of all frontends, in the order of the rows.
  std::vector<std::string> frontends() {
    std::vector<std::string> out;
    for (const auto& port : desired_rows(service_, {}, nullptr, {}).ports)
      for (const auto& frontend : port.frontends)
        out.push_back(Address(frontend.key.addr).text() + " " + std::to_string(ntohs(frontend.key.port)) + " " +
                      std::to_string(frontend.key.proto) + " " + std::to_string(frontend.flags));
    return out;
  }

  model::Service service_;
};

TEST_F(FrontendsTest, EveryAddressOfItsFamilyAndNodePortsOfBoth) {
  service_.external_ips = addresses({"203.0.113.9"});
  service_.load_balancer_ips = addresses({"2001:db8::4"});
  EXPECT_THAT(frontends(), ElementsAre("10.96.0.1 80 6 1", "203.0.113.9 80 6 2", "0.0.0.0 30080 6 8",
                                       "fd00:96::1 80 6 1", "2001:db8::4 80 6 4", ":: 30080 6 8", "10.96.0.1 53 17 1",
                                       "203.0.113.9 53 17 2", "fd00:96::1 53 17 1", "2001:db8::4 53 17 4"));
}

TEST_F(FrontendsTest, NodePortsOnlyInTheFamiliesOfTheService) {
  service_.cluster_ips = addresses({"10.96.0.1"});
  service_.external_ips = addresses({"2001:db8::9"});
  EXPECT_THAT(frontends(), ElementsAre("10.96.0.1 80 6 1", "0.0.0.0 30080 6 8", "2001:db8::9 80 6 2",
                                       "10.96.0.1 53 17 1", "2001:db8::9 53 17 2"));
}

TEST_F(FrontendsTest, HeadlessAndExternalNameHaveNone) {
  service_.headless = true;
  EXPECT_THAT(frontends(), IsEmpty());
  service_.headless = false;
  service_.external_name = true;
  EXPECT_THAT(frontends(), IsEmpty());
}

// It is for traffic from outside: clients on the node are balanced over all endpoints.
TEST_F(FrontendsTest, ExternalTrafficPolicyChangesNothingForClientsHere) {
  const auto before = frontends();
  service_.external_local = true;
  EXPECT_EQ(frontends(), before);
  EXPECT_EQ(desired_rows(service_, {}, nullptr, {}).ports[0].service.flags & FL_SERVICE_LOCAL_ONLY, 0U);
}

TEST_F(FrontendsTest, TablesAreMadeLargeEnough) {
  model::EndpointSlice slice;
  slice.ports = {{.name = "http", .port = 8080, .protocol = model::Protocol::kTcp},
                 {.name = "dns", .port = 5353, .protocol = model::Protocol::kUdp}};
  slice.endpoints.resize(500);
  model::ChangeSet objects;
  const auto add = [&](model::Kind kind, const std::string& name, model::Object object) {
    objects.push_back({{kind, "shop", name}, std::make_shared<const model::Object>(std::move(object))});
  };
  for (int i = 0; i < 100; ++i) add(model::Kind::kService, "web-" + std::to_string(i), service_);
  add(model::Kind::kEndpointSlice, "web-a", slice);
  std::map<std::string, std::uint32_t> sizes;
  for (const auto& [map, entries] : table_sizes(objects)) sizes[map] = entries;
  EXPECT_GT(sizes["fl_services"], 400U);   // two ports in two families
  EXPECT_GT(sizes["fl_frontends"], 600U);  // and a NodePort in each family
  EXPECT_GT(sizes["fl_backends"], 1000U);
  EXPECT_EQ(sizes["fl_be_state"], sizes["fl_backends"]);
  EXPECT_LT(sizes["fl_backends"], 2000U);
  EXPECT_GE(table_sizes({})[0].second, 16U);
}

}  // namespace
}  // namespace fairlead::datapath
