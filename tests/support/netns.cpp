// SPDX-License-Identifier: Apache-2.0
#include "support/netns.hpp"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <thread>

#include "support/command.hpp"

namespace fairlead::test {

Netns::Netns(const std::string& name) : name_(unique_name(name)) {
  run({"ip", "netns", "add", name_});
  ip({"link", "set", "lo", "up"});
}

Netns::~Netns() { try_run({"ip", "netns", "delete", name_}); }

void Netns::in(const std::function<void()>& work) const {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      const Fd ns(open(path().c_str(), O_RDONLY | O_CLOEXEC));
      require(ns && setns(ns.get(), CLONE_NEWNET) == 0, "entering " + path());
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

void Netns::ip(const std::vector<std::string>& words) const {
  std::vector<std::string> argv{"ip", "-n", name_};
  argv.insert(argv.end(), words.begin(), words.end());
  run(argv);
}

void Netns::sysctl(const std::string& key, const std::string& value) const {
  std::string path = "/proc/sys/" + key;
  std::ranges::replace(path, '.', '/');
  // /proc/sys/net shows the namespace of the thread that opens it.
  in([&] {
    std::ofstream file(path);
    file << value << std::flush;
    require(file.good(), "writing " + path);
  });
}

}  // namespace fairlead::test
