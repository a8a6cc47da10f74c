// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A request for tests of filters, without a proxy: it keeps what a filter does to it.
/// Owner: a test. Thread: the test's.
class RecordedRequest final : public Request {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  explicit RecordedRequest(event::Reactor& reactor, std::string_view target = "/", Pairs sent = {},
                           http::Method method = http::Method::kGet)
      : reactor_(reactor) {
    head_.method = method;
    head_.scheme = "http";
    head_.authority = "a.example";
    head_.target = arena_.copy(target);
    const auto question = head_.target.find('?');
    target_.path = head_.target.substr(0, question);
    target_.has_query = question != std::string_view::npos;
    if (target_.has_query) target_.query = head_.target.substr(question + 1);
    for (const auto& [name, value] : sent) head_.fields.push_back({arena_.copy(name), arena_.copy(value)});
    record_.request_id = "id-1";
  }
  /// As when a request ends: before the worker's objects.
  ~RecordedRequest() {
    filters.clear();
    state_ = nullptr;
  }

  http::RequestHead& head() override { return head_; }
  [[nodiscard]] std::string_view host() const override { return "a.example"; }
  route::Target& target() override { return target_; }
  [[nodiscard]] const Address& client() const override { return client_; }
  Identity& identity() override { return identity_; }
  [[nodiscard]] std::string_view route_name() const override { return "HTTPRoute default/web"; }
  [[nodiscard]] std::string_view rule_name() const override { return rule; }
  [[nodiscard]] const telemetry::RequestRecord& record() const override { return record_; }
  Arena& arena() override { return arena_; }
  event::Reactor& reactor() override { return reactor_; }
  upstream::Random& random() override { return random_; }

  State* state() override { return state_.get(); }
  void set_state(std::unique_ptr<State> state) override { state_ = std::move(state); }

  void resume() override { ++resumed; }
  void answer(const Answer& answer) override {
    answered = true;
    status = answer.status;
    details = answer.details;
    body = answer.body;
    fields.clear();
    for (const auto& field : answer.fields) fields.emplace(field.name, field.value);
  }
  void pass_body(std::unique_ptr<BodyFilter> filter) override { filters.push_back(std::move(filter)); }
  std::unique_ptr<Call> call(const CallSpec&, CallHandler&) override { return nullptr; }

  std::unique_ptr<Call> call_backend(CallHandler& handler, std::chrono::milliseconds, std::size_t) override {
    if (calls == nullptr) return nullptr;
    calls->push_back(&handler);
    return std::make_unique<Call>();
  }

  std::vector<CallHandler*>* calls = nullptr;  ///< where those of call_backend() go; null: it cannot begin

  /// What is known of the request besides.
  telemetry::RequestRecord& record_of() { return record_; }
  /// The value of a field of the answer; "-" where there is none.
  [[nodiscard]] std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "-" : found->second;
  }

  std::string rule = "0";
  bool answered = false;
  int resumed = 0;
  std::uint16_t status = 0;
  std::string body;
  std::string details;
  std::multimap<std::string, std::string> fields;
  std::vector<std::unique_ptr<BodyFilter>> filters;

 protected:
  std::unique_ptr<Local>& local_slot(const std::shared_ptr<const void>& key) override { return locals_[key]; }

 private:
  event::Reactor& reactor_;
  Arena arena_;
  http::RequestHead head_;
  route::Target target_;
  Address client_{};
  Identity identity_;
  telemetry::RequestRecord record_;
  upstream::Random random_{1};
  std::map<std::shared_ptr<const void>, std::unique_ptr<Local>> locals_;
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::filter
