// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/abi/flow.h"
#include "fairlead/abi/service.h"
#include "support/agent_process.hpp"
#include "support/cgroup.hpp"
#include "support/pin_dir.hpp"
#include "support/server.hpp"

namespace fairlead::test {

struct TestEndpoint {
  std::string address;
  std::uint16_t port = 0;
  std::string more{};  ///< further members in flow style, e.g. "conditions: {ready: false}, zone: zone-b"
};

/// One port of a service as a test wants it.
struct TestService {
  std::string name;
  std::vector<TestEndpoint> endpoints{};
  bool udp = false;
  bool v6 = false;
  std::string spec{};    ///< further lines of spec, flow style: "sessionAffinity: ClientIP"
  std::string policy{};  ///< trafficPolicy of its DestinationRule in flow style; empty: no rule
  std::string annotations{};  ///< of the rule, flow style
};

/// A server as an endpoint.
TestEndpoint endpoint_of(const TestServer& server, const std::string& address, const std::string& more = {});

/// A running agent over a cgroup that this process is in, and the kernel's tables.
/// Owner: the suite. Thread: one.
class BalancedNode {
 public:
  BalancedNode();
  ~BalancedNode();

  /// Writes the service (again) and waits until the kernel holds it; gives its address, the same one each time.
  std::string put(const TestService& service);
  /// The same for a file of any objects.
  void put_file(const std::string& name, const std::string& text);
  static constexpr std::uint16_t kPort = 80;

  /// The kernel's row of a service; all zero: there is none.
  [[nodiscard]] fl_service service(const std::string& address, bool udp = false) const;
  [[nodiscard]] fl_service_state service_state(const std::string& address, bool udp = false) const;
  /// The row of the endpoint, found by its address.
  [[nodiscard]] fl_backend backend(const TestEndpoint& endpoint) const;
  [[nodiscard]] fl_backend_state backend_state(const TestEndpoint& endpoint) const;
  void write(const TestEndpoint& endpoint, const fl_backend_state& state) const;
  void write(const TestEndpoint& endpoint, const fl_backend& row) const;
  /// As if it had been ejected and had so many milliseconds to go; negative: it is back since then.
  void eject(const TestEndpoint& endpoint, std::int64_t milliseconds) const;
  /// What the kernel remembers of a socket; all zero: nothing.
  [[nodiscard]] fl_sock socket(const Fd& socket) const;
  /// Port of the backend that the socket was given; 0: none.
  [[nodiscard]] std::uint16_t given_port(const Fd& socket) const;
  [[nodiscard]] std::uint64_t counter(fl_counter counter) const;
  [[nodiscard]] Fd map(const std::string& name) const;
  [[nodiscard]] AgentProcess& agent() { return *agent_; }
  /// Ends the agent and starts another in its place.
  void restart();
  [[nodiscard]] const std::string& pins() const { return pins_.path(); }

 private:
  [[nodiscard]] std::uint32_t service_id(const std::string& address, std::uint16_t port, bool udp) const;
  [[nodiscard]] std::uint32_t backend_id(const TestEndpoint& endpoint) const;
  void write_file(const std::string& name, const std::string& text) const;
  void start_agent();
  void settle();
  std::string address_of(const TestService& service);

  std::filesystem::path folder_;
  TempCgroup cgroup_{"balance"};
  PinDir pins_;
  std::unique_ptr<AgentProcess> agent_;
  std::vector<std::string> names_;
  std::uint16_t settled_ = 0;
};

/// One agent for all tests of the program.
class BalanceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!node_) node_ = std::make_unique<BalancedNode>();
  }
  static void TearDownTestSuite() { node_.reset(); }
  static BalancedNode& node() { return *node_; }

 private:
  static std::unique_ptr<BalancedNode> node_;
};

/// A UDP socket connected to address:kPort: it is given a backend, and nothing is sent. error: connect's errno.
Connected connect_udp(const std::string& address, const Netns* ns = nullptr);
/// "address port".
std::string text_of(const sockaddr_storage& address);
/// getpeername as "address port".
std::string peer_of(const Fd& socket);

}  // namespace fairlead::test
