// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <algorithm>
#include <array>

namespace fairlead::tls {

using net::IoStatus;

void End::on_readable() {
  std::string buffer;
  for (;;) {
    buffer.resize(chunk());
    const auto result = stream->read(buffer);
    if (result.status == IoStatus::kOk) {
      got.append(buffer.data(), result.bytes);
      continue;
    }
    ended = ended || result.status == IoStatus::kEnd;
    read_error = read_error || result.status == IoStatus::kError;
    return;
  }
}

void End::on_writable() {
  open = true;
  pump();
}

void End::on_failed(int, std::string_view what) {
  failed = true;
  why = what;
}

void End::send(std::string_view text) {
  unsent += text;
  if (open) pump();
}

void End::pump() {
  while (!unsent.empty()) {
    // In pieces, as a message's head and body come.
    const auto size = std::min(chunk(), unsent.size());
    const auto cut = size / 3;
    const std::array<iovec, 3> pieces{iovec{unsent.data(), cut}, iovec{unsent.data() + cut, 0},
                                      iovec{unsent.data() + cut, size - cut}};
    const auto result = stream->write(pieces);
    if (result.status != IoStatus::kOk) return;
    unsent.erase(0, result.bytes);
  }
  if (ending) stream->shutdown_write();
}

void End::end() {
  ending = true;
  if (open) pump();
}

std::pair<Fd, Fd> make_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

std::unique_ptr<net::TcpStream> stream_over(event::Reactor& reactor, Fd fd) {
  auto made = net::TcpStream::accepted(reactor, std::move(fd), {}, {});
  EXPECT_TRUE(made);
  return std::move(*made);
}

Link::Link(event::Reactor& loop, std::shared_ptr<const ServerContext> server_context,
           std::shared_ptr<ClientContext> client_context, std::string_view backend)
    : reactor(loop) {
  auto [ours, theirs] = make_pair();
  server.stream = TlsStream::accept(stream_over(reactor, std::move(ours)), std::move(server_context));
  server.stream->set_handler(&server);
  server.stream->start();
  auto connected = TlsStream::connect(stream_over(reactor, std::move(theirs)), std::move(client_context), backend);
  EXPECT_TRUE(connected) << (connected ? "" : connected.error().message);
  client.stream = std::move(*connected);
  client.stream->set_handler(&client);
  client.stream->start();
}

bool Link::establish() {
  run([&] { return (server.open || server.failed) && (client.open || client.failed); });
  return server.open && client.open;
}

bool Link::exchange() {
  const auto before = server.got.size();
  const auto answered = client.got.size();
  client.send("ping\n");
  if (!run([&] { return server.got.size() == before + 5 || server.failed || server.read_error; })) return false;
  server.send("pong\n");
  return run([&] { return client.got.size() == answered + 5; });
}

std::shared_ptr<const ServerContext> serve(ServerConfig config) {
  auto made = ServerContext::create(std::move(config));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}

std::shared_ptr<const ServerContext> serve(std::shared_ptr<const Certificate> certificate, ServerPolicy policy,
                                           std::shared_ptr<TicketKeys> tickets) {
  ServerConfig config;
  VirtualServer server;
  server.certificates.push_back(std::move(certificate));
  server.policy = std::make_shared<const ServerPolicy>(std::move(policy));
  config.servers.push_back(std::move(server));
  config.tickets = std::move(tickets);
  return serve(std::move(config));
}

std::shared_ptr<ClientContext> trust(const std::string& ca_pem, const std::string& hostname,
                                     const std::function<void(ClientConfig&)>& change) {
  ClientConfig config;
  config.ca_pem = ca_pem;
  config.hostname = hostname;
  if (change) change(config);
  auto made = ClientContext::create(std::move(config));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return made ? *made : nullptr;
}

std::shared_ptr<TicketKeys> make_tickets() {
  auto made = TicketKeys::create({}, std::chrono::steady_clock::now());
  EXPECT_TRUE(made);
  return *made;
}

}  // namespace fairlead::tls
