// SPDX-License-Identifier: Apache-2.0
#include "fairlead/admin/server.hpp"

#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::admin {
namespace {

/// Followers hold a thread each, and so does, for five seconds, who connects and asks nothing; the rest is for
/// questions, of which a probe's has to be answered within a second.
constexpr std::size_t kThreads = 64;
constexpr std::chrono::seconds kLoopLimit{5};
constexpr std::size_t kBodyLimit = 64 * 1024;  // nobody has to send one: parameters stand in the query

/// Threads that begin as they are needed: most of the time nobody asks, and each costs some 20 KiB.
/// Owner: an httplib::Server. Thread: enqueue() and shutdown() of the one that listens.
class Threads final : public httplib::TaskQueue {
 public:
  void enqueue(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > idle_ && threads_.size() < kThreads) threads_.emplace_back([this] { run(); });
    else wake_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      wake_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty()) return;
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};

Request request_of(const httplib::Request& from) {
  Request request{.path = from.path, .parameters = {}, .accept = from.get_header_value("Accept")};
  for (const auto& [name, value] : from.params) request.parameters.emplace(name, value);
  return request;
}

bool resolves(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return false;
  ::freeaddrinfo(found);
  return true;
}

/// Removes what a killed daemon left; fails where somebody listens.
Result<> clear_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(path + ": found " + std::to_string(path.size()) + " characters, expected a socket path of at most " +
                std::to_string(sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) return {};
  if (!S_ISSOCK(found.st_mode)) return fail(path + ": found a file that is no socket, expected none or a socket");
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fail(path + ": another process listens there");
  if (::unlink(path.c_str()) != 0) return fail(system_error("removing the old socket " + path, errno));
  return {};
}

}  // namespace

struct Server::State {
  httplib::Server http;
  std::thread thread;
  std::string socket;  // empty: TCP
  std::uint16_t port = 0;
  std::atomic<bool> stopping{false};
  std::map<std::string, std::set<std::string>> methods;  // by path; before start() only
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->http.new_task_queue = [] { return new Threads; };
  state_->http.set_keep_alive_timeout(5);
  state_->http.set_read_timeout(5);
  state_->http.set_write_timeout(5);
  state_->http.set_payload_max_length(kBodyLimit);
  // The library bounds only bodies whose length it is told beforehand.
  state_->http.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
    if (!request.has_header("Transfer-Encoding")) return httplib::Server::HandlerResponse::Unhandled;
    response.status = 411;
    response.set_content(R"({"error": "found Transfer-Encoding, expected Content-Length"})", "application/json");
    return httplib::Server::HandlerResponse::Handled;
  });
  // Once the body was read: what is left of it would be taken for the connection's next request.
  state_->http.set_error_handler([this](const httplib::Request& request, httplib::Response& response) {
    const auto known = state_->methods.find(request.path);
    if (known == state_->methods.end() || known->second.contains(request.method)) return;
    std::string allowed;
    for (const auto& method : known->second) allowed += (allowed.empty() ? "" : ", ") + method;
    response.status = 405;
    response.set_header("Allow", allowed);
    response.set_content("{\"error\": \"found " + request.method + ", expected " + allowed + "\"}", "application/json");
  });
  state_->http.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
        response.status = 500;
        response.set_content("{\"error\": \"the answer could not be made\"}", "application/json");
      });
}

Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::on_unix_socket(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  FL_CHECK(clear_socket(path));
  std::unique_ptr<Server> server(new Server(std::make_unique<State>()));
  server->state_->http.set_address_family(AF_UNIX);
  const mode_t before = ::umask(0177);  // 0600 from its first moment on
  const bool bound = server->state_->http.bind_to_port(path, 80);
  const int code = errno;
  ::umask(before);
  if (!bound) return fail(system_error("listening on " + path, code));
  server->state_->socket = path;
  return server;
}

Result<std::unique_ptr<Server>> Server::on_tcp(const std::string& address, Port sharing) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const char* end = address.data() + address.size();
  const auto digits = colon == std::string::npos ? address.size() : colon + 1;
  const auto number = std::from_chars(address.data() + digits, end, port);
  if (host.empty() || number.ec != std::errc{} || number.ptr != end)
    return fail("found \"" + address + "\", expected ADDRESS:PORT to listen on");
  if (!resolves(host)) return fail("listening on " + address + ": found no address " + host);
  std::unique_ptr<Server> server(new Server(std::make_unique<State>()));
  auto& http = server->state_->http;
  // The library's own choice is to share the port with whoever does so too, in silence.
  if (sharing == Port::kOwn)
    http.set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
  const int bound = port == 0 ? http.bind_to_any_port(host) : http.bind_to_port(host, port) ? port : -1;
  if (bound < 0) return fail(system_error("listening on " + address, errno));
  server->state_->port = static_cast<std::uint16_t>(bound);
  return server;
}

namespace {

httplib::Server::Handler answering(Server::Handler handler) {
  return [handler = std::move(handler)](const httplib::Request& from, httplib::Response& to) {
    auto response = handler(request_of(from));
    to.status = response.status;
    to.set_content(response.body, response.type);
  };
}

}  // namespace

void Server::get(const std::string& path, Handler handler) {
  state_->methods[path].insert({"GET", "HEAD"});
  state_->http.Get(path, answering(std::move(handler)));
}

void Server::post(const std::string& path, Handler handler) {
  state_->methods[path].insert("POST");
  state_->http.Post(path, answering(std::move(handler)));
}

void Server::stream(const std::string& path, StreamHandler handler) {
  state_->methods[path].insert({"GET", "HEAD"});
  state_->http.Get(path, [this, handler = std::move(handler)](const httplib::Request& from, httplib::Response& to) {
    auto source = handler(request_of(from));
    to.set_chunked_content_provider("application/x-ndjson", [this, source](std::size_t, httplib::DataSink& sink) {
      std::string piece;
      const bool more = source(piece) && !state_->stopping;
      if (!piece.empty() && !sink.write(piece.data(), piece.size())) return false;
      if (!more) sink.done();
      return sink.is_writable();
    });
  });
}

void Server::start() {
  state_->thread = std::thread([this] { state_->http.listen_after_bind(); });
}

void Server::stop() {
  state_->stopping = true;
  if (!state_->thread.joinable()) return;
  while (!state_->http.is_running()) std::this_thread::yield();  // stop() before the thread listens would be lost
  state_->http.stop();
  state_->thread.join();
  if (!state_->socket.empty()) ::unlink(state_->socket.c_str());
}

std::uint16_t Server::port() const { return state_->port; }

Response on_loop(event::Loop& loop, std::function<Response()> work) {
  auto promise = std::make_shared<std::promise<Response>>();
  auto answer = promise->get_future();
  loop.post([promise, work = std::move(work)] {
    try {
      promise->set_value(work());
    } catch (...) {  // of a library, such as JSON's: this question's 500, not the daemon's end
      promise->set_exception(std::current_exception());
    }
  });
  if (answer.wait_for(kLoopLimit) == std::future_status::ready) return answer.get();
  return {.status = 503, .body = "{\"error\": \"the daemon is busy: no answer within five seconds\"}"};
}

}  // namespace fairlead::admin
