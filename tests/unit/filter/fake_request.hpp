// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A request without a proxy: what filters do to it can be looked at.
class FakeRequest final : public Request {
 public:
  struct Said {
    std::uint16_t status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    std::string details;
    telemetry::ResponseFlag flag = telemetry::ResponseFlag::kPolicyDenied;
    [[nodiscard]] std::string field(std::string_view name) const {
      for (const auto& [key, value] : fields)
        if (key == name) return value;
      return {};
    }
  };

  explicit FakeRequest(std::string_view path = "/", std::string_view client = "192.0.2.1") {
    head_.method_text = "GET";
    head_.scheme = "http";
    target_.path = path;
    client_ = *Address::parse(client);
    record_.request_id = "id-1";
  }
  FakeRequest& with(std::string_view name, std::string_view value) & {
    head_.fields.push_back({name, value});
    return *this;
  }
  FakeRequest with(std::string_view name, std::string_view value) && { return std::move(with(name, value)); }

  http::RequestHead& head() override { return head_; }
  std::string_view host() const override { return "a.example"; }
  route::Target& target() override { return target_; }
  const Address& client() const override { return client_; }
  Identity& identity() override { return identity_; }
  std::string_view route_name() const override { return "HTTPRoute default/web"; }
  std::string_view rule_name() const override { return "0"; }
  const telemetry::RequestRecord& record() const override { return record_; }
  Arena& arena() override { return arena_; }
  event::Reactor& reactor() override { return *reactor_; }
  upstream::Random& random() override { return random_; }
  State* state() override { return state_.get(); }
  void set_state(std::unique_ptr<State> state) override { state_ = std::move(state); }
  void resume() override { ++resumed; }
  void answer(const Answer& answer) override {
    Said said{.status = answer.status,
              .fields = {},
              .body = std::string(answer.body),
              .details = std::string(answer.details),
              .flag = answer.flag};
    for (const auto& field : answer.fields) said.fields.emplace_back(field.name, field.value);
    said_ = std::move(said);
  }
  void pass_body(std::unique_ptr<BodyFilter>) override {}
  std::unique_ptr<Call> call(const CallSpec&, CallHandler&) override { return nullptr; }

  void set_reactor(event::Reactor& reactor) { reactor_ = &reactor; }
  [[nodiscard]] const std::optional<Said>& said() const { return said_; }
  void end() { state_.reset(); }  ///< as the proxy does when the request is over

  int resumed = 0;

 protected:
  std::unique_ptr<Local>& local_slot(const std::shared_ptr<const void>& key) override { return locals_[key]; }

 private:
  http::RequestHead head_;
  route::Target target_;
  Address client_;
  Identity identity_;
  telemetry::RequestRecord record_;
  Arena arena_;
  event::Reactor* reactor_ = nullptr;
  upstream::Random random_{1};
  std::unique_ptr<State> state_;
  std::optional<Said> said_;
  std::map<std::shared_ptr<const void>, std::unique_ptr<Local>> locals_;
};

/// What a factory needs, with nothing in it.
struct FakeContext {
  Stores stores;
  std::vector<std::string> faults, remarks;
  std::map<std::string, model::Secret> secrets;
  [[nodiscard]] Context get(std::string policy = "RequestPolicy default/p") {
    return {.policy = std::move(policy),
            .ns = "default",
            .stores = stores,
            .cluster = [](const model::BackendTarget&) -> std::optional<std::uint32_t> { return std::nullopt; },
            .grpc_cluster = [](const model::BackendTarget&) -> std::optional<std::uint32_t> { return std::nullopt; },
            .secret =
                [this](const std::string& name) {
                  const auto found = secrets.find(name);
                  return found == secrets.end() ? nullptr : &found->second;
                },
            .config_map = [](const std::string&) -> const model::ConfigMap* { return nullptr; },
            .faults = faults,
            .remarks = remarks};
  }
};

}  // namespace fairlead::filter
