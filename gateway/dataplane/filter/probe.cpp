// SPDX-License-Identifier: Apache-2.0
#include "fairlead/filter/probe.hpp"

#include <algorithm>

namespace fairlead::filter {

Result<std::unique_ptr<Probe>> Probe::create(const Facts& facts) {
  FL_TRY(auto reactor, event::Reactor::create());
  return std::unique_ptr<Probe>(new Probe(facts, std::move(reactor)));
}

void Probe::answer(const Answer& answer) {
  said_ = Said{.status = answer.status, .details = std::string(answer.details)};
  std::ranges::replace(said_->details, '_', ' ');
}

Preview Probe::ask(const Filter& filter) {
  using Kind = Preview::Kind;
  said_.reset();
  const auto verdict = filter.on_request(*this);
  if (said_) return {.kind = Kind::kAnswers, .status = said_->status, .why = std::move(said_->details)};
  if (verdict == Verdict::kContinue) return {.kind = Kind::kPasses};
  if (verdict == Verdict::kWait) return {.why = "it waits before it answers"};
  const auto most = filter.most_body();
  if (facts_.head.body == http::Body::kLength && facts_.head.content_length > most)
    return {.kind = Kind::kAnswers, .status = 413, .why = "the body is too large"};
  return {.why = "the whole body decides, of " + std::to_string(most) + " bytes at most"};
}

}  // namespace fairlead::filter
