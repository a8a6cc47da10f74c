// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "fairlead/base/fd.hpp"
#include "support/netns.hpp"

namespace fairlead::test {

/// A server on a thread of the test: it greets with its name and echoes what it gets. TCP: the name and a newline on
/// accept, then echo until the client closes. UDP: every datagram is answered by "<name> <datagram>".
/// Owner: the test. Thread: one; its counters may be read by any.
class TestServer {
 public:
  enum class Protocol : std::uint8_t { kTcp, kUdp };

  /// address: "127.0.0.1" or "::1", ...; port 0: the kernel's choice; ns: where it listens, null for here.
  TestServer(Protocol protocol, const std::string& address, std::string name, const Netns* ns = nullptr,
             std::uint16_t port = 0);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Connections accepted, or datagrams received.
  [[nodiscard]] int hits() const { return hits_; }

 private:
  void serve_tcp();
  void serve_udp();

  std::string name_;
  Fd socket_;
  Fd stop_;
  std::uint16_t port_ = 0;
  std::atomic<int> hits_{0};
  std::thread thread_;
};

/// Address and port as the socket calls take them.
struct SocketAddress {
  SocketAddress(const std::string& address, std::uint16_t port);
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }

  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// Result of connecting: the socket, or errno.
struct Connected {
  Fd socket;
  int error = 0;
};

/// Connects (blocking, 10 s at most: then ETIMEDOUT) in this thread's namespace, or in ns.
Connected connect_tcp(const std::string& address, std::uint16_t port, const Netns* ns = nullptr);
/// One line from the socket, without its newline; what came so far if nothing more comes for 5 s.
std::string read_line(const Fd& socket);
/// Connects and gives the server's name, or "errno <text>".
std::string ask_tcp(const std::string& address, std::uint16_t port, const Netns* ns = nullptr);
/// Sends "?" unconnected and gives the answering server's name, or "errno <text>" (5 s without an answer: ETIMEDOUT).
std::string ask_udp(const std::string& address, std::uint16_t port, const Netns* ns = nullptr);

}  // namespace fairlead::test
