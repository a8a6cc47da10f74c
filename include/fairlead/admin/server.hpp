// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::admin {

struct Request {
  std::string path;
  std::map<std::string, std::string> parameters;  ///< of the query; the first of equal names
  std::string accept;
};

struct Response {
  int status = 200;
  std::string type = "application/json";
  std::string body{};
};

/// HTTP GET and POST over a unix socket (0600) or TCP, on threads of its own.
/// Owner: a daemon's composition root. Thread: main; handlers are called on the server's threads.
class Server {
 public:
  using Handler = std::function<Response(const Request& request)>;
  /// Gives the next piece, or an empty one after at most a second; nothing more to come: false.
  using Source = std::function<bool(std::string& piece)>;
  using StreamHandler = std::function<Source(const Request& request)>;

  /// A socket file that nobody listens on is replaced.
  static Result<std::unique_ptr<Server>> on_unix_socket(const std::string& path);
  enum class Port : std::uint8_t {
    kOwn,     ///< nobody else's: an error where somebody listens there
    kShared,  ///< with a predecessor that is about to end, which allows it too
  };
  /// "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: the kernel's choice.
  static Result<std::unique_ptr<Server>> on_tcp(const std::string& address, Port port = Port::kOwn);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Before start(). `path` is a regular expression.
  void get(const std::string& path, Handler handler);
  /// What changes something; parameters stand in the query. Only for unix sockets: a page in a browser can post to any
  /// address.
  void post(const std::string& path, Handler handler);
  void stream(const std::string& path, StreamHandler handler);
  void start();
  /// Ends all connections and waits for their threads.
  void stop();

  [[nodiscard]] std::uint16_t port() const;  ///< TCP

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Calls work() on the loop's thread and waits for its answer: 503 where the loop has none within five seconds. What
/// work() throws is thrown here, where the server makes it a 500.
[[nodiscard]] Response on_loop(event::Loop& loop, std::function<Response()> work);

}  // namespace fairlead::admin
