// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/jwt_keys.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kMostJwks = std::size_t{1} << 20;

}  // namespace

KeyWork::~KeyWork() {
  if (waiter_ != nullptr) waiter_->cancel();
  if (fetching_) issuer_.remote->given_up();
}

bool KeyWork::start(Request& request, std::function<void()> done) {
  request_ = &request;
  done_ = std::move(done);
  return ask();
}

bool KeyWork::ask() {
  using Need = auth::RemoteKeys::Need;
  auto waiter = std::make_shared<auth::Waiter>(request_->reactor(), [this](bool) {
    if (!ask()) finish();
  });
  auto decision = issuer_.remote->want(kid_, request_->reactor().now_ms(), waiter);
  keys = std::move(decision.keys);
  if (decision.need == Need::kWait) waiter_ = std::move(waiter);
  if (decision.need == Need::kFetch) return fetch();
  return decision.need == Need::kWait;
}

bool KeyWork::fetch() {
  fetching_ = true;
  http::RequestHead head;
  head.method = http::Method::kGet;
  head.method_text = "GET";
  head.scheme = "http";
  head.authority = issuer_.host;
  head.target = issuer_.settings.remote->path;
  head.fields = {{"accept", "application/json"}};
  call_ = request_->call({.cluster = issuer_.cluster,
                          .head = &head,
                          .body = {},
                          .timeout = issuer_.settings.remote->timeout,
                          .most_answer = kMostJwks},
                         *this);
  if (call_ != nullptr) return true;
  fail("no server could be asked");
  return ask();
}

void KeyWork::fail(std::string_view why) {
  fetching_ = false;
  issuer_.remote->failed(std::string(why), request_->reactor().now_ms());
}

void KeyWork::on_call_answer(CallAnswer& answer) {
  if (answer.head.status != 200) return on_call_failure("the answer's status is not 200");
  fetching_ = false;
  issuer_.remote->fetched(answer.body, request_->reactor().now_ms());
  again();
}

void KeyWork::on_call_failure(std::string_view why) {
  fail(why);
  again();
}

void KeyWork::again() {
  if (!ask()) finish();
}

void KeyWork::finish() {
  const auto call = std::move(done_);  // it may destroy this
  call();
}

}  // namespace fairlead::filter
