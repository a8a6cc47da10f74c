// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A request without a proxy for filters that change bodies and make calls: both are kept, to be driven by the test.
class ChangeRequest final : public Request {
 public:
  struct Said {
    std::uint16_t status = 0;
    std::map<std::string, std::string> fields;
    std::string body;
    telemetry::ResponseFlag flag{};
    bool flagged = false;
  };
  struct Asked {
    std::uint32_t cluster = 0;
    std::string method, authority, target, body;
    std::map<std::string, std::string> fields;
    std::chrono::milliseconds timeout{0};
    CallHandler* handler = nullptr;
    bool given_up = false;
  };

  explicit ChangeRequest(std::string_view method = "GET", std::string_view path = "/", std::string_view query = {}) {
    head_.method_text = method;
    head_.method = http::method_of(method);
    head_.scheme = "http";
    head_.authority = "a.example";
    target_ = {.path = path, .query = query, .has_query = !query.empty()};
    client_ = *Address::parse("192.0.2.1");
    record_.request_id = "id-1";
    auto made = event::Reactor::create();
    EXPECT_TRUE(made);
    reactor_ = std::move(*made);
  }
  ChangeRequest& with(std::string_view name, std::string_view value) {
    head_.fields.push_back({name, value});
    return *this;
  }
  /// A body of that length and type.
  ChangeRequest& with_body(std::size_t length, std::string_view type = "application/json") {
    head_.body = http::Body::kLength;
    head_.content_length = length;
    return with("content-type", type);
  }

  http::RequestHead& head() override { return head_; }
  [[nodiscard]] std::string_view host() const override { return "a.example"; }
  route::Target& target() override { return target_; }
  [[nodiscard]] const Address& client() const override { return client_; }
  Identity& identity() override { return identity_; }
  [[nodiscard]] std::string_view route_name() const override { return "HTTPRoute default/web"; }
  [[nodiscard]] std::string_view rule_name() const override { return "0"; }
  [[nodiscard]] const telemetry::RequestRecord& record() const override { return record_; }
  Arena& arena() override { return arena_; }
  event::Reactor& reactor() override { return *reactor_; }
  upstream::Random& random() override { return random_; }
  State* state() override { return state_.get(); }
  void set_state(std::unique_ptr<State> state) override { state_ = std::move(state); }
  void resume() override { ++resumed; }
  void answer(const Answer& answer) override {
    EXPECT_FALSE(said) << "answered twice";
    said = Said{answer.status, {}, std::string(answer.body), answer.flag, answer.flagged};
    for (const auto& field : answer.fields) said->fields.emplace(field.name, field.value);
    if (ends) state_.reset();  // as the proxy may
  }
  void answer_part(const AnswerPart& part) override {
    EXPECT_EQ(part.head != nullptr, !said) << "one head, first";
    EXPECT_FALSE(whole) << "a part behind the last";
    if (part.head != nullptr) {
      said = Said{part.head->status, {}, {}, part.head->flag, part.head->flagged};
      for (const auto& field : part.head->fields) said->fields.emplace(field.name, field.value);
    }
    said->body += part.body;
    for (const auto& field : part.trailers) trailers.emplace(field.name, field.value);
    whole = part.end;
    if (ends && whole) state_.reset();  // as the proxy may
  }
  void pass_body(std::unique_ptr<BodyFilter> filter) override { body = std::move(filter); }

  std::unique_ptr<Call> call(const CallSpec& spec, CallHandler& handler) override {
    if (refuses) return nullptr;
    auto& one = asked.emplace_back(std::make_unique<Asked>());
    *one = {spec.cluster,
            std::string(spec.head->method_text),
            std::string(spec.head->authority),
            std::string(spec.head->target),
            std::string(spec.body),
            {},
            spec.timeout,
            &handler};
    for (const auto& field : spec.head->fields) one->fields.emplace(field.name, field.value);
    struct Handle final : Call {
      explicit Handle(Asked& of) : call(of) {}
      ~Handle() override { call.given_up = true; }
      Asked& call;
    };
    return std::make_unique<Handle>(*one);
  }
  /// What the backend of a call says.
  void reply(std::size_t call, std::string text, std::uint16_t status = 200, http::Fields fields = {}) {
    CallAnswer given;
    given.head.status = status;
    given.head.fields = std::move(fields);
    given.body = std::move(text);
    asked.at(call)->handler->on_call_answer(given);
  }
  void end() { state_.reset(); }

  [[nodiscard]] std::string field(std::string_view name) const {
    const auto* found = http::find(head_.fields, name);
    return found == nullptr ? "-" : std::string(found->value);
  }

  std::optional<Said> said;
  std::map<std::string, std::string> trailers;  ///< of an answer in parts
  bool whole = false;                           ///< its last part has come
  std::unique_ptr<BodyFilter> body;
  std::vector<std::unique_ptr<Asked>> asked;
  int resumed = 0;
  bool refuses = false;
  bool ends = true;

 protected:
  std::unique_ptr<Local>& local_slot(const std::shared_ptr<const void>& key) override { return locals_[key]; }

 private:
  http::RequestHead head_;
  route::Target target_;
  Address client_;
  Identity identity_;
  telemetry::RequestRecord record_;
  Arena arena_;
  std::unique_ptr<event::Reactor> reactor_;
  upstream::Random random_{1};
  std::map<std::shared_ptr<const void>, std::unique_ptr<Local>> locals_;
  std::unique_ptr<State> state_;  // goes first: it may have timers
};

/// What a factory needs: Services by name have numbers by their length.
struct ChangeContext {
  Stores stores;
  std::vector<std::string> faults, remarks;
  std::map<std::string, model::ConfigMap> maps;
  [[nodiscard]] Context get() {
    const auto cluster = [](const model::BackendTarget& target) -> std::optional<std::uint32_t> {
      if (target.ref.name == "nowhere") return std::nullopt;
      return static_cast<std::uint32_t>(target.ref.name.size());
    };
    return {.policy = "RequestPolicy default/p",
            .ns = "default",
            .stores = stores,
            .cluster = cluster,
            .grpc_cluster = cluster,
            .secret = [](const std::string&) -> const model::Secret* { return nullptr; },
            .config_map = [this](const std::string& name) { return maps.contains(name) ? &maps[name] : nullptr; },
            .faults = faults,
            .remarks = remarks};
  }
};

}  // namespace fairlead::filter
