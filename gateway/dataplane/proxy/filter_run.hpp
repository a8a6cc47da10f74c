// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/filter/request.hpp"

namespace fairlead::proxy {

class Exchange;

/// The filters of one request: runs them one after the other, waits where they wait, and shows them the response in
/// the opposite order.
/// Owner: the exchange, which uses it again. Thread: the worker's.
class FilterRun final : public filter::Request {
 public:
  explicit FilterRun(Exchange& exchange) : exchange_(exchange) {}

  /// Levels from the most general to the most special; null: none there. False: no filter at all.
  bool begin(std::initializer_list<const filter::Chain*> levels);
  [[nodiscard]] bool active() const { return active_; }
  /// Goes on from where it stands. True: all are through; else one has answered, or waits.
  bool run();
  /// The request has not passed yet: its body is kept.
  [[nodiscard]] bool holds() const { return holds_; }
  /// The most of a body that is kept, bytes: what a filter asks for, or what waits for all of them.
  [[nodiscard]] std::size_t most_held() const;
  /// More of a body that is kept has come, or its end. True: all are through now.
  bool on_body();

  /// Something else has ended the request: nobody is asked any more, who waits is given up.
  void stop();

  /// False: a filter has answered in its place.
  bool on_response(http::ResponseHead& head, bool body_follows);
  /// Whether a body passes through filters.
  [[nodiscard]] bool changes_body() const { return !bodies_.empty(); }
  /// Through all of them; nothing: it is broken.
  std::optional<std::string_view> on_data(std::string_view data, bool end);
  /// The request is over.
  void end();

  /// Off trailers of the request what clients may not say of who they are.
  void strip_identity(http::Fields& trailers) const;

  // What filters see.
  http::RequestHead& head() override;
  [[nodiscard]] std::string_view host() const override;
  route::Target& target() override;
  std::optional<std::string_view> capture(std::string_view name) override;
  [[nodiscard]] const Address& client() const override;
  filter::Identity& identity() override { return identity_; }
  [[nodiscard]] std::string_view route_name() const override;
  [[nodiscard]] std::string_view rule_name() const override;
  [[nodiscard]] const telemetry::RequestRecord& record() const override;
  Arena& arena() override;
  event::Reactor& reactor() override;
  upstream::Random& random() override;
  telemetry::WorkerMeter* meter() override;
  filter::State* state() override;
  void set_state(std::unique_ptr<filter::State> state) override;
  void resume() override { go_on(filter::Verdict::kContinue); }
  void resume_with_body() override { go_on(filter::Verdict::kNeedBody); }
  void answer(const filter::Answer& answer) override;
  void answer_part(const filter::AnswerPart& part) override;
  void pass_body(std::unique_ptr<filter::BodyFilter> filter) override;
  bool take_canary() override;
  [[nodiscard]] bool canary() const override;
  std::unique_ptr<filter::Call> call(const filter::CallSpec& spec, filter::CallHandler& handler) override;
  std::unique_ptr<filter::Call> call_backend(filter::CallHandler& handler, std::chrono::milliseconds timeout,
                                             std::size_t most_answer) override;

 private:
  std::unique_ptr<filter::Local>& local_slot(const std::shared_ptr<const void>& key) override;
  void lay_over(const filter::Chain& chain, std::uint32_t slots);
  /// What levels and the consumer's own policies have for him alone.
  void lay_over_for_consumer(std::uint32_t slots);
  void go_on(filter::Verdict verdict);
  /// True: the next filter may follow.
  bool take(filter::Verdict verdict);
  bool take_body();
  /// What became of the request at the filter in slot_.
  void note(filter::Outcome outcome) { count(counters_[slot_] + static_cast<telemetry::CounterId>(outcome)); }
  void note_abandoned();
  void ask_no_more();

  Exchange& exchange_;
  std::array<const filter::Filter*, filter::kSlots> filters_{};
  std::array<telemetry::CounterId, filter::kSlots> counters_{};
  std::vector<std::pair<std::size_t, std::unique_ptr<filter::State>>> states_;  // by slot
  std::vector<std::unique_ptr<filter::BodyFilter>> bodies_;
  filter::Identity identity_;
  std::size_t slot_ = 0;      // that is called now, or waited for
  std::uint32_t to_call_ = 0;  // bits of slots whose on_request is still to come
  std::uint32_t called_ = 0;
  std::uint32_t passed_ = 0;  // said kContinue, and has not seen the response yet
  bool active_ = false;
  bool holds_ = false;
  bool waits_ = false;
  bool needs_body_ = false;
  bool body_follows_ = false;
  bool responds_ = false;  // filters see a response
};

}  // namespace fairlead::proxy
