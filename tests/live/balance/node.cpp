// SPDX-License-Identifier: Apache-2.0
#include "live/balance/node.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>

#include "agent/kernel/pins.hpp"
#include "fairlead/base/address.hpp"
#include "support/command.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSettleAddress = "10.97.0.1";
constexpr const char* kTopology = R"(apiVersion: v1
kind: Node
metadata: {name: here, labels: {topology.kubernetes.io/zone: zone-a, topology.kubernetes.io/region: region-a}}
status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}
---
apiVersion: v1
kind: Node
metadata: {name: there, labels: {topology.kubernetes.io/zone: zone-b, topology.kubernetes.io/region: region-b}}
status: {addresses: [{type: InternalIP, address: 192.0.2.8}]}
)";

std::string service_text(const std::string& name, const std::string& address, std::uint16_t port, bool udp,
                         const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: default}\nspec: {clusterIP: '" +
         address + "', clusterIPs: ['" + address + "'], ports: [{name: main, port: " + std::to_string(port) +
         ", protocol: " + (udp ? "UDP" : "TCP") + "}]" + (spec.empty() ? "" : ", " + spec) + "}\n";
}

std::string slice_text(const TestService& service, const TestEndpoint& endpoint, std::size_t number) {
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + service.name + "-" +
         std::to_string(number) + ", namespace: default, labels: {kubernetes.io/service-name: " + service.name +
         "}}\naddressType: " + (service.v6 ? "IPv6" : "IPv4") +
         "\nports: [{name: main, port: " + std::to_string(endpoint.port) +
         ", protocol: " + (service.udp ? "UDP" : "TCP") + "}]\nendpoints: [{addresses: ['" + endpoint.address + "']" +
         (endpoint.more.empty() ? "" : ", " + endpoint.more) + "}]\n";
}

std::string rule_text(const TestService& service) {
  if (service.policy.empty() && service.annotations.empty()) return "";
  return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " + service.name +
         ", namespace: default, annotations: {" + service.annotations + "}}\nspec: {host: " + service.name +
         ", trafficPolicy: {" + service.policy + "}}\n";
}

template <class Value>
Value lookup(const Fd& map, const void* key) {
  Value value{};
  if (bpf_map_lookup_elem(map.get(), key, &value) != 0) value = {};
  return value;
}

}  // namespace

std::unique_ptr<BalancedNode> BalanceTest::node_;

TestEndpoint endpoint_of(const TestServer& server, const std::string& address, const std::string& more) {
  return {.address = address, .port = server.port(), .more = more};
}

BalancedNode::BalancedNode() : folder_(fs::temp_directory_path() / unique_name("balance")) {
  fs::create_directories(folder_ / "config");
  write_file("topology.yaml", kTopology);
  start_agent();
  cgroup_.enter();
}

void BalancedNode::restart() {
  require(agent_->process().stop() == 0, "ending the agent:\n" + agent_->process().output());
  start_agent();
}

void BalancedNode::start_agent() {
  agent_ = std::make_unique<AgentProcess>(AgentOptions{.config = folder_ / "config",
                                                       .cgroup = cgroup_.path(),
                                                       .pin_dir = pins_.path(),
                                                       .socket = folder_ / "agent.sock",
                                                       .run_dir = folder_ / "run",
                                                       .node = "here"});
  agent_->wait_ready();
}

BalancedNode::~BalancedNode() {
  agent_.reset();  // it writes into the folder
  fs::remove_all(folder_);
}

void BalancedNode::write_file(const std::string& name, const std::string& text) const {
  const auto draft = folder_ / name;
  std::ofstream(draft) << text;
  fs::rename(draft, folder_ / "config" / name);
}

std::string BalancedNode::address_of(const TestService& service) {
  const auto found = std::find(names_.begin(), names_.end(), service.name);
  const auto number = std::to_string(1 + (found - names_.begin()));
  if (found == names_.end()) names_.push_back(service.name);
  return service.v6 ? "fd00:96::" + number : "10.96.1." + number;
}

std::string BalancedNode::put(const TestService& service) {
  const std::string address = address_of(service);
  std::string text = service_text(service.name, address, kPort, service.udp, service.spec);
  for (std::size_t i = 0; i < service.endpoints.size(); ++i) text += slice_text(service, service.endpoints[i], i);
  put_file(service.name + ".yaml", text + rule_text(service));
  return address;
}

void BalancedNode::put_file(const std::string& name, const std::string& text) {
  write_file(name, text);
  settle();
}

void BalancedNode::settle() {
  // A service whose port says how far the agent has read. Twice: a listing of the directory that ran while files came
  // may hold the later one only.
  for (int round = 0; round < 2; ++round) {
    write_file("settled.yaml", service_text("settled", kSettleAddress, ++settled_, false, ""));
    require(eventually([&] { return service_id(kSettleAddress, settled_, false) != 0; }),
            "the agent did not take the configuration:\n" + agent_->process().output());
  }
}

Fd BalancedNode::map(const std::string& name) const { return kernel::PinDirectory::at(pins_.path()).open(name); }

std::uint32_t BalancedNode::service_id(const std::string& address, std::uint16_t port, bool udp) const {
  const fl_frontend_key key{.addr = Address::parse(address)->raw(),
                            .port = htons(port),
                            .proto = static_cast<std::uint8_t>(udp ? FL_UDP : FL_TCP),
                            .pad = 0};
  return lookup<fl_frontend>(map("fl_frontends"), &key).service_id;
}

fl_service BalancedNode::service(const std::string& address, bool udp) const {
  const auto id = service_id(address, kPort, udp);
  return lookup<fl_service>(map("fl_services"), &id);
}

fl_service_state BalancedNode::service_state(const std::string& address, bool udp) const {
  const auto index = service(address, udp).state_index;
  return lookup<fl_service_state>(map("fl_svc_state"), &index);
}

std::uint32_t BalancedNode::backend_id(const TestEndpoint& endpoint) const {
  const Fd backends = map("fl_backends");
  const Address address = *Address::parse(endpoint.address);
  fl_backend row{};
  for (std::uint32_t id = 1; bpf_map_lookup_elem(backends.get(), &id, &row) == 0; ++id)
    if ((row.flags & FL_BACKEND_GONE) == 0 && row.port == htons(endpoint.port) && Address(row.addr) == address)
      return id;
  ADD_FAILURE() << "no backend " << endpoint.address << " " << endpoint.port;
  return 0;
}

fl_backend BalancedNode::backend(const TestEndpoint& endpoint) const {
  const auto id = backend_id(endpoint);
  return lookup<fl_backend>(map("fl_backends"), &id);
}

fl_backend_state BalancedNode::backend_state(const TestEndpoint& endpoint) const {
  const auto id = backend_id(endpoint);
  return lookup<fl_backend_state>(map("fl_be_state"), &id);
}

void BalancedNode::write(const TestEndpoint& endpoint, const fl_backend_state& state) const {
  const auto id = backend_id(endpoint);
  require(bpf_map_update_elem(map("fl_be_state").get(), &id, &state, BPF_ANY) == 0, "writing fl_be_state");
}

fl_sock BalancedNode::socket(const Fd& socket) const {
  const int fd = socket.get();
  return lookup<fl_sock>(map("fl_socks"), &fd);
}

void BalancedNode::write(const TestEndpoint& endpoint, const fl_backend& row) const {
  const auto id = backend_id(endpoint);
  require(bpf_map_update_elem(map("fl_backends").get(), &id, &row, BPF_ANY) == 0, "writing fl_backends");
  const Fd slots = map("fl_slots");
  fl_slot slot{};
  for (std::uint32_t index = 0; bpf_map_lookup_elem(slots.get(), &index, &slot) == 0; ++index) {
    if (slot.backend_id != id || slot.generation != row.generation) continue;
    slot.flags = row.flags;
    require(bpf_map_update_elem(slots.get(), &index, &slot, BPF_ANY) == 0, "writing fl_slots");
  }
}

void BalancedNode::eject(const TestEndpoint& endpoint, std::int64_t milliseconds) const {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  auto state = backend_state(endpoint);
  state.ejected_until_ns =
      static_cast<std::uint64_t>(now.tv_sec * 1'000'000'000 + now.tv_nsec + milliseconds * 1'000'000) & ~1ULL;
  write(endpoint, state);
}

std::uint16_t BalancedNode::given_port(const Fd& socket) const { return ntohs(this->socket(socket).backend_port); }

std::uint64_t BalancedNode::counter(fl_counter counter) const {
  std::vector<std::uint64_t> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  const auto key = static_cast<std::uint32_t>(counter);
  require(bpf_map_lookup_elem(map("fl_counters").get(), &key, values.data()) == 0, "reading fl_counters");
  std::uint64_t sum = 0;
  for (const auto value : values) sum += value;
  return sum;
}

Connected connect_udp(const std::string& address, const Netns* ns) {
  const SocketAddress where(address, BalancedNode::kPort);
  Connected result;
  const auto work = [&] {
    result.socket.reset(::socket(where.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!result.socket || connect(result.socket.get(), where.get(), where.length) != 0) result.error = errno;
  };
  ns != nullptr ? ns->in(work) : work();
  return result;
}

std::string text_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  const bool is_v4 = address.ss_family == AF_INET;
  inet_ntop(address.ss_family, is_v4 ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr, text, sizeof text);
  return std::string(text) + " " + std::to_string(ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
}

std::string peer_of(const Fd& socket) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0)
    return "errno " + std::to_string(errno);
  return text_of(peer);
}

}  // namespace fairlead::test
