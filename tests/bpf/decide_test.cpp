// SPDX-License-Identifier: Apache-2.0
// What redirection decides of a message: the program that the kernel verified and compiled against the native build of
// the same rules, over random connections.
#include "bpf/decide.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "bpf/world.hpp"
#include "decide.skel.h"

namespace fairlead::test {
namespace {

class Decider {
 public:
  Decider() : skeleton_(::decide::open_and_load()) {}
  ~Decider() { ::decide::destroy(skeleton_); }
  Decider(const Decider&) = delete;
  Decider& operator=(const Decider&) = delete;

  [[nodiscard]] bool loaded() const { return skeleton_ != nullptr; }
  [[nodiscard]] fl_decide_message answer(fl_decide_message message) const {
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &message, .ctx_size_in = sizeof message);
    EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.fl_decide_redir), &options), 0);
    EXPECT_EQ(options.retval, message.verdict);
    return message;
  }

 private:
  ::decide* skeleton_;
};

/// One direction of a connection whose sender, reader and surroundings do what they like. It may have sent nearly as
/// much as the sequence numbers hold, or as 64 bits do. Owner: the test. Thread: one.
class RandomDirection {
 public:
  explicit RandomDirection(Dice& dice) : dice_(dice) {
    sent_ = dice.percent(50) ? 0 : dice.percent(50) ? 0xffff'0000ULL + dice.below(0x20000) : dice.word();
    dir_.read = sent_;
    dir_.ends = dice.percent(90) ? std::uint32_t{FL_REDIR_BOTH_IN} : dice.below(4);
    reads_all_ = dice.percent(80);
    bulk_ = dice.percent(20) ? 90 : 2;
  }

  fl_decide_message next() {
    read();
    if (dice_.below(400) == 0) dir_.excluded = FL_C_REDIRECT_EXCL_OPTION;
    if (dice_.below(50) == 0) dir_.ends = dice_.percent(80) ? std::uint32_t{FL_REDIR_BOTH_IN} : dice_.below(4);
    if (dice_.below(500) == 0) dir_.read += dice_.below(3);  // more than was sent: of a count that was read too early
    fl_decide_message message{};
    message.dir = dir_;
    message.about = sent_ + dice_.below(3) - 1;
    message.sequence = static_cast<__u32>(sent_);
    message.tcp_read = static_cast<__u32>(sent_ - dice_.below(2) * dice_.below(5000));
    message.bytes = dice_.percent(bulk_) ? FL_REDIR_LARGE_BYTES - 1 + dice_.below(50'000) : dice_.below(3000);
    message.undo = dice_.below(300) == 0 ? 1 : 0;
    return message;
  }
  void go_on(const fl_decide_message& answer) {
    const bool redirected = answer.verdict == FL_REDIR_BEGIN || answer.verdict == FL_REDIR_STAY;
    dir_ = answer.dir;
    if (!redirected || answer.undo != 0) sent_ += answer.bytes;
  }

 private:
  void read() {
    const auto unread = sent_ + dir_.redirected - dir_.read;
    if (unread == 0 || !dice_.percent(reads_all_ ? 90 : 1)) return;
    dir_.read += dice_.percent(95) ? unread : dice_.below(1000) % (unread + 1);
    ++dir_.reads;
  }

  Dice& dice_;
  fl_redir_dir dir_{};
  std::uint64_t sent_ = 0;  // by TCP
  bool reads_all_ = true;
  std::uint32_t bulk_ = 0;  // share of bulk messages, percent
};

std::string text_of(const fl_decide_message& message) {
  const auto& dir = message.dir;
  return "verdict " + std::to_string(message.verdict) + " sent " + std::to_string(message.tcp_sent) + " left " +
         std::to_string(message.left) + " redirected " + std::to_string(dir.redirected) + " read " +
         std::to_string(dir.read) + " large " + std::to_string(dir.large) + " on " + std::to_string(dir.on) +
         " waiting " + std::to_string(dir.waiting);
}

TEST(DecideTest, KernelAndNativeAgree) {
  constexpr std::uint32_t kPerConnection = 500;
  const Decider kernel;
  ASSERT_TRUE(kernel.loaded());
  Dice dice(11);
  std::array<std::uint32_t, FL_REDIR_END_EXCL + 1> verdicts{};
  std::uint32_t undone = 0, wrapped = 0;
  for (std::uint32_t asked = 0; asked < questions(); asked += kPerConnection) {
    RandomDirection way(dice);
    for (std::uint32_t i = 0; i < kPerConnection; ++i) {
      const auto question = way.next();
      auto native = question;
      fl_decide_as_asked(&native);
      const auto answer = kernel.answer(question);
      ASSERT_EQ(std::memcmp(&answer, &native, sizeof native), 0)
          << "message " << i << " of the connection after " << asked << " messages\nkernel: " << text_of(answer)
          << "\nnative: " << text_of(native);
      ++verdicts.at(native.verdict);
      undone += native.undo != 0 && native.dir.redirected != question.dir.redirected + question.bytes ? 1 : 0;
      wrapped += (native.tcp_sent ^ question.about) >> 32 != 0 ? 1 : 0;
      way.go_on(native);
    }
  }
  // The connections are worth their name: every verdict occurred, and often.
  EXPECT_GT(verdicts[FL_REDIR_TCP], questions() / 20);
  EXPECT_GT(verdicts[FL_REDIR_STAY], questions() / 20);
  for (const auto verdict : {FL_REDIR_BEGIN, FL_REDIR_END_BULK, FL_REDIR_END_UNREAD, FL_REDIR_END_EXCL})
    EXPECT_GT(verdicts.at(verdict), questions() / 5000) << verdict;
  EXPECT_GT(undone, questions() / 5000);
  EXPECT_GT(wrapped, 0U);
}

}  // namespace
}  // namespace fairlead::test
