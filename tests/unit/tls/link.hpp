// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "authority.hpp"
#include "fairlead/tls/tls_stream.hpp"
#include "unit/net/world.hpp"

namespace fairlead::tls {

/// One end of a TLS connection that keeps what it reads and sends what it is given.
struct End final : net::StreamHandler {
  void on_readable() override;
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;
  void send(std::string_view text);
  void pump();
  void end();  ///< shutdown_write() once all is sent

  std::unique_ptr<TlsStream> stream;
  std::string got;
  std::string unsent;
  std::function<std::size_t()> chunk = [] { return std::size_t{64 * 1024}; };  ///< sizes of reads and writes
  bool open = false;
  bool ended = false;
  bool ending = false;
  bool failed = false;      ///< told by the handler
  bool read_error = false;  ///< told by read()
  std::string why;
};

/// Both ends over a socket pair, in one reactor.
struct Link {
  Link(event::Reactor& loop, std::shared_ptr<const ServerContext> server_context,
       std::shared_ptr<ClientContext> client_context, std::string_view backend = "backend");
  bool establish();  ///< true where both ends are open
  bool run(const std::function<bool()>& condition) { return net::run_until(reactor, condition); }
  /// Sends a line each way, so that session tickets have arrived.
  bool exchange();

  event::Reactor& reactor;
  End server;
  End client;
};

std::unique_ptr<net::TcpStream> stream_over(event::Reactor& reactor, Fd fd);
/// A non-blocking socket pair.
std::pair<Fd, Fd> make_pair();

std::shared_ptr<const ServerContext> serve(ServerConfig config);
std::shared_ptr<const ServerContext> serve(std::shared_ptr<const Certificate> certificate, ServerPolicy policy = {},
                                           std::shared_ptr<TicketKeys> tickets = nullptr);
std::shared_ptr<ClientContext> trust(const std::string& ca_pem, const std::string& hostname,
                                     const std::function<void(ClientConfig&)>& change = {});
std::shared_ptr<TicketKeys> make_tickets();

}  // namespace fairlead::tls
