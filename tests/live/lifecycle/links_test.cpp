// SPDX-License-Identifier: Apache-2.0
// Links: taken over without a moment between, beside other owners' programs, and gone when they should be.
#include "agent/kernel/links.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "support/cgroup.hpp"
#include "support/pin_dir.hpp"

namespace fairlead {
namespace {

/// A cgroup/connect4 program that lets every connect pass (1) or refuses it (0).
Fd verdict_program(int verdict) {
  bpf_insn code[2] = {};
  code[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  code[0].imm = verdict;
  code[1].code = BPF_JMP | BPF_EXIT;
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
  return Fd(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fl_test", "GPL", code, 2, &options));
}

/// errno of a UDP connect to loopback; 0 where it passes.
int connect_once() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(9);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

std::uint32_t attached_count(const std::string& cgroup) {
  const auto opened = kernel::open_cgroup(cgroup);
  LIBBPF_OPTS(bpf_prog_query_opts, query);
  std::uint32_t ids[16] = {};
  query.prog_ids = ids;
  query.prog_cnt = 16;
  EXPECT_EQ(bpf_prog_query_opts(opened->fd.get(), BPF_CGROUP_INET4_CONNECT, &query), 0);
  return query.prog_cnt;
}

class LinksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pins = kernel::PinDirectory::make(pin_dir_.path());
    ASSERT_TRUE(pins) << pins.error().message;
    pins_ = std::make_unique<kernel::PinDirectory>(std::move(*pins));
    auto cgroup = kernel::open_cgroup(cgroup_.path());
    ASSERT_TRUE(cgroup) << cgroup.error().message;
    opened_ = std::move(*cgroup);
  }
  Result<> attach(const Fd& program) {
    return kernel::attach_pinned(*pins_, opened_, {"fl_connect4", program.get(), BPF_CGROUP_INET4_CONNECT});
  }
  test::TempCgroup cgroup_{"links"};
  test::PinDir pin_dir_;
  std::unique_ptr<kernel::PinDirectory> pins_;
  kernel::Cgroup opened_;
};

TEST_F(LinksTest, TakingOverLeavesNoMomentWithoutAProgram) {
  const Fd deny = verdict_program(0);
  const Fd deny_too = verdict_program(0);
  ASSERT_TRUE(attach(deny));
  cgroup_.enter();
  std::atomic<bool> stop{false};
  std::atomic<int> passed{0};
  std::atomic<int> refused{0};
  std::thread client([&] {
    while (!stop) (connect_once() == 0 ? passed : refused)++;
  });
  for (int round = 0; round < 200; ++round) {
    const int seen = refused;
    EXPECT_TRUE(attach(round % 2 == 0 ? deny_too : deny));
    while (refused == seen && passed == 0) std::this_thread::yield();
  }
  stop = true;
  client.join();
  EXPECT_EQ(passed, 0);
  EXPECT_EQ(attached_count(cgroup_.path()), 1U);
}

TEST_F(LinksTest, ProgramsOfOthersStay) {
  const Fd foreign = verdict_program(1);
  ASSERT_EQ(bpf_prog_attach(foreign.get(), opened_.fd.get(), BPF_CGROUP_INET4_CONNECT, BPF_F_ALLOW_MULTI), 0);
  const Fd ours = verdict_program(0);
  ASSERT_TRUE(attach(ours));
  EXPECT_EQ(attached_count(cgroup_.path()), 2U);
  cgroup_.enter();
  EXPECT_EQ(connect_once(), EPERM);
  ASSERT_TRUE(kernel::uninstall(pin_dir_.path()));
  EXPECT_EQ(attached_count(cgroup_.path()), 1U);
  EXPECT_EQ(connect_once(), 0);
}

TEST_F(LinksTest, AnExclusiveForeignProgramIsAPlainError) {
  const Fd foreign = verdict_program(1);
  ASSERT_EQ(bpf_prog_attach(foreign.get(), opened_.fd.get(), BPF_CGROUP_INET4_CONNECT, 0), 0);
  const auto attached = attach(verdict_program(1));
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().message.find("attaching fl_connect4 to cgroup " + cgroup_.path()), std::string::npos)
      << attached.error().message;
}

TEST_F(LinksTest, AnotherCgroupTakesTheLinkAlong) {
  ASSERT_TRUE(attach(verdict_program(1)));
  const std::string child = cgroup_.child("moved");
  auto moved = kernel::open_cgroup(child);
  ASSERT_TRUE(moved);
  const Fd next = verdict_program(1);
  ASSERT_TRUE(kernel::attach_pinned(*pins_, *moved, {"fl_connect4", next.get(), BPF_CGROUP_INET4_CONNECT}));
  EXPECT_EQ(attached_count(child), 1U);
  EXPECT_EQ(attached_count(cgroup_.path()), 0U);
}

TEST_F(LinksTest, APinThatIsNoLinkIsReplaced) {
  const Fd program = verdict_program(1);
  ASSERT_TRUE(pins_->pin(program.get(), kernel::link_name("fl_connect4")));
  ASSERT_TRUE(attach(program));
  EXPECT_EQ(attached_count(cgroup_.path()), 1U);
}

TEST_F(LinksTest, AFolderThatIsNoCgroupIsRefused) {
  const auto opened = kernel::open_cgroup("/tmp");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message, "cgroup /tmp: found another file system, expected cgroup2");
}

}  // namespace
}  // namespace fairlead
