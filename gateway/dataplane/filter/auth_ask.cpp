// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_ask.hpp"

#include <utility>

namespace fairlead::filter {
namespace {

constexpr std::size_t kMostAnswer = std::size_t{64} * 1024;

}  // namespace

AskWork::~AskWork() {
  if (waiter_ != nullptr) waiter_->cancel();
  if (asking_) answers_->given_up(digest_);
}

bool AskWork::start(Request& request, std::function<void()> done) {
  request_ = &request;
  done_ = std::move(done);
  return ask();
}

bool AskWork::ask() {
  using Need = auth::SharedAnswers::Need;
  auto waiter = std::make_shared<auth::Waiter>(request_->reactor(), [this](bool good) {
    if (!good || !ask()) finish();
  });
  auto decision = answers_->want(digest_, request_->reactor().now_ms(), waiter);
  answer = std::move(decision.answer);
  if (decision.need == Need::kWait) waiter_ = std::move(waiter);
  if (decision.need == Need::kAsk) return begin();
  return decision.need == Need::kWait;
}

bool AskWork::begin() {
  asking_ = true;
  http::RequestHead head;
  const bool gets = question_.form.empty();
  head.method = gets ? http::Method::kGet : http::Method::kPost;
  head.method_text = gets ? "GET" : "POST";
  head.scheme = "http";
  head.authority = question_.host;
  head.target = question_.path;
  head.fields = {{"accept", "application/json"}};
  if (!gets) head.fields.push_back({"content-type", "application/x-www-form-urlencoded"});
  if (!question_.authorization.empty()) head.fields.push_back({"authorization", question_.authorization});
  call_ = request_->call({.cluster = question_.cluster,
                          .head = &head,
                          .body = question_.form,
                          .timeout = question_.timeout,
                          .most_answer = kMostAnswer},
                         *this);
  if (call_ == nullptr) fail();
  return call_ != nullptr;
}

void AskWork::fail() {
  asking_ = false;
  answers_->failed(digest_, request_->reactor().now_ms());
}

void AskWork::on_call_answer(CallAnswer& said) {
  auto whole = std::make_shared<auth::ServerAnswer>();
  whole->status = said.head.status;
  whole->body = std::move(said.body);
  const auto life = worth_(*whole);
  if (life == 0) return on_call_failure({});
  asking_ = false;
  answer = std::move(whole);
  answers_->answered(digest_, answer, request_->reactor().now_ms(), life);
  finish();
}

void AskWork::on_call_failure(std::string_view) {
  fail();
  finish();
}

void AskWork::finish() {
  const auto call = std::move(done_);  // it may destroy this
  call();
}

}  // namespace fairlead::filter
