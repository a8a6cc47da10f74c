// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/net/socket_address.hpp"
#include "fairlead/proxy/datagram_session.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/stream_refusal.hpp"
#include "fairlead/upstream/cluster.hpp"
#include "gateway/dataplane/proxy/generation.hpp"

namespace fairlead::proxy {

class Worker;

/// A UDP address that a worker serves: datagrams of one client (address and port) are a session, which has a backend
/// and a socket of its own until nothing has passed for the idle time-out. The kernel gives all datagrams of a client
/// to the same worker's socket. Sessions are bounded: what is over is refused, and those that stand go on.
/// Owner: a Worker. Thread: its reactor's.
class DatagramPort final : private event::IoHandler, private event::Timer {
 public:
  static constexpr std::size_t kMostSessions = 16384;

  /// Takes over a bound, non-blocking socket; nothing is read before resume().
  static Result<std::unique_ptr<DatagramPort>> create(Worker& worker, const net::SocketAddress& address, Fd fd);
  ~DatagramPort();

  /// What new sessions are served by; those that stand keep their backend.
  void serve(GenerationRef generation, const ListenerSpec& spec);
  /// Takes datagrams.
  Result<> resume();
  /// Takes none, which wait in the socket, and gives up its sessions, the longest silent first.
  void hold(std::vector<DatagramSession>& into);
  /// Goes on with a session that another process gave up; without where the backend is gone: its client's next datagram
  /// begins another.
  void take(DatagramSession session, upstream::Cluster* cluster);
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
  [[nodiscard]] const net::SocketAddress& address() const { return address_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  struct Session final : event::IoHandler, event::Retired {
    explicit Session(DatagramPort& owner) : port(owner) {}
    void on_io(std::uint32_t) override { port.receive(*this); }
    DatagramPort& port;
    net::SocketAddress client;
    std::array<char, 64> control{};  // from which of our addresses the client is answered
    std::size_t control_length = 0;
    Fd fd;
    upstream::Cluster* cluster = nullptr;
    upstream::Backend* backend = nullptr;
    std::uint64_t chosen_ms = 0;  // when its backend was
    std::uint64_t idle_ms = 0;
    std::uint64_t moved_ms = 0;
    bool answered = false;
    std::list<Session*>::iterator place;
  };
  struct Key {
    Address address;
    std::uint16_t port = 0;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const { return std::hash<Address>()(key.address) * 31 + key.port; }
  };

  DatagramPort(Worker& worker, const net::SocketAddress& address, Fd fd)
      : worker_(worker), address_(address), fd_(std::move(fd)) {}
  void on_io(std::uint32_t events) override;
  void on_timer() override;
  bool take_one();
  [[nodiscard]] bool leaves(const Session& session) const;
  Session* session_of(const net::SocketAddress& client);
  Session* begin(const Key& key, const net::SocketAddress& client);
  Session& add(const Key& key, std::unique_ptr<Session> session);
  void set_idle(Session& session);
  bool choose(Session& session);
  void receive(Session& session);
  void answer(const Session& session, std::size_t bytes);
  void moved(Session& session);
  void end(Session& session, upstream::Failure failure);
  void look_later();
  void refuse(StreamRefusal why);

  Worker& worker_;
  net::SocketAddress address_;
  Fd fd_;
  bool reading_ = false;
  GenerationRef generation_;
  const ListenerSpec* spec_ = nullptr;
  std::unordered_map<Key, std::unique_ptr<Session>, KeyHash> sessions_;
  std::list<Session*> quiet_;  // the longest silent first
};

}  // namespace fairlead::proxy
