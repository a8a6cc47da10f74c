// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/tcp_stream.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace fairlead::net {
namespace {

bool set(int fd, int level, int name, int value) { return setsockopt(fd, level, name, &value, sizeof value) == 0; }

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

int unread(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

Result<> bind_source(int fd, const Endpoint& source) {
  // The port is chosen at connect, when it may be one that other peers use too.
  if (source.port == 0) set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const SocketAddress from(source);
  if (::bind(fd, from.get(), from.length()) != 0) return fail(system_error("bind to " + from.text(), errno));
  return {};
}

Result<> prepare(int fd, const SocketAddress& to, const ConnectOptions& options) {
  if (to.is_unix()) return {};
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keep_alive(fd, options.keep_alive);
  if (options.source) return bind_source(fd, *options.source);
  return {};
}

}  // namespace

Result<std::unique_ptr<TcpStream>> TcpStream::accepted(event::Reactor& reactor, Fd fd, const Endpoint& peer,
                                                       const Endpoint& local) {
  auto stream = std::unique_ptr<TcpStream>(new TcpStream(reactor, std::move(fd)));
  stream->peer = peer;
  stream->local = local;
  stream->unix_ = local.port == 0 && peer.port == 0;
  FL_CHECK(reactor.add(stream->fd_.get(), *stream));
  return stream;
}

Result<std::unique_ptr<TcpStream>> TcpStream::connect(event::Reactor& reactor, const SocketAddress& to,
                                                      const ConnectOptions& options) {
  Fd fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(system_error("socket", errno));
  FL_CHECK(prepare(fd.get(), to, options));
  if (::connect(fd.get(), to.get(), to.length()) != 0 && errno != EINPROGRESS)
    return fail(system_error("connect to " + to.text(), errno));
  auto stream = std::unique_ptr<TcpStream>(new TcpStream(reactor, std::move(fd)));
  stream->connecting_ = true;
  stream->unix_ = to.is_unix();
  stream->peer = to.endpoint();
  FL_CHECK(reactor.add(stream->fd_.get(), *stream));
  return stream;
}

TcpStream::~TcpStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  close(false);
}

IoResult TcpStream::may_read() const {
  if (error_ != 0) return {IoStatus::kError, 0, error_};
  if (ended_) return {IoStatus::kEnd, 0, 0};
  if (!readable_) return {IoStatus::kAgain, 0, 0};
  return {};
}

IoResult TcpStream::may_write() const {
  if (error_ != 0) return {IoStatus::kError, 0, error_};
  if (shut_) return {IoStatus::kError, 0, EPIPE};
  if (blocked_ || connecting_) return {IoStatus::kAgain, 0, 0};
  return {};
}

IoResult TcpStream::read(std::span<char> into) {
  if (const IoResult now = may_read(); now.status != IoStatus::kOk || into.empty()) return now;
  ssize_t got = 0;
  do {
    got = ::recv(fd_.get(), into.data(), into.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    // TCP fills what it is given while it has data, and what comes later is a new edge. So less than asked for is all,
    // unless an end is behind it, of which the edge has been.
    if (static_cast<std::size_t>(got) < into.size() && !unix_) readable_ = hung_up_;
    return {IoStatus::kOk, static_cast<std::size_t>(got), 0};
  }
  if (got == 0) return at_end();
  if (errno != EAGAIN) return read_failed(errno);
  readable_ = false;
  return {IoStatus::kAgain, 0, 0};
}

IoResult TcpStream::read_into_pipe(int pipe, std::size_t bytes, bool empty) {
  if (const IoResult now = may_read(); now.status != IoStatus::kOk) return now;
  const auto got = ::splice(fd_.get(), nullptr, pipe, nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  // Less than asked for may mean that the pipe is full, as each piece of a packet takes a place in it.
  if (got > 0) return {IoStatus::kOk, static_cast<std::size_t>(got), 0};
  if (got == 0) return at_end();
  if (errno != EAGAIN) return read_failed(errno);
  if (empty) readable_ = false;
  return {IoStatus::kAgain, 0, 0};
}

IoResult TcpStream::at_end() {
  if (write_error_ != 0) return read_failed(write_error_);
  ended_ = true;
  return {IoStatus::kEnd, 0, 0};
}

IoResult TcpStream::read_failed(int error) {
  error_ = error;
  return {IoStatus::kError, 0, error};
}

IoResult TcpStream::write(std::span<const iovec> from) {
  if (const IoResult now = may_write(); now.status != IoStatus::kOk || from.empty()) return now;
  from = from.first(std::min<std::size_t>(from.size(), IOV_MAX));
  std::size_t offered = 0;
  for (const iovec& piece : from) offered += piece.iov_len;
  if (offered == 0) return {};
  ssize_t put = 0;
  do {
    if (from.size() == 1) {
      put = ::send(fd_.get(), from[0].iov_base, from[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(from.data());
      message.msg_iovlen = from.size();
      put = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    }
  } while (put < 0 && errno == EINTR);
  if (put > 0) {
    // The kernel has noted that we wait for space, so an edge will come.
    blocked_ = static_cast<std::size_t>(put) < offered;
    return {IoStatus::kOk, static_cast<std::size_t>(put), 0};
  }
  return write_failed(errno);
}

IoResult TcpStream::write_from_pipe(int pipe, std::size_t bytes) {
  if (const IoResult now = may_write(); now.status != IoStatus::kOk) return now;
  const auto put = ::splice(pipe, nullptr, fd_.get(), nullptr, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (put > 0) return {IoStatus::kOk, static_cast<std::size_t>(put), 0};
  return write_failed(put == 0 ? EPIPE : errno);
}

IoResult TcpStream::write_failed(int error) {
  if (error == EAGAIN) {
    blocked_ = true;
    return {IoStatus::kAgain, 0, 0};
  }
  // After a RST what has come before it can still be read: writing has failed, reading has not yet. The kernel tells of
  // a RST once, and then shows an end: a message that lasts until the end must not seem whole.
  write_error_ = error;
  return {IoStatus::kError, 0, error};
}

void TcpStream::shutdown_write() {
  if (!fd_ || shut_) return;
  shut_ = true;
  ::shutdown(fd_.get(), SHUT_WR);
}

void TcpStream::close(bool reset) {
  if (!fd_) return;
  if (reset) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  reactor_.remove(fd_.get(), *this);
  fd_.reset();
  if (error_ == 0) error_ = EBADF;
}

void TcpStream::on_io(std::uint32_t events) {
  if (error_ != 0) return;  // who has read it knows
  if (connecting_) {
    finish_connect(events);
  } else {
    report(events);
  }
}

void TcpStream::finish_connect(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    const int error = pending_error(fd_.get());
    return fail_with(error != 0 ? error : ECONNREFUSED, "connect");
  }
  if ((events & EPOLLOUT) == 0) return;
  connecting_ = false;
  blocked_ = true;  // so that on_writable is called
  report(events);
}

void TcpStream::report(std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0) hung_up_ = true;
  if ((events & EPOLLERR) != 0 && unread(fd_.get()) == 0) {
    const int error = pending_error(fd_.get());
    return fail_with(error != 0 ? error : ECONNRESET, "connection");
  }
  bool destroyed = false;
  destroyed_ = &destroyed;
  if (blocked_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    blocked_ = false;
    if (handler_ != nullptr) handler_->on_writable();
    if (destroyed) return;
  }
  if (fd_ && !ended_ && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    readable_ = true;
    if (handler_ != nullptr) handler_->on_readable();
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

void TcpStream::fail_with(int error, std::string_view what) {
  error_ = error;
  if (handler_ != nullptr) handler_->on_failed(error, what);
}

}  // namespace fairlead::net
