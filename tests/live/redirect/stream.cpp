// SPDX-License-Identifier: Apache-2.0
#include "live/redirect/stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

namespace fairlead::test {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;

/// The sequence of one direction, computable from any position: splitmix64 of the word's number.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : seed_(seed * 0x9e3779b97f4a7c15ULL) {}

  void fill(char* out, std::uint64_t position, std::size_t count) const {
    for (std::size_t i = 0; i < count;) {
      const std::uint64_t word = word_at((position + i) / 8);
      const std::size_t skip = (position + i) % 8;
      const std::size_t piece = std::min(8 - skip, count - i);
      std::memcpy(out + i, reinterpret_cast<const char*>(&word) + skip, piece);
      i += piece;
    }
  }

 private:
  [[nodiscard]] std::uint64_t word_at(std::uint64_t number) const {
    std::uint64_t z = seed_ + number * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t seed_;
};

class End {
 public:
  End(const Fd& socket, const StreamOptions& options, bool client)
      : fd_(socket.get()),
        options_(options),
        random_(options.seed * 2 + (client ? 1 : 0)),
        own_(options.seed * 2 + (client ? 1 : 0)),
        other_(options.seed * 2 + (client ? 0 : 1)),
        buffer_(kBuffer),
        expected_(kBuffer) {}

  StreamResult run() {
    while (result_.wrong.empty() && !(ended_ && shut_)) {
      if (left_ == 0) choose_phase();
      if (!shut_) send_some();
      if (!ended_ && phase_ != Phase::kDeaf) receive_some();
      wait();
    }
    if (!result_.wrong.empty()) ::shutdown(fd_, SHUT_RDWR);  // the other end shall not wait for ever
    return result_;
  }

 private:
  enum class Phase : std::uint8_t { kSingle, kBurst, kBulk, kSilent, kDeaf };

  std::size_t pick(std::size_t low, std::size_t high) {
    return std::uniform_int_distribution<std::size_t>(low, high)(random_);
  }

  void choose_phase() {
    static constexpr Phase kPhases[] = {Phase::kSingle, Phase::kSingle, Phase::kSingle, Phase::kBurst,
                                        Phase::kBulk,   Phase::kSilent, Phase::kDeaf};
    phase_ = kPhases[pick(0, std::size(kPhases) - 1)];
    left_ = phase_ == Phase::kSingle ? pick(1, 200) : pick(1, phase_ == Phase::kBulk ? 60 : 20);
  }

  /// One system call's worth; false where the socket takes no more.
  bool send_one(std::size_t size) {
    size = std::min<std::uint64_t>(size, options_.bytes - result_.sent);
    own_.fill(buffer_.data(), result_.sent, size);
    const std::size_t head = size / 3;
    iovec parts[2] = {{buffer_.data(), head}, {buffer_.data() + head, size - head}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t length = 0;
    switch (pick(0, 3)) {
      case 0: length = ::write(fd_, buffer_.data(), size); break;
      case 1: length = ::writev(fd_, parts, 2); break;
      case 2: length = ::sendmsg(fd_, &message, MSG_NOSIGNAL); break;
      default: length = ::send(fd_, buffer_.data(), size, MSG_NOSIGNAL); break;
    }
    if (length < 0 && errno != EAGAIN) fail_with("sending");
    if (length > 0) result_.sent += static_cast<std::uint64_t>(length);
    if (result_.sent != options_.bytes) return length > 0;
    if (options_.shuts) ::shutdown(fd_, SHUT_WR);
    shut_ = true;
    return false;
  }

  void send_some() {
    --left_;
    switch (phase_) {
      case Phase::kSingle: send_one(pick(1, 700)); break;
      case Phase::kBurst:
        for (auto i = pick(1, 64); i > 0 && send_one(pick(1, 4096)); --i) continue;
        break;
      case Phase::kBulk:
        for (auto i = pick(1, 12); i > 0 && send_one(pick(8 * 1024, kBuffer)); --i) continue;
        break;
      case Phase::kDeaf:
        for (auto i = pick(1, 32); i > 0 && send_one(pick(1, 64 * 1024)); --i) continue;
        break;
      case Phase::kSilent: break;
    }
  }

  void receive_some() {
    for (auto i = pick(1, 40); i > 0 && !ended_; --i) {
      const auto size = pick(1, phase_ == Phase::kSingle ? 2000 : kBuffer);
      // For a sign of life: who peeks for more is not redirected.
      if (pick(0, 15) == 0 && ::recv(fd_, expected_.data(), 1, MSG_PEEK) > 0) ++peeked_;
      const auto length = pick(0, 1) == 0 ? ::read(fd_, buffer_.data(), size) : ::recv(fd_, buffer_.data(), size, 0);
      if (length < 0) {
        if (errno != EAGAIN) fail_with("receiving");
        return;
      }
      if (length == 0) return finish();
      check(static_cast<std::size_t>(length));
    }
  }

  void check(std::size_t length) {
    other_.fill(expected_.data(), result_.received, length);
    if (std::memcmp(expected_.data(), buffer_.data(), length) != 0)
      result_.wrong = "other bytes than were sent, within " + std::to_string(length) + " bytes after " +
                      std::to_string(result_.received);
    result_.received += length;
    if (!options_.shuts && result_.received == options_.bytes) ended_ = true;
  }

  void finish() {
    ended_ = true;
    if (result_.received != options_.bytes)
      result_.wrong = "the stream ended after " + std::to_string(result_.received) + " of " +
                      std::to_string(options_.bytes) + " bytes";
  }

  void fail_with(const char* what) { result_.wrong = std::string(what) + ": " + std::strerror(errno); }

  /// For an answer, for room, or for nothing, as the phase has it.
  void wait() {
    const bool deaf = phase_ == Phase::kDeaf && !shut_;
    const bool room = !shut_ && (phase_ == Phase::kBulk || phase_ == Phase::kBurst);
    pollfd ready{
        .fd = fd_, .events = static_cast<short>((deaf || ended_ ? 0 : POLLIN) | (room ? POLLOUT : 0)), .revents = 0};
    if (shut_ && phase_ == Phase::kDeaf) phase_ = Phase::kSilent;
    ::poll(&ready, 1, shut_ ? 1000 : 1);
  }

  int fd_;
  StreamOptions options_;
  std::mt19937_64 random_;
  Sequence own_, other_;
  std::vector<char> buffer_, expected_;
  StreamResult result_;
  Phase phase_ = Phase::kSingle;
  std::size_t left_ = 100;
  std::uint64_t peeked_ = 0;
  bool shut_ = false;   // all is sent
  bool ended_ = false;  // all is received
};

}  // namespace

StreamResult run_stream_end(const Fd& socket, const StreamOptions& options, bool client) {
  return End(socket, options, client).run();
}

}  // namespace fairlead::test
