// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/shared_answers.hpp"

#include <gtest/gtest.h>

namespace fairlead::auth {
namespace {

using AnswersNeed = SharedAnswers::Need;

struct SharedAnswersWorld {
  std::unique_ptr<event::Reactor> reactor = std::move(*event::Reactor::create());
  SharedAnswers answers;
  std::vector<bool> woken;
  const Digest a = sha256("a"), b = sha256("b");

  std::shared_ptr<Waiter> waiter() {
    return std::make_shared<Waiter>(*reactor, [this](bool good) { woken.push_back(good); });
  }
  AnswersNeed need(const Digest& question, std::uint64_t now) { return answers.want(question, now, waiter()).need; }
  void turn() {
    reactor->stop();
    reactor->run();
  }
  static ServerAnswerPtr said(std::string body) {
    return std::make_shared<ServerAnswer>(ServerAnswer{.status = 200, .body = std::move(body)});
  }
};

TEST(SharedAnswers, OneAsksAndTheOthersWait) {
  SharedAnswersWorld world;
  EXPECT_EQ(world.need(world.a, 1000), AnswersNeed::kAsk);
  EXPECT_EQ(world.need(world.a, 1001), AnswersNeed::kWait);
  EXPECT_EQ(world.need(world.b, 1001), AnswersNeed::kAsk);
  EXPECT_EQ(world.answers.find(world.a, 1001), nullptr);
  world.answers.answered(world.a, SharedAnswersWorld::said("x"), 1010, 5000);
  world.turn();
  EXPECT_EQ(world.woken, std::vector<bool>{true});
  EXPECT_EQ(world.need(world.a, 6009), AnswersNeed::kReady);
  EXPECT_EQ(world.answers.find(world.a, 6009)->body, "x");
  EXPECT_EQ(world.answers.find(world.a, 6010), nullptr);
  EXPECT_EQ(world.need(world.a, 6010), AnswersNeed::kAsk);
}

TEST(SharedAnswers, AFailureIsEverybodysAndIsNotRepeatedAtOnce) {
  SharedAnswersWorld world;
  ASSERT_EQ(world.need(world.a, 1000), AnswersNeed::kAsk);
  ASSERT_EQ(world.need(world.a, 1000), AnswersNeed::kWait);
  world.answers.failed(world.a, 1100);
  world.turn();
  EXPECT_EQ(world.woken, std::vector<bool>{false});
  EXPECT_EQ(world.need(world.a, 1101), AnswersNeed::kFailed);
  EXPECT_EQ(world.need(world.b, 1101), AnswersNeed::kAsk);
  EXPECT_EQ(world.need(world.a, 1100 + SharedAnswers::kRetryInterval), AnswersNeed::kAsk);
}

TEST(SharedAnswers, WhatIsGivenUpGoesToAnother) {
  SharedAnswersWorld world;
  ASSERT_EQ(world.need(world.a, 1000), AnswersNeed::kAsk);
  ASSERT_EQ(world.need(world.a, 1000), AnswersNeed::kWait);
  world.answers.given_up(world.a);
  world.turn();
  EXPECT_EQ(world.woken, std::vector<bool>{true});
  EXPECT_EQ(world.need(world.a, 1001), AnswersNeed::kAsk);
}

TEST(SharedAnswers, IsBounded) {
  SharedAnswersWorld world;
  for (std::size_t i = 0; i < SharedAnswers::kMostWaiting; ++i)
    ASSERT_EQ(world.need(i % 2 == 0 ? world.a : sha256(std::to_string(i)), 1000),
              i % 2 == 0 && i > 0 ? AnswersNeed::kWait : AnswersNeed::kAsk);
  EXPECT_EQ(world.need(world.b, 1000), AnswersNeed::kFailed);
  world.answers.failed(world.a, 1000);
  EXPECT_EQ(world.need(world.b, 1000), AnswersNeed::kAsk);
  SharedAnswersWorld other;
  for (int i = 0; i < 100'000; ++i) {
    const auto question = sha256(std::to_string(i));
    ASSERT_EQ(other.need(question, 1000), AnswersNeed::kAsk);
    other.answers.answered(question, SharedAnswersWorld::said("x"), 1000, 5000);
  }
  std::size_t kept = 0;
  for (int i = 0; i < 100'000; ++i) kept += other.answers.find(sha256(std::to_string(i)), 1001) != nullptr ? 1U : 0U;
  EXPECT_LE(kept, 8192U);
  EXPECT_GE(kept, 8000U);
}

TEST(SharedAnswers, LongAnswersAreKeptForAMomentOnly) {
  SharedAnswersWorld world;
  ASSERT_EQ(world.need(world.a, 1000), AnswersNeed::kAsk);
  world.answers.answered(world.a, SharedAnswersWorld::said(std::string(4097, 'x')), 1000, 60'000);
  EXPECT_NE(world.answers.find(world.a, 1000 + SharedAnswers::kMoment - 1), nullptr);
  EXPECT_EQ(world.answers.find(world.a, 1000 + SharedAnswers::kMoment), nullptr);
}

}  // namespace
}  // namespace fairlead::auth
