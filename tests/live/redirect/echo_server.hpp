// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "fairlead/base/fd.hpp"
#include "support/netns.hpp"

namespace fairlead::test {

/// An event-driven echo on 127.0.0.1 of a namespace: non-blocking sockets, one thread, poll.
/// Owner: the test. Thread: one.
class EchoServer {
 public:
  explicit EchoServer(const Netns& netns);
  ~EchoServer();
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  /// A connection, what it still has to get, and whether its client has said all.
  struct Client {
    Fd socket;
    std::string waiting{};
    bool ended = false;
  };
  void serve();
  void accept_all();
  static bool echo(Client& client);  // false: over

  Fd listener_;
  Fd stop_;
  std::uint16_t port_ = 0;
  std::map<int, Client> clients_;
  std::thread thread_;
};

}  // namespace fairlead::test
