// SPDX-License-Identifier: Apache-2.0
#include "live/redirect/rows.hpp"

#include <linux/errqueue.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "live/redirect/tools.hpp"

namespace fairlead::test {
namespace {

std::string half_close(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "abc");
  ::shutdown(pair.client.get(), SHUT_WR);
  Seen seen;
  seen << awaited(pair.server) << " " << awaited(pair.server);
  put(pair.server, "def");
  seen << " " << awaited(pair.client);
  return seen.str();
}

std::string fin_after_data(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, std::string(1000, 'x'));
  pair.client.reset();
  const bool hung_up = ready(pair.server, POLLRDHUP, 20'000);
  Seen seen;
  seen << take(pair.server, 1000).size() << " " << awaited(pair.server) << (hung_up ? " RDHUP" : "");
  return seen.str();
}

std::string reset(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "abc");
  const linger none{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  pair.client.reset();
  const bool error = ready(pair.server, POLLERR, 20'000);
  const auto first = got(pair.server);
  const auto second = got(pair.server);
  return first + " " + second + (error ? " ERR" : "");
}

std::string epoll_seen(const Fd& epoll, int limit_ms) {
  epoll_event event{};
  return ::epoll_wait(epoll.get(), &event, 1, limit_ms) == 1 && (event.events & EPOLLIN) != 0 ? "in" : "-";
}
Fd epoll_of(const Fd& fd, std::uint32_t events) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = events, .data = {}};
  ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd.get(), &event);
  return epoll;
}

std::string level(Pair& pair, const Settle& settle) {
  settle();
  const Fd epoll = epoll_of(pair.server, EPOLLIN);
  Seen seen;
  seen << epoll_seen(epoll, 0);
  put(pair.client, "0123456789");
  seen << epoll_seen(epoll, 20'000) << got(pair.server, 5);
  seen << epoll_seen(epoll, 20'000) << got(pair.server, 5);
  seen << epoll_seen(epoll, 0) << got(pair.server, 5);
  return seen.str();
}

std::string edge(Pair& pair, const Settle& settle) {
  settle();
  const Fd epoll = epoll_of(pair.server, EPOLLIN | EPOLLET);
  Seen seen;
  for (const char* text : {"01234", "56789"}) {
    put(pair.client, text);
    seen << epoll_seen(epoll, 20'000) << epoll_seen(epoll, 0);
  }
  seen << take(pair.server, 10);
  return seen.str();
}

std::string peek(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "hello");
  ready(pair.server, POLLIN, 20'000);
  Seen seen;
  seen << got(pair.server, 3, MSG_PEEK) << " " << got(pair.server, 99, MSG_PEEK) << " " << got(pair.server) << " "
       << got(pair.server);
  return seen.str();
}

int in_queue(const Fd& fd) {
  int bytes = -1;
  ::ioctl(fd.get(), FIONREAD, &bytes);
  return bytes;
}

std::string fionread(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "hello");
  ready(pair.server, POLLIN, 20'000);
  std::string seen = std::to_string(in_queue(pair.server));
  got(pair.server, 2);
  return seen + " " + std::to_string(in_queue(pair.server));
}

/// What a sender may write to a reader that never reads is bounded, and POLLOUT says so; afterwards all is there.
std::string deaf_reader(Pair& pair, const Settle& settle) {
  settle();
  std::size_t written = 0;
  bool again = false;
  const std::string message(700, 'm');
  while (written < 64'000'000) {
    const auto length = ::send(pair.client.get(), message.data(), message.size(), MSG_NOSIGNAL);
    // What TCP delivers meanwhile makes room again, until the reader's side is full too.
    again = length < 0 && errno == EAGAIN;
    if (again && ready(pair.client, POLLOUT, 300)) continue;
    if (length < 0) break;
    written += static_cast<std::size_t>(length);
  }
  std::string seen = written < 16'000'000 ? "bounded" : "unbounded";
  seen += again ? " EAGAIN" : " no EAGAIN";
  seen += ready(pair.client, POLLOUT, 0) ? " out" : " full";
  const auto all = take(pair.server, written);
  seen += all.size() == written ? " complete" : " incomplete";
  return seen + (ready(pair.client, POLLOUT, 20'000) ? " out" : " full");
}

std::string low_water(Pair& pair, const Settle& settle, bool late) {
  const int mark = 10;
  if (late) settle();
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark);
  if (!late) {
    for (int i = 0; i < 50; ++i) {
      put(pair.client, "0123456789");
      take(pair.server, 10);
    }
  }
  put(pair.client, "abc");
  std::string seen = ready(pair.server, POLLIN, 100) ? "readable" : "-";
  put(pair.client, "0123456");
  seen += ready(pair.server, POLLIN, 20'000) ? " readable " : " - ";
  return seen + got(pair.server);
}
std::string low_water_early(Pair& pair, const Settle& settle) { return low_water(pair, settle, false); }
std::string low_water_late(Pair& pair, const Settle& settle) { return low_water(pair, settle, true); }

std::string receive_timeout(Pair& pair, const Settle& settle) {
  settle();
  const timeval limit{.tv_sec = 0, .tv_usec = 50'000};
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string seen = got(pair.server);
  put(pair.client, "abc");
  return seen + " " + got(pair.server);
}

/// One thread reads, another writes the same blocking socket.
std::string shared_by_threads(Pair& pair, const Settle& settle) {
  settle();
  std::string read;
  std::thread reader([&] { read = take(pair.server, 5000); });
  std::size_t echoed = 0;
  for (int i = 0; i < 1000; ++i) {
    put(pair.server, "world");
    echoed += take(pair.client, 5).size();
    put(pair.client, "hello");
  }
  reader.join();
  return std::to_string(read.size()) + " " + std::to_string(echoed);
}

std::string urgent(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "ab");
  put(pair.client, "!", MSG_OOB);
  std::string seen = ready(pair.server, POLLPRI, 20'000) ? "pri " : "- ";
  ready(pair.server, POLLIN, 20'000);
  seen += got(pair.server) + " ";
  int at_mark = -1;
  ::ioctl(pair.server.get(), SIOCATMARK, &at_mark);
  return seen + std::to_string(at_mark) + " " + got(pair.server, 1, MSG_OOB);
}

Fd file_of(const std::string& content) {
  Fd file(::memfd_create("rows", MFD_CLOEXEC));
  require(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
          "writing a memfd");
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string send_file(Pair& pair, const Settle& settle) {
  settle();
  const std::string content(10'000, 'f');
  const Fd file = file_of(content);
  put(pair.client, "before");
  std::size_t sent = 0;
  while (sent < content.size()) {
    const auto length = ::sendfile(pair.client.get(), file.get(), nullptr, content.size() - sent);
    if (length <= 0) break;
    sent += static_cast<std::size_t>(length);
  }
  put(pair.client, "after");
  const auto all = take(pair.server, 6 + sent + 5);
  return all == "before" + content + "after" ? "in order" : "not in order";
}

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    require(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "making a pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

std::string splice_out(Pair& pair, const Settle& settle) {
  settle();
  const Pipe pipe;
  put(pair.client, "before");
  require(::write(pipe.write.get(), "spliced", 7) == 7, "writing a pipe");
  const auto length = ::splice(pipe.read.get(), nullptr, pair.client.get(), nullptr, 7, SPLICE_F_NONBLOCK);
  put(pair.client, "after");
  return std::to_string(length) + " " + take(pair.server, 18);
}

/// A relay: splices, and reads where splice says that it cannot (EINVAL), as all do that are known.
std::string splice_in(Pair& pair, const Settle& settle) {
  settle();
  const Pipe pipe;
  std::string all;
  put(pair.client, "first");
  bool splices = true;
  for (int i = 0; i < 40 && all.size() < 11; ++i) {
    if (!ready(pair.server, POLLIN, 5'000)) break;
    std::array<char, 64> data;
    ssize_t length =
        splices ? ::splice(pair.server.get(), nullptr, pipe.write.get(), nullptr, data.size(), SPLICE_F_NONBLOCK) : -1;
    if (splices && length < 0 && errno == EINVAL) splices = false;
    if (length > 0) length = ::read(pipe.read.get(), data.data(), data.size());
    else if (!splices) length = ::recv(pair.server.get(), data.data(), data.size(), 0);
    if (length > 0) all.append(data.data(), static_cast<std::size_t>(length));
    if (all == "first") put(pair.client, "second");
  }
  return all;
}

std::string zero_copy(Pair& pair, const Settle& settle) {
  const int on = 1;
  ::setsockopt(pair.client.get(), SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on);
  settle();
  const std::string data(20'000, 'z');
  put(pair.client, data, MSG_ZEROCOPY);
  const bool whole = take(pair.server, data.size()) == data;
  ready(pair.client, POLLERR, 20'000);
  std::array<char, 256> control;
  msghdr message{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const bool completed =
      ::recvmsg(pair.client.get(), &message, MSG_ERRQUEUE) == 0 && CMSG_FIRSTHDR(&message) != nullptr;
  return std::string(whole ? "whole" : "broken") + (completed ? " completed" : " no completion");
}

std::string cork(Pair& pair, const Settle& settle) {
  settle();
  const int on = 1, off = 0;
  ::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
  put(pair.client, "abc");
  put(pair.client, "def", MSG_MORE);
  ::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
  std::string all = take(pair.server, 6);
  ::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_NODELAY, &off, sizeof off);
  put(pair.client, "g");
  put(pair.client, "h");
  return all + take(pair.server, 2);
}

std::string timestamps(Pair& pair, const Settle& settle) {
  const int on = 1;
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
  settle();
  std::array<char, 256> control;
  std::array<char, 16> data;
  iovec part{data.data(), data.size()};
  // The kernel begins to stamp packets some time after the first socket asked for it.
  for (int i = 0; i < 1000; ++i) {
    put(pair.client, "abc");
    ready(pair.server, POLLIN, 20'000);
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto length = ::recvmsg(pair.server.get(), &message, 0);
    if (CMSG_FIRSTHDR(&message) != nullptr) return told(length, data.data()) + " stamped";
    ::usleep(1000);
  }
  return "not stamped";
}

std::string truncating(Pair& pair, const Settle& settle) {
  settle();
  got(pair.server, 1, MSG_TRUNC);  // nothing there yet
  put(pair.client, "abcdef");
  ready(pair.server, POLLIN, 20'000);
  return awaited(pair.server);
}

}  // namespace

std::vector<Row> rows() {
  std::vector<Row> all{
      {"HalfClose", half_close, "abc end def"},
      {"FinAfterData", fin_after_data, "1000 end RDHUP"},
      {"Reset", reset, "abc ECONNRESET ERR"},
      {"EpollLevel", level, "-in01234in56789-EAGAIN"},
      {"EpollEdge", edge, "in-in-0123456789"},
      {"Peek", peek, "hel hello hello EAGAIN", FL_C_REDIRECT_EXCL_OPTION, SOCK_NONBLOCK, true},
      {"Fionread", fionread, "5 3"},
      {"DeafReader", deaf_reader, "bounded EAGAIN full complete out"},
      {"LowWaterMarkBefore", low_water_early, "- readable abc0123456", FL_C_REDIRECT_EXCL_OPTION},
      {"LowWaterMarkMeanwhile", low_water_late, "- readable abc0123456", FL_C_REDIRECT_EXCL_OPTION, SOCK_NONBLOCK,
       true},
      {"ReceiveTimeout", receive_timeout, "EAGAIN abc", FL_C_REDIRECT_EXCL_BLOCKING, 0},
      {"BlockingSocketSharedByThreads", shared_by_threads, "5000 5000", FL_C_REDIRECT_EXCL_BLOCKING, 0},
      {"UrgentData", urgent, "pri ab 1 !"},
      {"Sendfile", send_file, "in order"},
      {"SpliceOut", splice_out, "7 beforesplicedafter"},
      {"SpliceIn", splice_in, "firstsecond", FL_C_REDIRECT_EXCL_SPLICE, SOCK_NONBLOCK, true, true},
      {"ZeroCopy", zero_copy, "whole completed", FL_C_REDIRECT_EXCL_OPTION},
      {"CorkAndDelay", cork, "abcdefgh"},
      {"Timestamps", timestamps, "abc stamped", FL_C_REDIRECT_EXCL_OPTION},
      {"Truncating", truncating, "abcdef"},
  };
  for (const auto& others : {more_rows(), call_rows(), socket_rows()})
    all.insert(all.end(), others.begin(), others.end());
  return all;
}

}  // namespace fairlead::test
