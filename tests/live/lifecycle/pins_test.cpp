// SPDX-License-Identifier: Apache-2.0
// Every pin lost, and every pin replaced by something else: the next agent puts all of it right.
#include "agent/kernel/pins.hpp"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <linux/bpf.h>

#include <cstdlib>

#include "agent/kernel/skeleton.hpp"
#include "support/cgroup.hpp"
#include "support/pin_dir.hpp"

namespace fairlead {
namespace {

using kernel::PinDirectory;

class PinsTest : public ::testing::Test {
 protected:
  /// An agent's start, as far as pins go; what it says of the state that it found.
  std::string start() {
    auto loaded = kernel::Datapath::load({.cgroup = cgroup_.path(), .pin_dir = pin_dir_.path(), .sizes = {}});
    if (!loaded) return loaded.error().message;
    if (const auto attached = (*loaded)->attach(); !attached) return attached.error().message;
    return (*loaded)->adopted() ? "adopted" : (*loaded)->replaced_because();
  }
  std::vector<std::string> names() const { return PinDirectory::at(pin_dir_.path()).names(); }
  std::uint32_t programs_at(int attach_type) const {
    const auto cgroup = kernel::open_cgroup(cgroup_.path());
    std::uint32_t ids[8] = {};
    LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids, .prog_cnt = 8);
    EXPECT_EQ(bpf_prog_query_opts(cgroup->fd.get(), static_cast<bpf_attach_type>(attach_type), &query), 0);
    return query.prog_cnt;
  }
  /// All pins that there were, and each program once.
  void expect_whole(const std::vector<std::string>& before, const std::string& damaged) const {
    EXPECT_EQ(names(), before) << damaged;
    for (const int type :
         {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_SOCK_OPS, BPF_CGROUP_INET_SOCK_RELEASE})
      EXPECT_EQ(programs_at(type), 1U) << damaged << " " << type;
  }
  /// All of them, but under emulation, where each start takes many seconds, some of both kinds.
  static std::size_t step() { return std::getenv("FAIRLEAD_VM") == nullptr ? 1 : 9; }
  static bool is_link(const std::string& name) { return name.starts_with("link_"); }

  test::TempCgroup cgroup_{"pins"};
  test::PinDir pin_dir_;
};

TEST_F(PinsTest, EachPinLostOrReplacedInTurn) {
  EXPECT_EQ(start(), "");
  EXPECT_EQ(start(), "adopted");
  const auto all = names();
  ASSERT_GT(all.size(), 30U);
  const auto pins = PinDirectory::at(pin_dir_.path());
  const Fd odd(bpf_map_create(BPF_MAP_TYPE_HASH, "odd", 4, 4, 1, nullptr));
  for (std::size_t i = 0; i < all.size(); i += step()) {
    const auto& name = all[i];
    const bool lost = i % 2 == 0;
    ASSERT_TRUE(lost ? pins.remove(name) : pins.pin(odd.get(), name));
    const auto said = start();
    // A link is made anew; maps belong together.
    if (is_link(name)) {
      EXPECT_EQ(said, "adopted") << name;
    } else if (lost) {
      EXPECT_EQ(said, "the pins are torn: no " + pins.path(name));
    } else {
      EXPECT_THAT(said, ::testing::AnyOf("pinned map " + pins.path(name) + " has another type or size",
                                         ::testing::StartsWith("the pins are of version 0")))
          << name;
    }
    expect_whole(all, name);
  }
}

TEST_F(PinsTest, APinOfAProgramUnderAMapsNameIsNotAdopted) {
  EXPECT_EQ(start(), "");
  const auto all = names();
  const auto pins = PinDirectory::at(pin_dir_.path());
  bpf_insn code[2] = {};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[0].imm = 1;
  code[1].code = BPF_JMP | BPF_EXIT;
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "odd", "GPL", code, 2, nullptr));
  ASSERT_TRUE(program);
  for (const std::string name : {"fl_settings", "fl_socks", "fl_services_of"}) {
    ASSERT_TRUE(pins.pin(program.get(), name));
    EXPECT_THAT(start(),
                ::testing::AnyOf(::testing::HasSubstr("another type or size"), ::testing::HasSubstr("of version 0")))
        << name;
    expect_whole(all, name);
  }
}

}  // namespace
}  // namespace fairlead
