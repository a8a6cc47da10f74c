// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/net/socket_address.hpp"

namespace fairlead::net {

struct ListenOptions {
  int backlog = 4096;       ///< at most net.core.somaxconn
  bool reuse_port = false;  ///< one socket for each worker; all sockets of an address must say so
  bool v6_only = false;     ///< for [::]: IPv6 alone; else IPv4 too
  int defer_accept_s = 0;   ///< TCP_DEFER_ACCEPT: connections without a byte are not shown for so long; 0: off
  std::uint32_t unix_mode = 0;  ///< of a unix socket's file; 0: as the umask says
};

/// A socket that listens, non-blocking, with TCP_NODELAY, which what it accepts inherits. A file of a unix socket that
/// nobody listens on any more is replaced. [::] falls back to 0.0.0.0 where the machine has no IPv6.
Result<Fd> open_listener(const SocketAddress& at, const ListenOptions& options = {});

/// A UDP socket bound to `at`, non-blocking; with SO_REUSEPORT, one for each worker.
Result<Fd> open_datagram(const SocketAddress& at);

/// `options` for each of the addresses of one program: [::]:80 is IPv6 alone where 0.0.0.0:80 is listed too.
std::vector<ListenOptions> listen_options(std::span<const SocketAddress> addresses, const ListenOptions& common = {});

/// Makes a listening socket that came from elsewhere ours: refuses what does not listen, sets what open_listener sets.
Result<SocketAddress> adopt_listener(int fd);
/// The same of a bound UDP socket, as open_datagram makes it.
Result<SocketAddress> adopt_datagram(int fd);

/// What the kernel knows a socket by, through all duplicates and processes (SO_COOKIE); 0: it is none.
[[nodiscard]] std::uint64_t socket_cookie(int fd);

/// What a socket is bound to.
Result<SocketAddress> local_address(int fd);

class AcceptHandler {
 public:
  /// A connected, non-blocking socket. Dropping fd closes the connection.
  virtual void on_accept(Fd fd, const Endpoint& peer, const Endpoint& local) = 0;
  /// The process or the system is out of descriptors or memory (errno): what is idle may be closed. True: some was.
  virtual bool make_room(int error) = 0;
  /// There was no room: connections that were closed at once.
  virtual void on_shed(std::uint64_t count) = 0;

 protected:
  ~AcceptHandler() = default;
};

/// Whether it says (errno) that descriptors or memory are out.
[[nodiscard]] bool is_exhaustion(int error);

struct ListenerCounts {
  std::uint64_t accepted = 0;
  std::uint64_t aborted = 0;    ///< gone before they were accepted (ECONNABORTED and network errors)
  std::uint64_t exhausted = 0;  ///< times that descriptors or memory were out
  std::uint64_t shed = 0;       ///< connections closed at once for want of a descriptor

  ListenerCounts& operator+=(const ListenerCounts& other);
};

/// Accepts connections of one socket on one reactor. Without descriptors, and room made, it closes what waits by means
/// of one that it holds back, so that those clients know, and then rests: the others go on. Owner: a worker. Thread:
/// its reactor's.
class Listener final : private event::IoHandler, private event::Timer {
 public:
  static constexpr int kMostPerTurn = 64;     ///< connections
  static constexpr std::uint64_t kRestMs = 100;  ///< after descriptors were out

  static Result<std::unique_ptr<Listener>> create(event::Reactor& reactor, Fd fd, AcceptHandler& handler);
  ~Listener();

  /// Stops and resumes accepting; connections wait in the kernel's queue.
  void pause();
  void resume();
  /// Accepts what has connected already, for on_accept, before a socket of a SO_REUSEPORT group closes: the kernel
  /// resets what is in its queue.
  void drain();

  [[nodiscard]] const SocketAddress& local() const { return local_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const ListenerCounts& counts() const { return counts_; }

 private:
  Listener(event::Reactor& reactor, Fd fd, AcceptHandler& handler);
  void on_io(std::uint32_t events) override;
  void on_timer() override;
  bool accept_one();
  void shed();
  void watch(bool on);

  event::Reactor& reactor_;
  AcceptHandler& handler_;
  Fd fd_;
  Fd reserve_;
  SocketAddress local_;
  Endpoint local_endpoint_;
  bool ask_local_ = false;  // bound to every address
  bool paused_ = false;
  bool watched_ = false;
  bool* destroyed_ = nullptr;  // while the handler is called
  int batch_ = 1;              // doubles while more is waiting, so that a lone connection costs one accept
  ListenerCounts counts_;
};

}  // namespace fairlead::net
