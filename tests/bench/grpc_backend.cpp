// SPDX-License-Identifier: Apache-2.0
// A gRPC server over HTTP/2 without TLS that answers any unary call with one message of 100 bytes and status 0.
// Usage: grpc_backend PORT
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/sockets.hpp"

namespace fairlead::bench {
namespace {

constexpr std::size_t kMessage = 100;  ///< bytes, behind a flag and a length of 4 bytes

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/// The message, then trailers.
ssize_t give_message(nghttp2_session* session, std::int32_t stream, std::uint8_t* out, std::size_t,
                     std::uint32_t* flags, nghttp2_data_source*, void*) {
  std::memset(out, 'x', 5 + kMessage);
  std::memset(out, 0, 4);
  out[4] = kMessage;
  const nghttp2_nv status = field("grpc-status", "0");
  nghttp2_submit_trailer(session, stream, &status, 1);
  *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return 5 + kMessage;
}

int answer(nghttp2_session* session, const nghttp2_frame* frame, void*) {
  const bool of_request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  if (!of_request || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const std::array head = {field(":status", "200"), field("content-type", "application/grpc")};
  nghttp2_data_provider body{};
  body.read_callback = give_message;
  return nghttp2_submit_response(session, frame->hd.stream_id, head.data(), head.size(), &body);
}

struct DeleteSession {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};

/// One connection.
struct Peer {
  Fd fd;
  std::unique_ptr<nghttp2_session, DeleteSession> session;
  std::string unsent;

  void open(const nghttp2_session_callbacks* callbacks) {
    nghttp2_session* made = nullptr;
    nghttp2_session_server_new(&made, callbacks, nullptr);
    session.reset(made);
    const nghttp2_settings_entry streams{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000};
    nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, &streams, 1);
  }
  /// False: it has ended.
  bool receive() {
    std::array<std::uint8_t, 65536> data;
    const auto got = ::recv(fd.get(), data.data(), data.size(), 0);
    if (got < 0) return errno == EAGAIN;
    return got > 0 && nghttp2_session_mem_recv(session.get(), data.data(), static_cast<std::size_t>(got)) == got;
  }
  /// False: it has ended. Else all is sent, or the rest waits in `unsent`.
  bool send() {
    const std::uint8_t* data = nullptr;
    for (ssize_t size; (size = nghttp2_session_mem_send(session.get(), &data)) > 0;)
      unsent.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    const auto put = unsent.empty() ? 0 : ::send(fd.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
    if (put > 0) unsent.erase(0, static_cast<std::size_t>(put));
    return put >= 0 || errno == EAGAIN;
  }
};

class GrpcBackend {
 public:
  explicit GrpcBackend(Fd listener) : listener_(std::move(listener)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    nghttp2_session_callbacks_new(&callbacks_);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks_, answer);
    watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 64> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_.get()) accept();
        else if (!serve(peers_[fd])) peers_.erase(fd);
      }
    }
  }

 private:
  void watch(int operation, int fd, std::uint32_t wanted) {
    epoll_event event{};
    event.events = wanted;
    event.data.fd = fd;
    ::epoll_ctl(epoll_.get(), operation, fd, &event);
  }
  void accept() {
    Fd taken(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!taken) return;
    const int fd = taken.get();
    peers_[fd] = {std::move(taken), nullptr, {}};
    peers_[fd].open(callbacks_);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    if (!serve(peers_[fd])) peers_.erase(fd);
  }
  bool serve(Peer& peer) {
    const bool waited = !peer.unsent.empty();
    if (!peer.receive() || !peer.send()) return false;
    if (waited != !peer.unsent.empty())
      watch(EPOLL_CTL_MOD, peer.fd.get(), peer.unsent.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
    return true;
  }

  Fd listener_;
  Fd epoll_;
  nghttp2_session_callbacks* callbacks_ = nullptr;
  std::unordered_map<int, Peer> peers_;
};

}  // namespace
}  // namespace fairlead::bench

int main(int argument_count, char** arguments) {
  using namespace fairlead::bench;
  auto port = static_cast<std::uint16_t>(argument_count == 2 ? std::atoi(arguments[1]) : 0);
  fairlead::Fd listener = port == 0 ? fairlead::Fd() : listen_at(port);
  if (!listener) {
    std::fputs("usage: grpc_backend PORT, which is free\n", stderr);
    return 2;
  }
  GrpcBackend(std::move(listener)).run();
}
