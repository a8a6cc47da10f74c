// SPDX-License-Identifier: Apache-2.0
// Rows that need more than a few calls: order over sizes, poll, io_uring, upper layer protocols.
#include <liburing.h>
#include <linux/tls.h>

#include <fstream>
#include <thread>

#include "live/redirect/rows.hpp"
#include "live/redirect/tools.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

std::string polled(const Fd& fd, short events) {
  return std::string(ready(fd, POLLIN, 0) ? "in" : "-") +
         ((events & POLLOUT) != 0 && ready(fd, POLLOUT, 0) ? "out" : "");
}

std::string poll_level(Pair& pair, const Settle& settle) {
  settle();
  Seen seen;
  seen << polled(pair.server, POLLIN | POLLOUT) << " ";
  put(pair.client, "0123456789");
  ready(pair.server, POLLIN, 20'000);
  for (int i = 0; i < 3; ++i) seen << polled(pair.server, POLLIN) << got(pair.server, 5) << " ";
  seen << polled(pair.client, POLLIN | POLLOUT);
  return seen.str();
}

/// Small and bulk messages in turn, so that the way changes in mid-flow, read in other pieces than they were sent.
std::string order(Pair& pair, const Settle& settle) {
  settle();
  std::string sent, read;
  const auto read_some = [&](std::size_t most) {
    std::string piece(most, '\0');
    const auto length = ::recv(pair.server.get(), piece.data(), most, 0);
    if (length > 0) read.append(piece, 0, static_cast<std::size_t>(length));
    return length > 0;
  };
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t size = i / 20 % 2 == 0 ? 1 + i * 131 % 900 : 1 + i * 7919 % 40'000;
    std::string message;
    for (std::size_t byte = 0; byte < size; ++byte) message += static_cast<char>('a' + (i + byte / 7) % 26);
    std::size_t done = 0;
    while (done < size) {
      const auto length = ::send(pair.client.get(), message.data() + done, size - done, MSG_NOSIGNAL);
      if (length > 0) done += static_cast<std::size_t>(length);
      else if (errno != EAGAIN || !read_some(100'000)) return std::string("sending: ") + std::strerror(errno);
    }
    sent += message;
    if (i % 3 != 0) read_some(1 + i * 4099 % 30'000);
  }
  return read + take(pair.server, sent.size() - read.size()) == sent ? "in order" : "not in order";
}

/// One io_uring, which belongs to the thread that made it.
class Ring {
 public:
  Ring() { require(::io_uring_queue_init(8, &ring_, 0) == 0, "making an io_uring"); }
  ~Ring() { ::io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  [[nodiscard]] io_uring_sqe* next() { return ::io_uring_get_sqe(&ring_); }
  void submit() { ::io_uring_submit(&ring_); }
  /// Of the next completion.
  std::pair<int, std::uint32_t> wait() {
    io_uring_cqe* cqe = nullptr;
    if (::io_uring_wait_cqe(&ring_, &cqe) != 0) return {-1, 0};
    const std::pair<int, std::uint32_t> result{cqe->res, cqe->flags};
    ::io_uring_cqe_seen(&ring_, cqe);
    return result;
  }

 private:
  io_uring ring_{};
};

std::string uring_exchange(Pair& pair) {
  Ring ring;
  int whole = 0;
  std::array<char, 64> data;
  for (int i = 0; i < 40; ++i) {
    const std::string text = "message " + std::to_string(i);
    ::io_uring_prep_send(ring.next(), pair.client.get(), text.data(), text.size(), MSG_NOSIGNAL);
    ring.submit();
    if (ring.wait().first != static_cast<int>(text.size())) break;
    if (take(pair.server, text.size()) != text || !put(pair.server, text)) break;
    ready(pair.client, POLLIN, 20'000);  // a recv on a non-blocking socket does not wait here either
    ::io_uring_prep_recv(ring.next(), pair.client.get(), data.data(), data.size(), 0);
    ring.submit();
    whole +=
        ring.wait().first == static_cast<int>(text.size()) && std::memcmp(data.data(), text.data(), text.size()) == 0;
  }
  const std::string large(20'000, 'u');
  ::io_uring_prep_send_zc(ring.next(), pair.client.get(), large.data(), large.size(), MSG_NOSIGNAL, 0);
  ring.submit();
  const auto sent = ring.wait();
  Seen seen;
  seen << whole << " whole, zero copy " << sent.first;
  if ((sent.second & IORING_CQE_F_MORE) == 0) return seen.str();
  if (take(pair.server, large.size()) == large) seen << " whole";
  if ((ring.wait().second & IORING_CQE_F_NOTIF) != 0) seen << " notified";
  return seen.str();
}

std::string uring(Pair& pair, const Settle&) {
  std::string seen;
  std::thread([&] { seen = uring_exchange(pair); }).join();
  return seen;
}

bool ulp_available(const std::string& name) {
  std::ifstream list("/proc/sys/net/ipv4/tcp_available_ulp");
  for (std::string word; list >> word;)
    if (word == name) return true;
  return false;
}

/// Refused with EOPNOTSUPP until a socket that was redirected has left.
bool set_ulp(const Fd& fd) {
  return eventually(
             [&] { return ::setsockopt(fd.get(), SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0 || errno != EOPNOTSUPP; },
             std::chrono::minutes(1)) &&
         ::setsockopt(fd.get(), SOL_TCP, TCP_ULP, "tls", sizeof "tls") != 0 && errno == EEXIST;
}

std::string pings(const Pair& pair) {
  int good = 0;
  for (int i = 0; i < 50; ++i) good += ping(pair, "ping " + std::to_string(i));
  return std::to_string(good);
}

/// Without keys a ULP changes nothing; where the kernel has none the attempt is refused, and excludes all the same.
std::string ulp_before(Pair& pair, const Settle&) {
  const bool set = set_ulp(pair.client);
  return (set ? "set " : "refused ") + pings(pair);
}

/// Keys on one direction, in the middle of a connection: what a program does after its TLS handshake.
bool set_keys(const Fd& fd, int direction) {
  tls12_crypto_info_aes_gcm_128 keys{};
  keys.info.version = TLS_1_2_VERSION;
  keys.info.cipher_type = TLS_CIPHER_AES_GCM_128;
  return ::setsockopt(fd.get(), SOL_TLS, direction, &keys, sizeof keys) == 0;
}

std::string ulp_meanwhile(Pair& pair, const Settle& settle) {
  settle();
  if (!set_ulp(pair.client)) return "refused " + pings(pair);
  if (!set_ulp(pair.server)) return "refused by the server";
  const std::string before = pings(pair);
  for (const auto* fd : {&pair.client, &pair.server})
    if (!set_keys(*fd, TLS_TX) || !set_keys(*fd, TLS_RX)) return before + ", no keys: " + std::strerror(errno);
  return "set " + before + ", encrypted " + pings(pair);
}

}  // namespace

std::vector<Row> more_rows() {
  const bool tls = ulp_available("tls");
  return {
      {"Poll", poll_level, "-out in01234 in56789 -EAGAIN -out"},
      {"Order", order, "in order"},
      {"IoUring", uring, "40 whole, zero copy 20000 whole notified", FL_C_REDIRECT_EXCL_URING},
      {"UlpBefore", ulp_before, tls ? "set 50" : "refused 50", FL_C_REDIRECT_EXCL_ULP},
      {"UlpMeanwhile", ulp_meanwhile, tls ? "set 50, encrypted 50" : "refused 50", FL_C_REDIRECT_EXCL_ULP,
       SOCK_NONBLOCK, true},
  };
}

}  // namespace fairlead::test
