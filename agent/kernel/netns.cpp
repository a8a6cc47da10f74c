// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/netns.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unordered_set>
#include <vector>

namespace fairlead::kernel {
namespace {

namespace fs = std::filesystem;

Fd open_netns(const std::string& path) { return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); }

Result<std::uint64_t> cookie_of(int netns) {
  std::uint64_t cookie = 0;
  FL_CHECK(inside_netns(netns, [&]() -> Result<> {
    FL_TRY(cookie, own_netns_cookie());
    return {};
  }));
  return cookie;
}

/// Mounts of namespaces, wherever a runtime keeps them: a line of mountinfo ends in "- nsfs nsfs ...", its fourth and
/// fifth fields are "net:[4026532008]" and the path.
std::vector<std::string> mounted_namespaces() {
  std::vector<std::string> paths;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, path;
    if (fields >> id >> parent >> device >> root >> path && root.starts_with("net:[")) paths.push_back(path);
  }
  return paths;
}

}  // namespace

Result<std::uint64_t> own_netns_cookie() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail(system_error("asking for the network namespace's cookie", errno));
  return cookie;
}

Result<> inside_netns(int netns, const std::function<Result<>()>& work) {
  const Fd home = open_netns("/proc/thread-self/ns/net");
  if (!home) return fail(system_error("opening /proc/thread-self/ns/net", errno));
  if (::setns(netns, CLONE_NEWNET) != 0) return fail(system_error("entering a network namespace", errno));
  auto result = work();
  // A daemon that stays in a pod's namespace would look at the wrong node from here on.
  if (::setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  return result;
}

std::vector<std::string> netns_paths() {
  std::vector<std::string> paths;
  std::unordered_set<ino_t> seen;
  const auto look = [&](const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0 && seen.insert(info.st_ino).second) paths.push_back(path);
  };
  for (const auto& path : mounted_namespaces()) look(path);
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    if (name.find_first_not_of("0123456789") == std::string::npos) look(entry->path().string() + "/ns/net");
  }
  return paths;
}

Result<> NetnsFinder::scan() {
  paths_.clear();
  for (const auto& path : netns_paths()) {
    const Fd netns = open_netns(path);
    if (!netns) continue;
    if (const auto cookie = cookie_of(netns.get())) paths_.emplace(*cookie, path);
  }
  return {};
}

Result<Fd> NetnsFinder::find(std::uint64_t cookie) {
  for (const bool scanned : {false, true}) {
    if (scanned) FL_CHECK(scan());
    const auto found = paths_.find(cookie);
    if (found == paths_.end()) continue;
    Fd netns = open_netns(found->second);
    // A pid or a name may have been given to another namespace since.
    if (netns && cookie_of(netns.get()).value_or(0) == cookie) return netns;
  }
  return fail("no process and no `ip netns` name has the network namespace with cookie " + std::to_string(cookie),
              ENOENT);
}

}  // namespace fairlead::kernel
