// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_keys.hpp"

#include <utility>

#include "fairlead/auth/oauth.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kMostJwks = std::size_t{1} << 20;

}  // namespace

KeyWork::~KeyWork() {
  if (waiter_ != nullptr) waiter_->cancel();
  if (fetching_) source_.keys->given_up();
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
  auto decision = source_.keys->want(kid_, request_->reactor().now_ms(), waiter);
  keys = std::move(decision.keys);
  if (decision.need == Need::kWait) waiter_ = std::move(waiter);
  if (decision.need == Need::kFetch) return fetch();
  return decision.need == Need::kWait;
}

bool KeyWork::fetch() {
  fetching_ = true;
  discovering_ = !source_.issuer.empty();  // each time: where the keys are may change
  if (get(source_.path)) return true;
  fail("no server could be asked");
  return ask();
}

bool KeyWork::get(std::string_view path) {
  http::RequestHead head;
  head.method = http::Method::kGet;
  head.method_text = "GET";
  head.scheme = "http";
  head.authority = source_.host;
  head.target = path;
  head.fields = {{"accept", "application/json"}};
  call_ = request_->call(
      {.cluster = source_.cluster, .head = &head, .body = {}, .timeout = source_.timeout, .most_answer = kMostJwks},
      *this);
  return call_ != nullptr;
}

void KeyWork::fail(std::string_view why) {
  fetching_ = false;
  source_.keys->failed(std::string(why), request_->reactor().now_ms());
}

void KeyWork::on_call_answer(CallAnswer& answer) {
  if (answer.head.status != 200) return on_call_failure("the answer's status is not 200");
  if (std::exchange(discovering_, false)) {
    const auto path = auth::parse_keys_path(answer.body, source_.issuer);
    if (!path) return on_call_failure("the OpenID configuration: " + path.error().message);
    if (!get(*path)) on_call_failure("no server could be asked");
    return;
  }
  fetching_ = false;
  source_.keys->fetched(answer.body, request_->reactor().now_ms());
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
