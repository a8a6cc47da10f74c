// SPDX-License-Identifier: Apache-2.0
// Rows about closing, waiting, and a socket that changes hands.
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "live/redirect/rows.hpp"
#include "live/redirect/tools.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

std::string sent(const Fd& fd, const std::string& text) { return put(fd, text) ? "sent" : told(-1, ""); }

std::string send_after_shutdown(Pair& pair, const Settle& settle) {
  settle();
  ::shutdown(pair.client.get(), SHUT_WR);
  Seen seen;
  seen << sent(pair.client, "late") << " " << awaited(pair.server) << " " << sent(pair.server, "abc") << " "
       << awaited(pair.client);
  return seen.str();
}

/// Who has shut both ways answers RST to what comes then, although the socket is open.
std::string send_to_shut_reader(Pair& pair, const Settle& settle) {
  settle();
  ::shutdown(pair.server.get(), SHUT_RDWR);
  Seen seen;
  seen << awaited(pair.client) << " " << sent(pair.client, "late");
  const bool error = ready(pair.client, POLLERR, 20'000);
  seen << (error ? " ERR " : " - ");
  // The error is told once, then that the pipe is broken: both is EPIPE here.
  seen << sent(pair.client, "later");
  return seen.str();
}

/// What comes nevertheless can be read.
std::string shut_reading(Pair& pair, const Settle& settle) {
  settle();
  ::shutdown(pair.server.get(), SHUT_RD);
  Seen seen;
  seen << got(pair.server) << " " << sent(pair.client, "abc") << " ";
  eventually([&] { return got(pair.server, 1, MSG_PEEK) == "a"; });
  seen << got(pair.server) << " " << got(pair.server);
  return seen.str();
}

std::string close_with_unread(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "never read");
  ready(pair.server, POLLIN, 20'000);
  pair.server.reset();
  return awaited(pair.client);
}

std::string polled_all(const Fd& fd) {
  pollfd one{.fd = fd.get(), .events = POLLIN | POLLOUT | POLLRDHUP, .revents = 0};
  ::poll(&one, 1, 0);
  std::string all;
  for (const auto& [bit, name] :
       {std::pair{POLLIN, "in "}, {POLLOUT, "out "}, {POLLRDHUP, "rdhup "}, {POLLHUP, "hup "}, {POLLERR, "err "}})
    if ((one.revents & bit) != 0) all += name;
  return all;
}

std::string hang_up(Pair& pair, const Settle& settle) {
  settle();
  Seen seen;
  put(pair.client, "abc");
  ::shutdown(pair.client.get(), SHUT_WR);
  ready(pair.server, POLLRDHUP, 20'000);
  seen << polled_all(pair.server) << "/ " << got(pair.server) << " " << polled_all(pair.server) << "/ ";
  ::shutdown(pair.server.get(), SHUT_WR);
  ready(pair.client, POLLHUP, 20'000);
  ready(pair.server, POLLHUP, 20'000);
  seen << polled_all(pair.client) << "/ " << polled_all(pair.server);
  return seen.str();
}

int socket_error(const Fd& fd) {
  int error = -1;
  socklen_t length = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

std::string error_after_reset(Pair& pair, const Settle& settle) {
  settle();
  const linger none{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  pair.client.reset();
  ready(pair.server, POLLERR, 20'000);
  Seen seen;
  seen << (socket_error(pair.server) == ECONNRESET ? "ECONNRESET " : "- ") << socket_error(pair.server) << " "
       << sent(pair.server, "abc");
  return seen.str();
}

Fd by_unix_socket(const Fd& fd) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "making a socket pair");
  const Fd from(ends[0]), to(ends[1]);
  char data = 'x';
  iovec part{&data, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = fd.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  require(::sendmsg(from.get(), &message, 0) == 1, "passing a socket");
  control.fill(0);
  require(::recvmsg(to.get(), &message, MSG_CMSG_CLOEXEC) == 1, "taking a socket");
  int taken = -1;
  std::memcpy(&taken, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof taken);
  return Fd(taken);
}

/// In mid-flow: a duplicate, another process, a descriptor that came by a unix socket. Each finds what is unread.
std::string changes_hands(Pair& pair, const Settle& settle) {
  settle();
  Seen seen;
  put(pair.client, "abcdefghi");
  ready(pair.server, POLLIN, 20'000);
  const Fd duplicate(::dup(pair.server.get()));
  pair.server.reset();
  seen << got(duplicate, 3) << " ";
  const auto child = ::fork();
  if (child == 0) {
    char data[3] = {};
    const bool good = ::read(duplicate.get(), data, 3) == 3 && std::memcmp(data, "def", 3) == 0 &&
                      ::write(duplicate.get(), "child", 5) == 5;
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  seen << status << " " << awaited(pair.client) << " ";
  pair.server = by_unix_socket(duplicate);
  seen << got(pair.server) << " " << ping(pair);
  return seen.str();
}

std::string tiny_buffers(Pair& pair, const Settle& settle) {
  settle();
  const int tiny = 1;
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
  ::setsockopt(pair.client.get(), SOL_SOCKET, SO_SNDBUF, &tiny, sizeof tiny);
  std::string text, read;
  for (int i = 0; i < 20'000; ++i) text += static_cast<char>('a' + i % 26);
  std::size_t done = 0;
  while (read.size() < text.size()) {
    const auto length =
        ::send(pair.client.get(), text.data() + done, std::min<std::size_t>(500, text.size() - done), MSG_NOSIGNAL);
    if (length > 0) done += static_cast<std::size_t>(length);
    if (length > 0 && done < text.size()) continue;
    if (!ready(pair.server, POLLIN, 20'000)) return "stuck after " + std::to_string(read.size());
    read += got(pair.server, 1000);
  }
  return read == text ? "in order" : "not in order";
}

std::string options(Pair& pair, const Settle& settle) {
  settle();
  int set = 0;
  for (const auto& [name, value] : {std::pair{TCP_QUICKACK, 1},
                                    {TCP_USER_TIMEOUT, 1000},
                                    {TCP_KEEPIDLE, 1},
                                    {TCP_KEEPINTVL, 1},
                                    {TCP_KEEPCNT, 2},
                                    {TCP_NOTSENT_LOWAT, 1000}})
    set += ::setsockopt(pair.client.get(), IPPROTO_TCP, name, &value, sizeof value) == 0;
  const int on = 1;
  set += ::setsockopt(pair.client.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0;
  put(pair.client, "unread");
  // Idle for several keepalives, with bytes unread: nothing ends it.
  const bool ended = ready(pair.client, POLLERR | POLLHUP, 4000);
  Seen seen;
  seen << set << (ended ? " ended " : " stands ") << awaited(pair.server) << " " << ping(pair);
  return seen.str();
}

std::string moved_between_pollers(Pair& pair, const Settle& settle) {
  settle();
  Seen seen;
  const Fd first(::epoll_create1(EPOLL_CLOEXEC)), second(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
  ::epoll_ctl(first.get(), EPOLL_CTL_ADD, pair.server.get(), &event);
  put(pair.client, "abc");
  seen << ::epoll_wait(first.get(), &event, 1, 20'000) << ::epoll_wait(first.get(), &event, 1, 0) << " ";
  event.events = EPOLLIN | EPOLLONESHOT;
  ::epoll_ctl(first.get(), EPOLL_CTL_DEL, pair.server.get(), nullptr);
  ::epoll_ctl(second.get(), EPOLL_CTL_ADD, pair.server.get(), &event);
  seen << ::epoll_wait(second.get(), &event, 1, 20'000) << got(pair.server) << " ";
  put(pair.client, "def");
  ready(pair.server, POLLIN, 20'000);
  seen << ::epoll_wait(second.get(), &event, 1, 0);
  event.events = EPOLLIN | EPOLLONESHOT;
  ::epoll_ctl(second.get(), EPOLL_CTL_MOD, pair.server.get(), &event);
  seen << ::epoll_wait(second.get(), &event, 1, 20'000) << got(pair.server);
  return seen.str();
}

/// An edge of POLLOUT when there is room again.
std::string edge_of_room(Pair& pair, const Settle& settle) {
  settle();
  const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLOUT | EPOLLET, .data = {}};
  ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, pair.client.get(), &event);
  Seen seen;
  seen << ::epoll_wait(epoll.get(), &event, 1, 20'000) << ::epoll_wait(epoll.get(), &event, 1, 0) << " ";
  std::size_t written = 0;
  const std::string message(700, 'm');
  while (written < 64'000'000) {
    const auto length = ::send(pair.client.get(), message.data(), message.size(), MSG_NOSIGNAL);
    if (length > 0) written += static_cast<std::size_t>(length);
    else if (errno != EAGAIN || ::epoll_wait(epoll.get(), &event, 1, 500) != 1) break;
  }
  seen << told(-1, "") << " ";
  std::size_t read = 0;
  while (read < written / 2) read += take(pair.server, 100'000).size();
  seen << ::epoll_wait(epoll.get(), &event, 1, 20'000) << " ";
  seen << (take(pair.server, written - read).size() == written - read ? "complete" : "incomplete");
  return seen.str();
}

/// Two threads write messages of one letter each, two read: each byte arrives once.
std::string several_threads(Pair& pair, const Settle& settle) {
  settle();
  constexpr std::size_t kEach = 2000;
  const auto write = [&](char letter) {
    for (std::size_t i = 0; i < kEach; ++i)
      while (!put(pair.client, std::string(1 + i % 3, letter)) && errno == EAGAIN) ready(pair.client, POLLOUT, 1000);
  };
  std::size_t total = 0;
  for (std::size_t i = 0; i < kEach; ++i) total += 2 * (1 + i % 3);
  std::atomic<std::size_t> read{0}, first{0};
  const auto drain = [&] {
    std::array<char, 64> data;
    while (read < total && ready(pair.server, POLLIN, 1000)) {
      const auto length = ::recv(pair.server.get(), data.data(), data.size(), 0);
      for (ssize_t i = 0; i < length; ++i) first += data[static_cast<std::size_t>(i)] == 'a';
      if (length > 0) read += static_cast<std::size_t>(length);
      if (length == 0) return;
    }
  };
  std::thread writers[] = {std::thread(write, 'a'), std::thread(write, 'b')};
  std::thread readers[] = {std::thread(drain), std::thread(drain)};
  for (auto& thread : writers) thread.join();
  for (auto& thread : readers) thread.join();
  return read == total && first == total / 2 ? "each once" : std::to_string(read) + " of " + std::to_string(total);
}

volatile std::sig_atomic_t signalled = 0;

std::string signal_driven(Pair& pair, const Settle& settle) {
  settle();
  signalled = 0;
  struct sigaction action{}, old{};
  action.sa_handler = [](int) { signalled = 1; };
  ::sigaction(SIGIO, &action, &old);
  ::fcntl(pair.server.get(), F_SETOWN, ::getpid());
  ::fcntl(pair.server.get(), F_SETFL, O_NONBLOCK | O_ASYNC);
  put(pair.client, "abc");
  const bool told_so = eventually([] { return signalled != 0; });
  ::fcntl(pair.server.get(), F_SETFL, O_NONBLOCK);
  ::sigaction(SIGIO, &old, nullptr);
  return std::string(told_so ? "signal " : "- ") + awaited(pair.server);
}

std::string send_timeout(Pair& pair, const Settle& settle) {
  settle();
  const timeval limit{.tv_sec = 0, .tv_usec = 50'000};
  ::setsockopt(pair.client.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const std::string message(100'000, 'm');
  std::size_t written = 0;
  ssize_t length = 0;
  while (written < 64'000'000 && (length = ::send(pair.client.get(), message.data(), message.size(), MSG_NOSIGNAL)) > 0)
    written += static_cast<std::size_t>(length);
  const auto last = told(length, "sent");
  return last + (take(pair.server, written).size() == written ? " complete" : " incomplete");
}

std::string long_messages_both_ways(Pair& pair, const Settle& settle) {
  settle();
  const auto exchange = [](const Fd& fd, char own, char other) {
    const std::string text(1'500'000, own);
    std::string read;
    std::size_t done = 0;
    while (done < text.size() || read.size() < text.size()) {
      if (done < text.size()) {
        const auto length = ::send(fd.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
        if (length > 0) done += static_cast<std::size_t>(length);
      }
      std::array<char, 50'000> data;
      const auto length = ::recv(fd.get(), data.data(), data.size(), 0);
      if (length > 0) read.append(data.data(), static_cast<std::size_t>(length));
      else if (!ready(fd, static_cast<short>(POLLIN | (done < text.size() ? POLLOUT : 0)), 20'000)) return false;
    }
    return read == std::string(text.size(), other);
  };
  bool there = false;
  std::thread server([&] { there = exchange(pair.server, 's', 'c'); });
  const bool here = exchange(pair.client, 'c', 's');
  server.join();
  return std::string(here ? "whole" : "broken") + (there ? " whole" : " broken");
}

}  // namespace

std::vector<Row> socket_rows() {
  return {
      {"SendAfterShutdown", send_after_shutdown, "EPIPE end sent abc"},
      {"SendToReaderThatHasShut", send_to_shut_reader, "end sent ERR EPIPE"},
      {"ShutReading", shut_reading, "end sent abc end"},
      {"CloseWithUnreadBytes", close_with_unread, "ECONNRESET", FL_COUNTERS, SOCK_NONBLOCK, false, false, "end"},
      {"HangUp", hang_up, "in out rdhup / abc in out rdhup / in out rdhup hup / in out rdhup hup "},
      {"ErrorAfterReset", error_after_reset, "ECONNRESET 0 EPIPE"},
      {"SocketChangesHands", changes_hands, "abc 0 child ghi 1"},
      {"TinyBuffers", tiny_buffers, "in order"},
      {"OptionsAndIdle", options, "7 stands unread 1"},
      {"MovedBetweenPollers", moved_between_pollers, "10 1abc 01def"},
      {"EdgeOfRoom", edge_of_room, "10 EAGAIN 1 complete"},
      {"SeveralThreads", several_threads, "each once"},
      {"SignalDriven", signal_driven, "signal abc"},
      {"SendTimeout", send_timeout, "EAGAIN complete", FL_C_REDIRECT_EXCL_BLOCKING, 0},
      {"LongMessagesBothWays", long_messages_both_ways, "whole whole"},
  };
}

}  // namespace fairlead::test
