// SPDX-License-Identifier: Apache-2.0
#include "gateway/succession.hpp"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "fairlead/net/listener.hpp"
#include "gateway/session_packet.hpp"
#include "gateway/ticket_packet.hpp"

namespace fairlead::gateway {
namespace {

constexpr std::string_view kSocket = "socket", kDatagrams = "datagrams", kAll = "all", kServing = "serving",
                           kYours = "yours";
constexpr time_t kLimitS = 10;          // of a packet that has to come
constexpr time_t kRelievedLimitS = 60;  // of the old one's admin servers, which end what they answer
constexpr std::size_t kMostMessage = 2048;  // of a session of UDP

struct Packet {
  std::string text;  // empty: the other side has ended
  Fd fd;
};

Result<> send_packet(int to, std::string_view text, int fd = -1) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (::sendmsg(to, &message, MSG_NOSIGNAL) < 0) return fail(system_error("telling the other gateway", errno));
  return {};
}

Result<Packet> receive_packet(int from) {
  std::array<char, kMostMessage> text{};
  iovec piece{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto length = ::recvmsg(from, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return fail(system_error("hearing from the other gateway", errno));
  Packet packet{.text = std::string(text.data(), static_cast<std::size_t>(length)), .fd = Fd()};
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
      header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    packet.fd.reset(fd);
  }
  return packet;
}

/// Neither side waits for ever for the other.
void limit_waiting(int fd, time_t seconds = kLimitS) {
  const timeval limit{.tv_sec = seconds, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Result<Fd> packet_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return fail(system_error("socket", errno));
  return fd;
}

}  // namespace

std::string succession_path(const std::string& admin_socket) {
  return admin_socket.empty() ? std::string() : admin_socket + ".next";
}

Result<std::unique_ptr<Predecessor>> Predecessor::meet(const std::string& path) {
  FL_TRY(const auto at, net::SocketAddress::unix_path(path));
  FL_TRY(Fd fd, packet_socket());
  if (::connect(fd.get(), at.get(), at.length()) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return nullptr;
    return fail(system_error(path, errno));
  }
  limit_waiting(fd.get());
  std::unique_ptr<Predecessor> self(new Predecessor(std::move(fd)));
  FL_CHECK(self->receive_sockets());
  return self;
}

Result<> Predecessor::receive_sockets() {
  for (;;) {
    FL_TRY(auto packet, receive_packet(fd_.get()));
    if (packet.text == kAll) {
      lock_ = std::move(packet.fd);
      return {};
    }
    const bool datagrams = packet.text == kDatagrams;
    if ((packet.text != kSocket && !datagrams) || !packet.fd)
      return fail("the other gateway: found \"" + packet.text + "\", expected a socket");
    FL_TRY(const auto at, datagrams ? net::adopt_datagram(packet.fd.get()) : net::adopt_listener(packet.fd.get()));
    sockets_.push_back({at, std::move(packet.fd), datagrams, datagrams});
  }
}

Result<Predecessor::Legacy> Predecessor::relieve() {
  FL_CHECK(send_packet(fd_.get(), kServing));
  limit_waiting(fd_.get(), kRelievedLimitS);
  Legacy legacy;
  for (;;) {
    FL_TRY(auto packet, receive_packet(fd_.get()));
    if (packet.text == kYours) return legacy;
    if (packet.text.empty()) return fail("the other gateway ended before it gave up its admin addresses");
    if (is_ticket_packet(packet.text)) {
      legacy.tickets = read_ticket_packet(packet.text);
      ::explicit_bzero(packet.text.data(), packet.text.size());
      continue;
    }
    auto session = read_session_packet(packet.text);
    if (!session || !packet.fd) continue;  // of another build: its client's next datagram begins another
    session->fd = std::move(packet.fd);
    legacy.sessions.push_back(std::move(*session));
  }
}

Result<std::unique_ptr<Succession>> Succession::open(const std::string& path, event::Loop& loop, Calls calls) {
  FL_TRY(const auto at, net::SocketAddress::unix_path(path));
  std::unique_ptr<Succession> self(new Succession(path, loop, std::move(calls)));
  FL_TRY(self->listener_, packet_socket());
  ::unlink(path.c_str());  // of a gateway that is gone: the admin socket beside it is ours by now
  const auto mask = ::umask(0177);
  const int bound = ::bind(self->listener_.get(), at.get(), at.length());
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return fail(system_error(path, error));
  if (::listen(self->listener_.get(), 1) != 0) return fail(system_error(path, errno));
  FL_CHECK(loop.watch(self->listener_.get(), EPOLLIN, [raw = self.get()](std::uint32_t) { raw->accept(); }));
  return self;
}

Succession::~Succession() {
  forget_successor();
  stop_listening();
}

void Succession::stop_listening() {
  if (!listener_) return;
  loop_.unwatch(listener_.get());
  listener_.reset();
  ::unlink(path_.c_str());
}

void Succession::forget_successor() {
  if (!successor_) return;
  loop_.unwatch(successor_.get());
  successor_.reset();
}

void Succession::accept() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd || successor_) return;  // one at a time
  limit_waiting(fd.get());
  successor_ = std::move(fd);
  auto handed = hand_out();
  if (handed) handed = loop_.watch(successor_.get(), EPOLLIN, [this](std::uint32_t) { on_packet(); });
  if (handed) return;
  spdlog::error("a successor asked for the sockets: {}", handed.error().message);
  successor_.reset();
}

Result<> Succession::hand_out() {
  for (const auto& socket : calls_.sockets())
    FL_CHECK(send_packet(successor_.get(), socket.datagram ? kDatagrams : kSocket, socket.fd.get()));
  return send_packet(successor_.get(), kAll, calls_.lock());
}

Result<> Succession::hand_over() {
  auto tickets = ticket_packet(calls_.tickets());
  const auto told = send_packet(successor_.get(), tickets);
  ::explicit_bzero(tickets.data(), tickets.size());
  FL_CHECK(told);
  for (const auto& session : calls_.sessions())
    FL_CHECK(send_packet(successor_.get(), session_packet(session), session.fd.get()));
  return send_packet(successor_.get(), kYours);
}

void Succession::on_packet() {
  const auto packet = receive_packet(successor_.get());
  if (!packet || packet->text != kServing) {
    spdlog::warn("the successor ended before it served: going on");
    return forget_successor();
  }
  spdlog::info("another gateway serves here now: no new connections");
  calls_.relieved();
  stop_listening();  // its own socket takes this path next
  const auto told = hand_over();
  forget_successor();
  if (told) return calls_.drain();
  spdlog::error("the successor ended while it took over: going on, without the admin addresses");
  calls_.resume();
}

}  // namespace fairlead::gateway
