// SPDX-License-Identifier: Apache-2.0
// The kernel's decision against the native build of the same code, over random tables and questions.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <set>

#include "agent/datapath/replay.hpp"
#include "agent/kernel/map.hpp"
#include "bpf/world.hpp"
#include "datapath.skel.h"

namespace fairlead::test {
namespace {

World* world = nullptr;

/// The real skeleton with fl_why as its only program.
class Why {
 public:
  Why() : skeleton_(::datapath::open()) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj)
        bpf_program__set_autoload(program, std::string(bpf_program__name(program)) == "fl_why");
  }
  ~Why() { ::datapath::destroy(skeleton_); }
  Why(const Why&) = delete;
  Why& operator=(const Why&) = delete;

  bool load() { return ::datapath::load(skeleton_) == 0; }
  [[nodiscard]] int program() const { return bpf_program__fd(skeleton_->progs.fl_why); }
  [[nodiscard]] int map(const std::string& name) const {
    return bpf_object__find_map_fd_by_name(skeleton_->obj, name.c_str());
  }
  [[nodiscard]] Result<fairlead::datapath::ServiceTables> tables() const {
    return fairlead::datapath::ServiceTables::open(
        [this](const std::string& name) { return kernel::duplicate(map(name)); }, {});
  }
  /// As at the start of a World: nobody was given anything.
  void forget_affinity() const {
    fl_affinity_key key{};
    while (bpf_map_get_next_key(map("fl_affinity"), nullptr, &key) == 0) bpf_map_delete_elem(map("fl_affinity"), &key);
  }

 private:
  ::datapath* skeleton_;
};

std::string text_of(const fl_choice& choice, int given) {
  return "given " + std::to_string(given) + " service " + std::to_string(choice.service_id) + " backend " +
         std::to_string(choice.backend_id) + "/" + std::to_string(choice.backend_generation) + " level " +
         std::to_string(choice.level) + " reason " + std::to_string(choice.reason) + " flags " +
         std::to_string(choice.flags) + " looked " + std::to_string(choice.looked);
}

TEST(ChooseTest, KernelAndNativeAgree) {
  Why why;
  ASSERT_TRUE(why.load());
  auto tables = why.tables();
  ASSERT_TRUE(tables) << tables.error().message;
  fl_settings settings{};
  settings.node_port_low = __builtin_bswap16(30000);
  settings.node_port_high = __builtin_bswap16(32767);
  settings.host_netns = 99;
  const std::uint32_t zero = 0;
  ASSERT_EQ(bpf_map_update_elem(why.map("fl_settings"), &zero, &settings, BPF_ANY), 0);

  constexpr std::uint32_t kPerWorld = 5000;
  std::uint32_t given_count = 0;
  std::map<std::uint32_t, std::uint32_t> seen;  // reason and flags -> times
  for (std::uint32_t asked = 0; asked < questions(); asked += kPerWorld) {
    World now(asked + 1, settings);
    world = &now;
    const auto loaded = now.load(*tables);
    ASSERT_TRUE(loaded) << loaded.error().message;
    why.forget_affinity();
    for (std::uint32_t i = 0; i < kPerWorld; ++i) {
      const fl_choice question = now.question();
      fl_choice native = question, kernel = question;
      const int native_given = native_choose(&native);
      LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &kernel, .ctx_size_in = sizeof kernel);
      ASSERT_EQ(bpf_prog_test_run_opts(why.program(), &options), 0);
      ASSERT_TRUE(static_cast<int>(options.retval) == native_given && std::memcmp(&kernel, &native, sizeof kernel) == 0)
          << "world " << asked + 1 << " question " << i
          << "\nkernel: " << text_of(kernel, static_cast<int>(options.retval))
          << "\nnative: " << text_of(native, native_given);
      given_count += static_cast<std::uint32_t>(native_given);
      ++seen[(std::uint32_t{native.reason} << 16) | native.flags];
    }
    ASSERT_EQ(now.difference(*tables), "") << "world " << asked + 1;
  }
  // The worlds are worth their name: every outcome and every flag occurred.
  EXPECT_GT(given_count, questions() / 4);
  std::uint32_t flags = 0;
  std::set<std::uint32_t> reasons;
  for (const auto& [key, times] : seen) {
    flags |= key & 0xffff;
    reasons.insert(key >> 16);
  }
  EXPECT_EQ(flags, 0xbfU);  // all but FL_CHOSE_WATCHED, which no world has
  EXPECT_EQ(reasons, (std::set<std::uint32_t>{FL_R_NONE, FL_R_NO_BACKEND, FL_R_OVER_LIMIT}));
}

TEST(ChooseTest, ReplayChangesNothing) {
  Why why;
  ASSERT_TRUE(why.load());
  auto tables = why.tables();
  ASSERT_TRUE(tables) << tables.error().message;
  World now(7, {});
  ASSERT_TRUE(now.load(*tables));
  for (std::uint32_t number = 1; number <= World::kServices; ++number)
    for (const std::uint8_t proto : {FL_TCP, FL_UDP}) {
      const auto address = Address::from_v4(__builtin_bswap32(0x0a600000U + number));
      const auto answer = fairlead::datapath::replay(why.program(), address, 80, proto, 5);
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_TRUE(answer->service_id == 0 || answer->service_id == number);
      EXPECT_EQ(answer->backend_id == 0, answer->service_id == 0 || answer->reason != FL_R_NONE);
    }
  EXPECT_EQ(now.difference(*tables), "");
  fl_affinity_key key{};
  EXPECT_NE(bpf_map_get_next_key(why.map("fl_affinity"), nullptr, &key), 0);
}

}  // namespace
}  // namespace fairlead::test

extern "C" void* native_find(native_table table, const void* key) { return fairlead::test::world->find(table, key); }
extern "C" void native_store(native_table table, const void* key, const void* value) {
  fairlead::test::world->store(table, key, value);
}
