// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/table.hpp"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "live/datapath/skeleton.hpp"

namespace fairlead {
namespace {

using kernel::ArrayTable;
using kernel::HashTable;

class TableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = test::Maps::load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    maps_ = std::move(*loaded);
  }
  template <class Table>
  Table open(const char* name, const std::string& pin = {}) {
    auto table = Table::open(maps_->fd(name), maps_->fd(std::string(name) + "_of"), pin);
    EXPECT_TRUE(table) << table.error().message;
    return std::move(*table);
  }
  std::unique_ptr<test::Maps> maps_;
};

fl_frontend_key key_of(std::uint32_t number) {
  fl_frontend_key key{};
  key.addr.word[3] = number;
  key.proto = FL_TCP;
  return key;
}

TEST_F(TableTest, HashGrowsByBatchesAndKeepsEverything) {
  auto table = open<HashTable<fl_frontend_key, fl_frontend>>("fl_frontends");
  const auto before = table.raw().shape();
  std::vector<fl_frontend_key> keys;
  std::vector<fl_frontend> values;
  for (std::uint32_t i = 1; i <= 10'000; ++i) {
    keys.push_back(key_of(i));
    values.push_back({.service_id = i, .flags = FL_FRONTEND_CLUSTER_IP, .service = {}});
  }
  ASSERT_TRUE(table.update(keys, values));
  EXPECT_GE(table.capacity(), 10'000U);
  const auto after = table.raw().shape();
  EXPECT_EQ(after.btf_id, before.btf_id);
  EXPECT_EQ(after.btf_key_type, before.btf_key_type);
  EXPECT_EQ(after.flags, before.flags);
  EXPECT_EQ(after.name, before.name);
  auto rows = table.dump();
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->size(), 10'000U);
  auto found = table.find(key_of(77));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->service_id, 77U);
  ASSERT_TRUE(table.remove(std::vector{key_of(77), key_of(99'999)}));
  EXPECT_FALSE(table.find(key_of(77)).value().has_value());
}

TEST_F(TableTest, OuterMapAndPinFollowGrowth) {
  const std::string folder = "/sys/fs/bpf/fl-datapath-" + std::to_string(::getpid());
  ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
  const std::string pin = folder + "/fl_services";
  {
    auto table = open<HashTable<std::uint32_t, fl_service>>("fl_services", pin);
    ASSERT_TRUE(table.reserve(100));
    const auto zero = 0U;
    auto id = 0U;
    ASSERT_EQ(bpf_map_lookup_elem(maps_->fd("fl_services_of").get(), &zero, &id), 0);
    EXPECT_EQ(id, table.raw().shape().id);
    auto pinned = kernel::RawMap::open_pin(pin);
    ASSERT_TRUE(pinned) << pinned.error().message;
    EXPECT_EQ(pinned->shape().id, id);
  }
  // As after a death between swap and pin: opened with the old inner map, the table follows the outer one.
  auto again = open<HashTable<std::uint32_t, fl_service>>("fl_services", pin);
  EXPECT_GE(again.capacity(), 100U);
  ::unlink(pin.c_str());
  ::rmdir(folder.c_str());
}

TEST_F(TableTest, CarriedWordsAddWhatChangedMeanwhile) {
  fl_service_state old_row{};
  old_row.generation = 3;
  old_row.active = 10;
  old_row.total = 100;
  fl_service_state before{};
  kernel::copy_row(&before, &old_row, kernel::kCarried<fl_service_state>);
  fl_service_state now_used = before;
  old_row.active -= 4;      // closes seen by the old table
  old_row.total += 5;
  now_used.active += 2;     // opens seen by the new one
  now_used.total += 1;
  kernel::carry_row(&now_used, &old_row, &before, kernel::kCarried<fl_service_state>);
  EXPECT_EQ(now_used.active, 8U);
  EXPECT_EQ(now_used.total, 106U);
  EXPECT_EQ(now_used.generation, 3U);
}

TEST_F(TableTest, StateSurvivesGrowth) {
  auto table = open<ArrayTable<fl_service_state>>("fl_svc_state");
  table[1].total = 41;
  table[15].active = 7;
  ASSERT_TRUE(table.reserve(1000));
  EXPECT_GE(table.size(), 1000U);
  EXPECT_EQ(table[1].total, 41U);
  EXPECT_EQ(table[15].active, 7U);
  EXPECT_EQ(table[999].total, 0U);
}

// A reader that goes by the outer map, as programs do, never misses a key that is there all the time.
TEST_F(TableTest, ReadersNeverMissAKeyWhileTheTableGrows) {
  auto table = open<HashTable<fl_frontend_key, fl_frontend>>("fl_frontends");
  ASSERT_TRUE(table.update(key_of(1), {.service_id = 1, .flags = 0, .service = {}}));
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::atomic<int> misses{0};
  const Fd outer = maps_->fd("fl_frontends_of");
  std::thread reader([&] {
    while (!stop) {
      const std::uint32_t zero = 0;
      std::uint32_t id = 0;
      fl_frontend value{};
      if (bpf_map_lookup_elem(outer.get(), &zero, &id) != 0) ++misses;
      const Fd inner(bpf_map_get_fd_by_id(id));
      if (!inner) continue;  // replaced between the two calls: programs do both in one RCU section
      const auto key = key_of(1);
      if (bpf_map_lookup_elem(inner.get(), &key, &value) != 0) ++misses;
      ++reads;
    }
  });
  for (std::uint32_t size = 32; size <= 4096; size *= 2) {
    const int seen = reads;
    EXPECT_TRUE(table.reserve(size));
    while (reads == seen) std::this_thread::yield();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(misses, 0);
}

TEST_F(TableTest, WrongValueSizeIsRefused) {
  auto table = HashTable<std::uint32_t, fl_frontend>::open(maps_->fd("fl_services"), maps_->fd("fl_services_of"));
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().message.find("expected 4 and 104"), std::string::npos) << table.error().message;
}

}  // namespace
}  // namespace fairlead
