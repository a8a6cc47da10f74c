// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fairlead/event/reactor.hpp"
#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/proxy/stream_refusal.hpp"
#include "fairlead/tls/client_hello.hpp"

namespace fairlead::proxy {

class PreambleOwner {
 public:
  /// All is there. The stream's ends are those that the PROXY header tells, and what is read next is what comes behind
  /// it; `hello` is filled where one was asked for. The preamble is on the stack.
  virtual void on_preamble(std::unique_ptr<net::TcpStream> stream, const tls::ClientHello& hello) = 0;
  /// The same; the stream is closed.
  virtual void on_preamble_failed(StreamRefusal why) = 0;

 protected:
  ~PreambleOwner() = default;
};

/// Waits for what a connection has to begin with: a PROXY header, which is taken, or a ClientHello, which is only
/// looked at, or both. Nothing is kept meanwhile: the kernel's buffer is looked at anew when more has come. Owner: a
/// connection, which limits the time. Thread: its worker's.
class Preamble final : public event::Retired, private net::StreamHandler {
 public:
  Preamble(net::ChunkPool& chunks, std::unique_ptr<net::TcpStream> stream, bool proxy, bool hello,
           PreambleOwner& owner);

  void close();

 private:
  void on_readable() override;
  void on_writable() override {}
  void on_failed(int error, std::string_view what) override;
  bool take_header();
  bool look_at_hello();
  std::string_view look();
  void refuse(StreamRefusal why);

  net::ChunkPool& chunks_;
  std::unique_ptr<net::TcpStream> stream_;
  PreambleOwner& owner_;
  tls::ClientHello hello_;
  bool wants_proxy_;
  bool wants_hello_;
};

}  // namespace fairlead::proxy
