// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/filter/filter.hpp"
#include "fairlead/filter/request.hpp"

namespace fairlead::filter {

/// A request that nobody has sent: filters are asked what they would do with it. Nothing is counted for it, no server
/// is asked, and what would wait does not begin.
/// Owner: who asks. Thread: main.
class Probe final : public Request {
 public:
  struct Facts {
    http::RequestHead head;  ///< its texts live as long as the probe
    std::string_view host;
    route::Target target;
    Address client;
    std::string_view route, rule;
  };
  static Result<std::unique_ptr<Probe>> create(const Facts& facts);

  /// What on_request() says, for filters that do nothing but look at the request, or change it.
  Preview ask(const Filter& filter);
  /// What stands in the filter's state is of this one only.
  void next() { state_.reset(); }

  http::RequestHead& head() override { return facts_.head; }
  [[nodiscard]] std::string_view host() const override { return facts_.host; }
  route::Target& target() override { return facts_.target; }
  [[nodiscard]] const Address& client() const override { return facts_.client; }
  Identity& identity() override { return identity_; }
  [[nodiscard]] std::string_view route_name() const override { return facts_.route; }
  [[nodiscard]] std::string_view rule_name() const override { return facts_.rule; }
  [[nodiscard]] const telemetry::RequestRecord& record() const override { return record_; }
  Arena& arena() override { return arena_; }
  event::Reactor& reactor() override { return *reactor_; }
  upstream::Random& random() override { return random_; }
  [[nodiscard]] bool asks_only() const override { return true; }
  State* state() override { return state_.get(); }
  void set_state(std::unique_ptr<State> state) override { state_ = std::move(state); }
  void resume() override {}
  bool take_canary() override { return canary_ = true; }
  [[nodiscard]] bool canary() const override { return canary_; }
  void answer(const Answer& answer) override;
  void pass_body(std::unique_ptr<BodyFilter>) override {}
  std::unique_ptr<Call> call(const CallSpec&, CallHandler&) override { return nullptr; }

 private:
  Probe(const Facts& facts, std::unique_ptr<event::Reactor> reactor) : facts_(facts), reactor_(std::move(reactor)) {}
  std::unique_ptr<Local>& local_slot(const std::shared_ptr<const void>& key) override { return locals_[key]; }

  struct Said {
    std::uint16_t status = 0;
    std::string details;
  };
  Facts facts_;
  std::unique_ptr<event::Reactor> reactor_;
  Arena arena_;
  telemetry::RequestRecord record_;
  upstream::Random random_{1};
  Identity identity_;
  std::optional<Said> said_;
  std::map<std::shared_ptr<const void>, std::unique_ptr<Local>> locals_;
  std::unique_ptr<State> state_;
  bool canary_ = false;
};

}  // namespace fairlead::filter
