// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "fairlead/auth/shared_answers.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"

namespace fairlead::filter {

/// What is asked of an OAuth server.
struct Question {
  std::uint32_t cluster = 0;
  std::string host{};
  std::string path{};
  std::string form{};           ///< the body; empty: a GET
  std::string authorization{};  ///< empty: none
  std::chrono::milliseconds timeout{5000};
};

/// Asks a question, or waits for another request that asks the same. Owner: an attempt. Thread: the worker's.
class AskWork final : public AuthWork, CallHandler {
 public:
  using Answers = std::shared_ptr<auth::SharedAnswers>;
  /// For how many milliseconds an answer is good; 0: it is none.
  using Worth = std::function<std::uint64_t(const auth::ServerAnswer&)>;
  AskWork(Answers answers, const auth::Digest& digest, Question question, Worth worth)
      : answers_(std::move(answers)), digest_(digest), question_(std::move(question)), worth_(std::move(worth)) {}
  ~AskWork() override;
  AskWork(const AskWork&) = delete;
  AskWork& operator=(const AskWork&) = delete;

  bool start(Request& request, std::function<void()> done) override;

  auth::ServerAnswerPtr answer;  ///< null: there was none that is worth something

 private:
  bool ask();  ///< false: it is over
  bool begin();
  void fail();
  void on_call_answer(CallAnswer& said) override;
  void on_call_failure(std::string_view why) override;
  void finish();

  const Answers answers_;
  const auth::Digest digest_;
  const Question question_;
  const Worth worth_;
  Request* request_ = nullptr;
  std::function<void()> done_;
  std::shared_ptr<auth::Waiter> waiter_;
  std::unique_ptr<Call> call_;
  bool asking_ = false;
};

}  // namespace fairlead::filter
