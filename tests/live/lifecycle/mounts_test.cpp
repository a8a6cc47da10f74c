// SPDX-License-Identifier: Apache-2.0
// Nodes that are not as expected: file systems that are not mounted, a cgroup namespace, a kernel that lacks something.
#include <bpf/btf.h>
#include <gtest/gtest.h>

#include "live/lifecycle/agent_fixture.hpp"

namespace fairlead {
namespace {

class MountsTest : public test::AgentTest {
 protected:
  /// The agent's command line, or a script's words before it.
  std::vector<std::string> behind(std::vector<std::string> words, const std::vector<std::string>& command) const {
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }
  std::vector<std::string> without(std::vector<std::string> words, const std::string& option) const {
    const auto found = std::find(words.begin(), words.end(), option);
    words.erase(found, found + 2);
    return words;
  }
};

TEST_F(MountsTest, ACgroupNamespaceThatIsNotTheRootIsSaidLoudly) {
  test::Process agent({.argv = behind({"unshare", "--cgroup"}, command())});
  ASSERT_TRUE(agent.wait_for("ready\n")) << agent.output();
  EXPECT_NE(agent.output().find("[warning] THIS CGROUP NAMESPACE IS NOT THE ROOT"), std::string::npos)
      << agent.output();
}

TEST_F(MountsTest, NoCgroup2MountIsAPlainError) {
  // In a mount namespace of its own. The agent is not started should a mount be left: it would take the root cgroup.
  const std::string script =
      "while mount=$(awk '$3 == \"cgroup2\" {print $2; exit}' /proc/self/mounts) && [ -n \"$mount\" ]; do "
      "umount -l \"$mount\" || exit 99; done; exec \"$@\"";
  const auto ended = test::try_run(behind({"unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"},
                                          without(command(), "--cgroup")));
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(
      ended.output.find(
          "no cgroup2 file system is mounted; mount it (mount -t cgroup2 none /sys/fs/cgroup) or name one by --cgroup"),
      std::string::npos)
      << ended.output;
}

TEST_F(MountsTest, BpffsIsMountedWhereItIsMissing) {
  // A pin directory under /sys/fs/bpf, which is not mounted in there. What is pinned goes with the namespace.
  auto words = without(command(), "--pin-dir");
  words.insert(words.end(), {"--pin-dir", "/sys/fs/bpf/" + test::unique_name("missing")});
  const std::string script = "while mountpoint -q /sys/fs/bpf; do umount -l /sys/fs/bpf || exit 99; done; exec \"$@\"";
  test::Process agent(
      {.argv = behind({"unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"}, words)});
  EXPECT_TRUE(agent.wait_for("ready\n")) << agent.output();
}

TEST_F(MountsTest, APinDirectoryElsewhereIsAPlainError) {
  auto words = without(command(), "--pin-dir");
  const std::string elsewhere = folder_ / "pins";
  words.insert(words.end(), {"--pin-dir", elsewhere});
  const auto ended = test::try_run(words);
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.output.find("pin directory " + elsewhere + ": found another file system, expected bpffs"),
            std::string::npos)
      << ended.output;
}

TEST_F(MountsTest, WhatTheKernelLacksIsNamed) {
  btf* types = btf__load_vmlinux_btf();
  ASSERT_NE(types, nullptr);
  const bool destroys = btf__find_by_name_kind(types, "bpf_sock_destroy", BTF_KIND_FUNC) > 0;
  btf__free(types);
  const auto agent = start();
  const auto said = agent->output();
  EXPECT_EQ(said.find("this kernel does not take fl_end_tcp") == std::string::npos, destroys) << said;
  EXPECT_EQ(said.find("sockets are ended by netlink") == std::string::npos, destroys) << said;
}

}  // namespace
}  // namespace fairlead
