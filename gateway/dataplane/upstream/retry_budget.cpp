// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/retry_budget.hpp"

#include <algorithm>
#include <numeric>

namespace fairlead::upstream {

void RetryBudget::roll(std::uint64_t now_ms) {
  const auto length = std::max<std::int64_t>(1, spec_.window.count() / static_cast<std::int64_t>(kSlices));
  const auto slice = now_ms / static_cast<std::uint64_t>(length);
  if (slice <= slice_) return;
  const auto passed = std::min<std::uint64_t>(slice - slice_, kSlices);
  for (std::uint64_t i = 0; i < passed; ++i) {
    requests_[(slice - i) % kSlices] = 0;
    retries_[(slice - i) % kSlices] = 0;
  }
  slice_ = slice;
}

void RetryBudget::on_request(std::uint64_t now_ms) {
  if (spec_.window_percent == 0) return;
  roll(now_ms);
  ++requests_[slice_ % kSlices];
}

std::int64_t RetryBudget::balance(std::uint64_t now_ms) {
  roll(now_ms);
  const auto requests = std::accumulate(requests_.begin(), requests_.end(), std::uint64_t{0});
  const auto retries = std::accumulate(retries_.begin(), retries_.end(), std::uint64_t{0});
  const auto reserve = std::uint64_t{spec_.least_per_second} * static_cast<std::uint64_t>(spec_.window.count()) / 1000;
  return static_cast<std::int64_t>(requests * spec_.window_percent / 100 + reserve) -
         static_cast<std::int64_t>(retries);
}

bool RetryBudget::try_retry(std::uint32_t active, std::uint64_t now_ms) {
  const auto share = std::uint64_t{active} * spec_.percent / 100;
  if (active_retries_ >= std::max<std::uint64_t>(share, spec_.least_concurrency)) return false;
  if (spec_.window_percent > 0) {
    if (balance(now_ms) < 1) return false;
    ++retries_[slice_ % kSlices];
  }
  ++active_retries_;
  return true;
}

}  // namespace fairlead::upstream
