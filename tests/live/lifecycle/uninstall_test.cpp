// SPDX-License-Identifier: Apache-2.0
// After an uninstall the kernel and the file system hold nothing of ours, whatever the agents' life was like.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <fstream>
#include <map>
#include <set>

#include "live/lifecycle/agent_fixture.hpp"
#include "live/lifecycle/service_yaml.hpp"
#include "support/wait.hpp"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

/// Numbers of BPF objects by kind ("prog_id", "map_id", "link_id").
using Ids = std::map<std::string, std::set<std::uint32_t>>;

class UninstallTest : public test::AgentTest {
 protected:
  /// All objects that a process holds, as /proc tells.
  static void add_held(pid_t pid, Ids& ids) {
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fdinfo")) {
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);)
        for (const std::string kind : {"prog_id", "map_id", "link_id"})
          if (line.starts_with(kind + ":"))
            ids[kind].insert(static_cast<std::uint32_t>(std::stoul(line.substr(kind.size() + 1))));
    }
  }
  /// All that is pinned, and the programs of pinned links.
  void add_pinned(Ids& ids) const {
    const auto pins = kernel::PinDirectory::at(pins_.path());
    for (const auto& name : pins.names()) {
      const Fd fd = pins.open(name);
      if (name.starts_with("link_")) {
        bpf_link_info info{};
        std::uint32_t length = sizeof info;
        ASSERT_EQ(bpf_obj_get_info_by_fd(fd.get(), &info, &length), 0) << name;
        ids["link_id"].insert(info.id);
        ids["prog_id"].insert(info.prog_id);
      } else {
        ids["map_id"].insert(map_id(name));
      }
    }
  }
  /// How many programs our cgroup runs at connect.
  std::uint32_t programs_in_cgroup() const {
    const Fd cgroup(::open(cgroup_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::uint32_t ids[8] = {};
    LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids, .prog_cnt = 8);
    EXPECT_EQ(bpf_prog_query_opts(cgroup.get(), BPF_CGROUP_INET4_CONNECT, &query), 0);
    return query.prog_cnt;
  }
  /// Those of them that are still there.
  static std::string left(const Ids& ids) {
    std::string text;
    const auto look = [&](const std::string& kind, int (*open)(std::uint32_t)) {
      const auto found = ids.find(kind);
      if (found == ids.end()) return;
      for (const auto id : found->second)
        if (const Fd fd(open(id)); fd) text += kind + " " + std::to_string(id) + " ";
    };
    look("prog_id", bpf_prog_get_fd_by_id);
    look("map_id", bpf_map_get_fd_by_id);
    look("link_id", bpf_link_get_fd_by_id);
    return text;
  }
};

TEST_F(UninstallTest, LeavesNothing) {
  write("web.yaml", test::ServiceYaml{.name = "web",
                                      .address = "10.96.0.10",
                                      .port = 80,
                                      .protocol = "TCP",
                                      .target_port = 8080,
                                      .endpoints = {"10.98.0.1"}}
                        .text());
  Ids ids;
  for (const int number : {SIGKILL, SIGTERM}) {
    const auto agent = start();
    add_held(agent->pid(), ids);
    add_pinned(ids);
    agent->signal(number);
    agent->wait();
  }
  ASSERT_GT(ids["prog_id"].size(), 10U);
  ASSERT_GT(ids["map_id"].size(), 20U);
  ASSERT_GT(ids["link_id"].size(), 5U);
  EXPECT_NE(left(ids), "");
  // Somebody looks at a link meanwhile (bpftool does): its program has to leave the cgroup all the same.
  Fd looked_at = pin("link_fl_connect4");
  ASSERT_TRUE(looked_at);
  EXPECT_EQ(programs_in_cgroup(), 1U);
  const auto done = test::try_run(command({"uninstall"}));
  EXPECT_EQ(done.status, 0) << done.output;
  EXPECT_EQ(programs_in_cgroup(), 0U);
  looked_at.reset();
  // The kernel frees after a grace period.
  EXPECT_TRUE(test::eventually([&] { return left(ids).empty(); })) << left(ids);
  EXPECT_FALSE(fs::exists(pins_.path()));
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  EXPECT_FALSE(fs::exists(folder_ / "agent.sock"));
}

TEST_F(UninstallTest, WhereThereIsNothingItSaysNothing) {
  const auto done = test::try_run(command({"uninstall"}));
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.output, "");
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(UninstallTest, AFolderThatIsNoBpffsKeepsItsFiles) {
  const auto folder = folder_ / "mistaken";
  fs::create_directory(folder);
  std::ofstream(folder / "fl_precious") << "x";
  const auto done = test::try_run(command({"--pin-dir", folder, "uninstall"}));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.output, ::testing::HasSubstr("expected bpffs"));
  EXPECT_TRUE(fs::exists(folder / "fl_precious"));
}

TEST_F(UninstallTest, PinsOfOthersInTheDirectoryStay) {
  start()->stop();
  const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "theirs", 4, 4, 1, nullptr));
  ASSERT_TRUE(kernel::PinDirectory::at(pins_.path()).pin(map.get(), "theirs"));
  start()->stop();  // an agent leaves it, too
  EXPECT_TRUE(pin("theirs"));
  const auto done = test::try_run(command({"uninstall"}));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.output, ::testing::HasSubstr("theirs: found what is no pin of fairlead-agent"));
  EXPECT_TRUE(pin("theirs"));
  EXPECT_FALSE(pin("fl_settings"));
  EXPECT_EQ(programs_in_cgroup(), 0U);
  ASSERT_TRUE(kernel::PinDirectory::at(pins_.path()).remove("theirs"));
  EXPECT_EQ(test::try_run(command({"uninstall"})).status, 0);
  EXPECT_FALSE(fs::exists(pins_.path()));
}

TEST_F(UninstallTest, AFileInPlaceOfTheSocketStays) {
  std::ofstream(folder_ / "agent.sock") << "no socket";
  const auto done = test::try_run(command({"uninstall"}));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.output, ::testing::HasSubstr("no socket"));
  EXPECT_TRUE(fs::exists(folder_ / "agent.sock"));
}

TEST_F(UninstallTest, AnotherAgentCanBeInstalledAfterwards) {
  start()->stop();
  ASSERT_EQ(test::try_run(command({"uninstall"})).status, 0);
  const auto agent = start();
  EXPECT_EQ(agent->output().find("adopted"), std::string::npos) << agent->output();
}

}  // namespace
}  // namespace fairlead
