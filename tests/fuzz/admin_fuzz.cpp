// SPDX-License-Identifier: Apache-2.0
// What comes over the admin socket: a target of `why`, and whole requests, whose parameters reach the views as text.
// The first byte chooses; requests are one in 16, as each is a connection.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "agent/admin/target.hpp"
#include "fairlead/admin/server.hpp"
#include "fairlead/base/fd.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::admin;

void expect(bool good) {
  if (!good) std::abort();
}

void target(const std::string& text) {
  const auto read = read_target(text);
  if (!read) return expect(read.error().message.find("expected") != std::string::npos);
  expect(read->port != 0 && !read->name.empty());
  if (!read->address) return expect(read->name.find_first_of(std::string_view(":[] \0", 5)) == std::string::npos);
  const auto again = read_target(target_text(*read->address, read->port));
  expect(again && again->address == read->address && again->port == read->port);
}

/// The agent's server, with a view that reads parameters as those of the agent do.
class Service {
 public:
  Service() : path_("/dev/shm/fairlead-fuzz-" + std::to_string(::getpid())) {
    auto server = Server::on_unix_socket(path_);
    expect(server.has_value());
    server_ = std::move(*server);
    server_->get("/v1/why", [](const Request& request) {
      for (const auto& [unused, value] : request.parameters) target(value);
      return Response{.body = "{}"};
    });
    server_->start();
  }

  void ask(std::string_view text) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const Fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    expect(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    static_cast<void>(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL));
    ::shutdown(client.get(), SHUT_WR);
    char answer[4096];
    while (::read(client.get(), answer, sizeof answer) > 0) {
    }
  }

 private:
  std::string path_;
  std::unique_ptr<Server> server_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Service service;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 16 == 1) service.ask(text);
  else target(text);
  return 0;
}
