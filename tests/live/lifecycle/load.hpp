// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "support/netns.hpp"

namespace fairlead::test {

/// Clients of a service who notice everything: connections made all the time, and a few that are kept from the first
/// moment on and asked again and again. Any error, wrong byte, or wrong peer is a complaint.
/// Owner: the test. Thread: one.
class Load {
 public:
  /// The service speaks TCP at `port` and UDP at the same; servers are TestServer.
  Load(const Netns& netns, std::string service, std::uint16_t port, std::size_t kept_each = 10);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// From now on maps are replaced as a whole: a socket that is connected in the few milliseconds in which one program
  /// after the other is exchanged may name its backend as its peer until the new agent has carried it over.
  void expect_replacements() { replaced_ = true; }
  /// Stops the coming and going; the kept ones are asked once more and stay.
  void stop();
  [[nodiscard]] int connects() const { return connects_; }
  [[nodiscard]] int asked() const { return asked_; }
  [[nodiscard]] std::vector<std::string> complaints();

 private:
  void come_and_go();
  void ask_kept();
  void complain(const std::string& what);
  [[nodiscard]] bool names_service(int fd) const;
  bool sees_service(int fd);
  bool ask(int fd, bool udp, int number);
  Fd connect(bool udp);

  const Netns& netns_;
  std::string service_;
  std::uint16_t port_;
  std::vector<Fd> tcp_, udp_;
  std::atomic<bool> stop_{false}, replaced_{false};
  std::atomic<int> connects_{0}, asked_{0};
  std::mutex mutex_;
  std::vector<std::string> complaints_;
  std::vector<std::thread> threads_;
};

}  // namespace fairlead::test
