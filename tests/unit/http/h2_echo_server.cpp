// SPDX-License-Identifier: Apache-2.0
// Serves HTTP/2 with prior knowledge for conformance programs: prints its port, then answers every request until it is
// killed. With `--allow-connect` CONNECT is echoed, else refused.
#include <cstdio>
#include <cstring>

#include "fairlead/net/listener.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "unit/http/h2_echo.hpp"

namespace {

using namespace fairlead;

class Accepting final : public net::AcceptHandler {
 public:
  explicit Accepting(const http::H2Context& context) : context_(context) {}
  void on_accept(Fd fd, const net::Endpoint& peer, const net::Endpoint& local) override {
    auto stream = net::TcpStream::accepted(context_.reactor, std::move(fd), peer, local);
    if (stream) http::EchoConnection::serve(context_, std::move(*stream));
  }
  bool make_room(int) override { return false; }
  void on_shed(std::uint64_t) override {}

 private:
  http::H2Context context_;
};

int serve(bool allow_connect) {
  auto reactor = event::Reactor::create();
  const auto at = net::SocketAddress::parse("127.0.0.1:0");
  if (!reactor || !at) return 1;
  auto listening = net::open_listener(*at, {});
  if (!listening) return 1;
  const auto where = net::local_address(listening->get());
  net::MemoryBudget budget;
  net::ChunkPool pool(budget);
  http::H2Limits limits;
  limits.allow_connect = allow_connect;
  http::H2Counters counters;
  const http::H2Context context{**reactor, pool, limits, counters};
  Accepting accepting(context);
  auto listener = net::Listener::create(**reactor, std::move(*listening), accepting);
  if (!listener || !where) return 1;
  std::printf("%u\n", where->endpoint().port);
  std::fflush(stdout);
  (*reactor)->run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return serve(argc > 1 && std::strcmp(argv[1], "--allow-connect") == 0); }
