// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/services.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include "live/datapath/cluster.hpp"

namespace fairlead {
namespace {

class ServicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = test::Maps::load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    maps_ = std::move(*loaded);
    start();
  }
  void start() {
    auto services = test::open_services(*maps_);
    ASSERT_TRUE(services) << services.error().message;
    services_ = std::move(*services);
  }
  datapath::Applied apply(model::ChangeSet changes) {
    cluster_.apply(changes);
    auto applied = services_->apply(cluster_, changes);
    EXPECT_TRUE(applied) << applied.error().message;
    return applied ? *applied : datapath::Applied{};
  }
  fl_frontend_key key(std::uint32_t number) {
    return {.addr = Address::from_v4(__builtin_bswap32(0x0a600000U + number)).raw(),
            .port = __builtin_bswap16(80),
            .proto = FL_TCP,
            .pad = 0};
  }
  std::uint32_t id_of(std::uint32_t number) {
    const auto found = services_->tables().frontends.find(key(number));
    return found && *found ? (*found)->service_id : 0;
  }
  /// Whether the frontend carries the row of its service as it is.
  bool carries_row(std::uint32_t number) {
    const auto frontend = services_->tables().frontends.find(key(number));
    if (!frontend || !*frontend) return false;
    const auto row = services_->tables().services.find((*frontend)->service_id);
    return row && *row && std::memcmp(&(*frontend)->service, &**row, sizeof(fl_service)) == 0;
  }
  /// Row numbers of the backends that new connections may get, as programs find them.
  std::vector<std::uint32_t> picks(std::uint32_t id) {
    const auto row = services_->tables().services.find(id);
    std::vector<std::uint32_t> result;
    if (!row || !*row) return result;
    for (const auto& level : (*row)->levels)
      for (auto i = level.first; i < level.first + level.count; ++i)
        result.push_back(services_->tables().slots[i].backend_id);
    return result;
  }

  std::unique_ptr<test::Maps> maps_;
  std::unique_ptr<datapath::Services> services_;
  model::Cluster cluster_;
};

TEST_F(ServicesTest, ProgramsFindEveryService) {
  apply(test::many_services(1000, 3));
  for (const std::uint32_t number : {1U, 500U, 1000U}) {
    const auto id = id_of(number);
    ASSERT_NE(id, 0U);
    EXPECT_TRUE(carries_row(number));
    const auto backends = picks(id);
    ASSERT_EQ(backends.size(), 3U);
    for (const auto index : backends) {
      EXPECT_EQ(services_->tables().backends[index].service_id, id);
      EXPECT_EQ(services_->tables().backend_states[index].generation, services_->tables().backends[index].generation);
    }
    EXPECT_EQ(services_->service(id)->name, "web-" + std::to_string(number));
  }
}

TEST_F(ServicesTest, OneEndpointChangedWritesFewRows) {
  apply(test::many_services(1000, 3));
  const auto before = picks(id_of(7));
  const auto applied = apply({test::slice_change(7, 3, 1)});  // one leaves, one comes
  EXPECT_EQ(applied.services_changed, 1U);
  EXPECT_EQ(applied.backends_removed, 1U);
  EXPECT_EQ(applied.rows_written, 6U);  // one backend, three slots, one service, its frontend
  EXPECT_TRUE(carries_row(7));
  EXPECT_NE(services_->tables().backends[before[0]].flags & FL_BACKEND_GONE, 0U);
  const auto after = picks(id_of(7));
  EXPECT_EQ(after[0], before[1]);
  EXPECT_NE(after[2], before[0]);  // the freed row rests
}

TEST_F(ServicesTest, AnUnchangedObjectWritesNothing) {
  apply(test::many_services(10, 3));
  EXPECT_EQ(apply({test::service_change(3), test::slice_change(3, 3)}).rows_written, 0U);
}

TEST_F(ServicesTest, RemovedServicesLeaveNothing) {
  apply(test::many_services(2, 3));
  const auto id = id_of(1);
  const auto change = test::service_change(1);
  const auto applied = apply({{change.key, nullptr}});
  EXPECT_EQ(applied.backends_removed, 3U);
  EXPECT_EQ(id_of(1), 0U);
  EXPECT_TRUE(picks(id).empty());
  EXPECT_FALSE(services_->service(id).has_value());
  EXPECT_NE(id_of(2), 0U);
}

TEST_F(ServicesTest, ASliceThatChangesItsServiceServesTheOtherOnly) {
  apply(test::many_services(2, 3));
  auto moved = test::slice_change(1, 3);
  auto slice = std::get<model::EndpointSlice>(*moved.object);
  slice.service = "web-2";
  moved.object = std::make_shared<const model::Object>(std::move(slice));
  apply({moved});
  EXPECT_TRUE(picks(id_of(1)).empty());
  EXPECT_EQ(picks(id_of(2)).size(), 6U);
  apply({test::slice_change(1, 3)});
  EXPECT_EQ(picks(id_of(1)).size(), 3U);
  EXPECT_EQ(picks(id_of(2)).size(), 3U);
}

TEST_F(ServicesTest, SlicesMayComeBeforeTheirService) {
  apply({test::slice_change(1, 3)});
  EXPECT_EQ(id_of(1), 0U);
  apply({test::service_change(1)});
  EXPECT_EQ(picks(id_of(1)).size(), 3U);
}

// Istio would join them; here the first by name is in force, and the others say so.
TEST_F(ServicesTest, RulesForOneHostAreNamed) {
  const auto rule = [](const std::string& name, model::Balancing balancing) {
    model::DestinationRule object;
    object.metadata = {.name = name, .ns = "default", .labels = {}, .annotations = {}};
    object.host = name == "c" ? "web-1.default.svc.cluster.local" : "web-1";
    object.policy->balancing = balancing;
    return model::Change{{model::Kind::kDestinationRule, "default", name},
                         std::make_shared<const model::Object>(std::move(object))};
  };
  apply(test::many_services(1, 3));
  apply({rule("b", model::Balancing::kRoundRobin), rule("c", model::Balancing::kRandom)});
  const std::map<std::string, std::vector<std::string>> expected{
      {"DestinationRule default/c",
       {"host web-1.default.svc.cluster.local: DestinationRule default/b is for it too, and in force: this one is "
        "not"}}};
  EXPECT_EQ(services_->warnings(), expected);
  const auto row = services_->tables().services.find(id_of(1));
  ASSERT_TRUE(row && *row);
  EXPECT_EQ((*row)->algorithm, FL_ROUND_ROBIN);
  apply({{{model::Kind::kDestinationRule, "default", "b"}, nullptr}});
  EXPECT_TRUE(services_->warnings().empty());
}

TEST_F(ServicesTest, RestartKeepsIdsAndRemovesWhatIsNotWanted) {
  apply(test::many_services(100, 3));
  const auto id = id_of(42);
  const auto backends = picks(id);
  start();
  ASSERT_TRUE(services_->adopt());
  cluster_ = {};
  const auto applied = apply(test::many_services(99, 3));
  EXPECT_EQ(applied.rows_written, 0U);
  EXPECT_EQ(applied.backends_removed, 3U);  // of the hundredth
  EXPECT_EQ(id_of(42), id);
  EXPECT_EQ(picks(id), backends);
  EXPECT_EQ(id_of(100), 0U);
}

// As an agent leaves it that is killed between the two tables.
TEST_F(ServicesTest, AFrontendWithAnOlderRowIsPutRightAtAdoption) {
  apply(test::many_services(3, 3));
  auto stale = *services_->tables().frontends.find(key(2)).value();
  stale.service.levels[0].first += 1;
  const auto where = key(2);
  ASSERT_EQ(bpf_map_update_elem(maps_->fd("fl_frontends").get(), &where, &stale, BPF_ANY), 0);
  ASSERT_FALSE(carries_row(2));
  start();
  ASSERT_TRUE(services_->adopt());
  EXPECT_TRUE(carries_row(2));
}

}  // namespace
}  // namespace fairlead
