// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/event/loop.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "fairlead/tls/ticket_keys.hpp"

namespace fairlead::gateway {

/// Where a gateway waits for its successor: beside the socket of its admin API; empty: nowhere.
[[nodiscard]] std::string succession_path(const std::string& admin_socket);

// How a gateway is replaced by another process, over a unix socket of packets (SOCK_SEQPACKET, 0600):
//   old -> new   "socket" and a descriptor, for each socket that listens, "datagrams" for each of UDP; then "all", with
//                the lock of its state directory where it has one
//   new -> old   "serving", once it accepts on them; or it ends, and the old one goes on as if nothing had been
//   old -> new   the keys of session tickets (ticket_packet.hpp); a session of UDP (session_packet.hpp) and its
//                descriptor, for each; "yours", once its admin addresses are free; then the old one drains
// Both hold the same sockets for a while, so that no connection is lost in the queue of one that closes. Datagrams are
// taken by the old one before the sessions, by none while these pass (they wait in the sockets), by the new one after.

/// The new one's side. Owner: Gateway, during its start. Thread: main.
class Predecessor {
 public:
  /// Asks the gateway at `path` for its sockets, at most ten seconds; null where nobody waits there.
  static Result<std::unique_ptr<Predecessor>> meet(const std::string& path);

  /// Hands them over to the caller.
  [[nodiscard]] std::vector<proxy::BoundSocket> take() { return std::move(sockets_); }
  /// Of its state directory (state_lock.hpp); none: it keeps no state.
  [[nodiscard]] Fd take_lock() { return std::move(lock_); }
  /// What it hands over last.
  struct Legacy {
    std::vector<proxy::DatagramSession> sessions;
    std::vector<tls::TicketKey> tickets;  ///< none: of a build that did not hand them over
  };
  /// Returns when its admin addresses are free.
  Result<Legacy> relieve();

 private:
  explicit Predecessor(Fd fd) : fd_(std::move(fd)) {}
  Result<> receive_sockets();

  Fd fd_;
  std::vector<proxy::BoundSocket> sockets_;
  Fd lock_;
};

/// The old one's side. Owner: Gateway. Thread: main.
class Succession {
 public:
  /// `sockets`: makes duplicates of what listens; `lock`: of the state directory, -1: none; `relieved`: frees the admin
  /// addresses; `tickets`: the keys of session tickets; `sessions`: gives up those of UDP. Then `drain` is called, or
  /// `resume` where the successor is gone.
  struct Calls {
    std::function<std::vector<proxy::BoundSocket>()> sockets;
    std::function<int()> lock;
    std::function<void()> relieved;
    std::function<std::vector<tls::TicketKey>()> tickets;
    std::function<std::vector<proxy::DatagramSession>()> sessions;
    std::function<void()> drain;
    std::function<void()> resume;
  };
  static Result<std::unique_ptr<Succession>> open(const std::string& path, event::Loop& loop, Calls calls);
  ~Succession();
  Succession(const Succession&) = delete;
  Succession& operator=(const Succession&) = delete;

 private:
  Succession(std::string path, event::Loop& loop, Calls calls)
      : path_(std::move(path)), loop_(loop), calls_(std::move(calls)) {}
  void accept();
  Result<> hand_out();
  Result<> hand_over();
  void on_packet();
  void forget_successor();
  void stop_listening();

  std::string path_;
  event::Loop& loop_;
  Calls calls_;
  Fd listener_;
  Fd successor_;
};

}  // namespace fairlead::gateway
