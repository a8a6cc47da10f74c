// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/net/keep_alive.hpp"
#include "fairlead/net/socket_address.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::net {

struct ConnectOptions {
  std::optional<Endpoint> source;  ///< port 0: any, chosen when the peer is known (IP_BIND_ADDRESS_NO_PORT)
  KeepAlive keep_alive;
};

/// A Stream over a TCP or unix stream socket.
/// A read or write that moves less than it was offered has met the kernel's limit: the next one answers kAgain without
/// a system call until the kernel reports that it may go on. Data that came before a RST are still read; then comes
/// kError. The handler may destroy the stream within any call. Owner: a session. Thread: its reactor's.
class TcpStream final : public Stream, private event::IoHandler {
 public:
  /// Takes over a connected, non-blocking socket, as Listener hands it over. Unread data are reported by on_readable.
  static Result<std::unique_ptr<TcpStream>> accepted(event::Reactor& reactor, Fd fd, const Endpoint& peer,
                                                     const Endpoint& local);
  /// Begins to connect; the handler's on_writable says that it is established, on_failed that it is not. An error here
  /// is immediate: no route, no port, no descriptor (see Error::code).
  static Result<std::unique_ptr<TcpStream>> connect(event::Reactor& reactor, const SocketAddress& to,
                                                    const ConnectOptions& options = {});
  ~TcpStream() override;

  IoResult read(std::span<char> into) override;
  IoResult write(std::span<const iovec> from) override;
  IoResult read_into_pipe(int pipe, std::size_t bytes, bool empty) override;
  IoResult write_from_pipe(int pipe, std::size_t bytes) override;
  void shutdown_write() override;
  void close(bool reset) override;

  [[nodiscard]] int fd() const override { return fd_.get(); }
  [[nodiscard]] bool is_raw() const override { return true; }
  [[nodiscard]] bool takes_raw() const override { return true; }
  [[nodiscard]] bool connecting() const { return connecting_; }

  /// What read() and write() would have to answer without a system call: kAgain, kEnd, kError, or kOk where not.
  [[nodiscard]] IoResult may_read() const;
  [[nodiscard]] IoResult may_write() const;
  /// For who reads and writes past this stream (kernel TLS through OpenSSL): the kernel had no more, or took no more,
  /// so that the handler is called when that changes.
  void drained() { readable_ = hung_up_; }
  void filled() { blocked_ = true; }

 private:
  TcpStream(event::Reactor& reactor, Fd fd) : reactor_(reactor), fd_(std::move(fd)) {}
  void on_io(std::uint32_t events) override;
  void finish_connect(std::uint32_t events);
  void report(std::uint32_t events);
  IoResult at_end();
  IoResult read_failed(int error);
  IoResult write_failed(int error);
  void fail_with(int error, std::string_view what);

  event::Reactor& reactor_;
  bool* destroyed_ = nullptr;  // while a handler is called: where to say that it has destroyed us
  Fd fd_;
  int error_ = 0;  // errno, where the stream has failed
  int write_error_ = 0;  // errno, where writing has failed; reading fails with it at the end
  bool connecting_ = false;
  bool readable_ = false;  // the kernel may have something to read
  bool blocked_ = false;  // the kernel has taken less than it was offered
  bool hung_up_ = false;  // the peer's end, or an error, is behind what can be read: short reads do not drain
  bool ended_ = false;  // read() has answered kEnd
  bool shut_ = false;  // our direction has ended
  bool unix_ = false;  // a short read there may stop where the sender's credentials change
};

}  // namespace fairlead::net
