// SPDX-License-Identifier: Apache-2.0
#include "fairlead/admin/client.hpp"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fairlead/base/fd.hpp"

namespace fairlead::admin {
namespace {

constexpr time_t kAnswerSeconds = 20;

std::string reason_of(const std::string& socket, const httplib::Response& response) {
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("error") && json["error"].is_string()) return json["error"].get<std::string>();
  if (response.status == 404)
    return socket + ": the daemon does not know this question: it is of another version, or not the one that was meant";
  return "HTTP status " + std::to_string(response.status);
}

}  // namespace

/// The HTTP library does not say why it cannot connect, so this asks first.
Result<> Client::reachable() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof address.sun_path) return fail(socket_ + ": too long for a socket's path", ENAMETOOLONG);
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe) return fail(system_error("making a socket", errno));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(system_error(socket_, errno));
  return {};
}

Result<std::string> Client::get(const std::string& path) const { return ask(path, false); }
Result<std::string> Client::post(const std::string& path) const { return ask(path, true); }

Result<std::string> Client::ask(const std::string& path, bool post) const {
  FL_CHECK(reachable());
  httplib::Client http(socket_, 80);
  http.set_address_family(AF_UNIX);
  http.set_read_timeout(kAnswerSeconds);
  auto answer = post ? http.Post(path) : http.Get(path);
  if (!answer) return fail(socket_ + ": " + httplib::to_string(answer.error()));
  if (answer->status != 200) return fail(reason_of(socket_, *answer));
  return std::move(answer->body);
}

Result<> Client::follow(const std::string& path, const std::function<bool(std::string_view piece)>& take) const {
  FL_CHECK(reachable());
  httplib::Client http(socket_, 80);
  http.set_address_family(AF_UNIX);
  http.set_read_timeout(365 * 24 * 3600);  // flows may be rare
  bool stopped = false;
  const auto answer = http.Get(path, [&](const char* data, std::size_t length) {
    stopped = !take(std::string_view(data, length));
    return !stopped;
  });
  if (!answer && !stopped) return fail(socket_ + ": " + httplib::to_string(answer.error()));
  if (answer && answer->status != 200) return fail(reason_of(socket_, *answer));
  return {};
}

}  // namespace fairlead::admin
