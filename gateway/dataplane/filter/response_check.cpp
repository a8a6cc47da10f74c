// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/response_check.hpp"

#include <spdlog/spdlog.h>

namespace fairlead::filter {

void ResponseWarnings::warn(Request& request, std::uint16_t status, std::string_view what) const {
  constexpr std::uint64_t kBetween = 1000;  // ms
  request.count(counter_);
  const auto count = count_.fetch_add(1, std::memory_order_relaxed) + 1;
  const auto now = request.reactor().now_ms();
  auto next = next_ms_.load(std::memory_order_relaxed);
  if (now < next || !next_ms_.compare_exchange_strong(next, now + kBetween, std::memory_order_relaxed)) return;
  spdlog::warn("{}: an answer of status {} to {} {} is not what OpenAPI says: {} ({} such answers so far)", policy_,
               status, request.head().method_text, request.target().path, what, count);
}

std::optional<std::string_view> ResponseCheck::on_data(std::string_view data, bool end) {
  too_large_ = too_large_ || seen_.size() + data.size() > settings_.max_body_bytes;
  if (too_large_) std::string().swap(seen_);
  else seen_.append(data);
  if (end && !too_large_) check();
  return data;
}

void ResponseCheck::check() {
  std::string plain;
  std::string_view text = seen_;
  if (wanted_.coding == Coding::kOther) return;
  if (wanted_.coding != Coding::kIdentity) {
    if (expand(wanted_.coding, seen_, {.bytes = settings_.max_body_bytes}, plain) != change::Expanded::kWhole) return;
    text = plain;
  }
  change::Json document;
  if (!document.parse(text, {.depth = settings_.max_depth}))
    return warnings_.warn(request_, wanted_.status, document.error().what);
  change::SchemaReport report{.most = 1};
  if (wanted_.api->check_response(*wanted_.operation, wanted_.status, wanted_.content_type, document, report)) return;
  const auto& problem = report.problems.front();
  warnings_.warn(request_, wanted_.status, problem.where + " " + problem.what);
}

}  // namespace fairlead::filter
