// SPDX-License-Identifier: Apache-2.0
// Rows about flags and results of single calls.
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

std::string wait_all(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "abc");
  put(pair.client, "def");
  Seen seen;
  std::string all;
  // All that is there, and no waiting, as the socket is non-blocking.
  eventually([&] { return (all = got(pair.server, 10, MSG_PEEK)).size() == 6; });
  seen << got(pair.server, 10, MSG_WAITALL) << " " << got(pair.server, 10, MSG_WAITALL);
  return seen.str();
}

std::string wait_all_blocking(Pair& pair, const Settle& settle) {
  settle();
  std::string all;
  std::thread reader([&] { all = got(pair.server, 9, MSG_WAITALL); });
  for (const char* text : {"abc", "def", "ghi"}) put(pair.client, text);
  reader.join();
  return all;
}

/// Thrown away, not copied.
std::string discard(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "abcdef");
  ready(pair.server, POLLIN, 20'000);
  std::array<char, 8> data{"-------"};
  const auto length = ::recv(pair.server.get(), data.data(), 3, MSG_TRUNC);
  Seen seen;
  seen << length << " " << data.data() << " " << got(pair.server);
  return seen.str();
}

std::string nothing_wanted(Pair& pair, const Settle& settle) {
  settle();
  char none = 0;
  Seen seen;
  seen << told(::recv(pair.server.get(), &none, 0, 0), "") << " ";
  put(pair.client, "abc");
  ready(pair.server, POLLIN, 20'000);
  seen << told(::recv(pair.server.get(), &none, 0, 0), "") << " " << ::send(pair.client.get(), &none, 0, 0) << " "
       << got(pair.server);
  return seen.str();
}

std::string several_messages(Pair& pair, const Settle& settle) {
  settle();
  std::array<char, 4> parts[4];
  iovec vectors[4];
  mmsghdr messages[4] = {};
  for (std::size_t i = 0; i < 4; ++i) {
    parts[i].fill(static_cast<char>('a' + i));
    vectors[i] = {parts[i].data(), parts[i].size()};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Seen seen;
  seen << ::sendmmsg(pair.client.get(), messages, 4, MSG_NOSIGNAL) << " ";
  eventually([&] { return got(pair.server, 99, MSG_PEEK).size() == 16; });
  for (auto& part : parts) part.fill('-');
  seen << ::recvmmsg(pair.server.get(), messages, 4, MSG_DONTWAIT, nullptr) << " ";
  for (const auto& part : parts) seen << std::string(part.data(), part.size());
  return seen.str();
}

/// The part of linux/tcp.h's tcp_info that glibc's lacks.
struct Info {
  std::array<char, 120> before;
  std::uint64_t bytes_acked, bytes_received;
  std::uint32_t segs_out, segs_in, notsent_bytes;
};
Info info_of(const Fd& fd) {
  Info info{};
  socklen_t length = sizeof info;
  ::getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length);
  return info;
}

std::string info_bytes(Pair& pair, const Settle& settle) {
  settle();
  const auto before = info_of(pair.server);
  for (int i = 0; i < 10; ++i) ping(pair, "0123456789");
  Info after{};
  eventually(
      [&] {
        after = info_of(pair.server);
        return after.bytes_acked - before.bytes_acked >= 100;
      },
      std::chrono::milliseconds(500));
  Seen seen;
  seen << after.bytes_received - before.bytes_received
       << (after.bytes_acked - before.bytes_acked >= 100 ? " all " : " less ") << after.notsent_bytes;
  return seen.str();
}

std::string out_queue(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "unread");
  int bytes = -1, not_sent = -1;
  eventually([&] { return ::ioctl(pair.client.get(), SIOCOUTQ, &bytes) == 0 && bytes == 0; });
  ::ioctl(pair.client.get(), SIOCOUTQNSD, &not_sent);
  Seen seen;
  seen << bytes << " " << not_sent << " " << awaited(pair.server);
  return seen.str();
}

Fd memory_file(const std::string& content) {
  Fd file(::memfd_create("rows", MFD_CLOEXEC));
  require(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()),
          "writing a memfd");
  return file;
}

/// Both ways at once: what was redirected, and behind it what went by TCP.
std::size_t send_both_ways(const Pair& pair) {
  put(pair.client, "abc");
  const Fd file = memory_file("defg");
  off_t offset = 0;
  return 3 + static_cast<std::size_t>(::sendfile(pair.client.get(), file.get(), &offset, 4));
}

std::string fionread_of_both(Pair& pair, const Settle& settle) {
  settle();
  const auto all = send_both_ways(pair);
  int bytes = -1;
  eventually([&] { return ::ioctl(pair.server.get(), FIONREAD, &bytes) == 0 && bytes >= 7; }, std::chrono::seconds(2));
  Seen seen;
  seen << bytes << " " << take(pair.server, 3);
  ::ioctl(pair.server.get(), FIONREAD, &bytes);
  seen << " " << bytes << " " << take(pair.server, all - 3);
  return seen.str();
}

/// Waits for as many bytes as it needs, as who looks for a header does.
std::string peek_of_both(Pair& pair, const Settle& settle) {
  put(pair.client, "first");
  ready(pair.server, POLLIN, 20'000);
  got(pair.server, 99, MSG_PEEK);
  take(pair.server, 5);
  settle();
  send_both_ways(pair);
  std::string all;
  eventually([&] { return (all = got(pair.server, 99, MSG_PEEK)).size() == 7; }, std::chrono::seconds(2));
  return all + " " + take(pair.server, 7);
}

/// The urgent byte first, as who is woken by it does.
std::string urgent_first(Pair& pair, const Settle& settle) {
  settle();
  put(pair.client, "abc");
  put(pair.client, "!", MSG_OOB);
  ready(pair.server, POLLPRI, 20'000);
  auto urgent = got(pair.server, 1, MSG_OOB);
  const auto before = take(pair.server, 3);
  if (urgent == "EAGAIN") urgent = got(pair.server, 1, MSG_OOB);
  return urgent + " " + before;
}

/// Kernel 6.9 and newer.
bool offset_available() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int offset = 0;
  return ::setsockopt(socket.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) == 0;
}

std::string peek_offset(Pair& pair, const Settle& settle) {
  int offset = 0;
  if (::setsockopt(pair.server.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset) != 0) {
    settle();
    return "refused";
  }
  settle();
  put(pair.client, "abcdef");
  ready(pair.server, POLLIN, 20'000);
  offset = 0;
  ::setsockopt(pair.server.get(), SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
  Seen seen;
  seen << got(pair.server, 2, MSG_PEEK) << " " << got(pair.server, 2, MSG_PEEK) << " " << got(pair.server);
  return seen.str();
}

}  // namespace

std::vector<Row> call_rows() {
  const std::string offset = offset_available() ? "ab cd abcdef" : "refused";
  return {
      {"WaitAll", wait_all, "abcdef EAGAIN"},
      {"WaitAllBlocking", wait_all_blocking, "abcdefghi", FL_C_REDIRECT_EXCL_BLOCKING, 0},
      {"Discard", discard, "3 ------- def", FL_C_REDIRECT_EXCL_OPTION, SOCK_NONBLOCK, true, false, "3 abc---- def"},
      {"ReadOfNoBytes", nothing_wanted, "EAGAIN end 0 abc", FL_COUNTERS, SOCK_NONBLOCK, false, false, "end end 0 abc"},
      {"SendmmsgRecvmmsg", several_messages, "4 4 aaaabbbbccccdddd"},
      {"TcpInfo", info_bytes, "100 all 0", FL_COUNTERS, SOCK_NONBLOCK, false, false, "0 less 0"},
      {"OutQueue", out_queue, "0 0 unread"},
      {"FionreadOfBoth", fionread_of_both, "7 abc 4 defg", FL_COUNTERS, SOCK_NONBLOCK, false, true},
      {"PeekOfBoth", peek_of_both, "abcdefg abcdefg", FL_C_REDIRECT_EXCL_OPTION},
      {"UrgentFirst", urgent_first, "! abc", FL_C_REDIRECT_EXCL_OPTION, SOCK_NONBLOCK, true, true},
      {"PeekOffset", peek_offset, offset, FL_C_REDIRECT_EXCL_OPTION},
  };
}

}  // namespace fairlead::test
