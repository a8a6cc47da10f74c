// SPDX-License-Identifier: Apache-2.0
#include "gateway/redis_watch.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace fairlead::gateway {

void RedisWatch::look(const FilterPlan& filters) {
  const auto numbers = redis_numbers(filters);
  for (const auto& [of, n] : numbers)
    if (n.fallback > 0 && away_.try_emplace(of, Clock::now()).second)
      spdlog::warn("redis {}, for {}: away for {} of {} workers, which do without it as their policies say: {}",
                   of.name, of.use, n.fallback, n.clients, n.failure.empty() ? "no answer in time" : n.failure);
  std::erase_if(away_, [&](const auto& away) {
    const auto& [of, since] = away;
    const auto now = numbers.find(of);
    if (now != numbers.end() && now->second.fallback > 0) return false;
    if (now != numbers.end() && now->second.clients > 0)
      spdlog::info("redis {}, for {}: back after {} s", of.name, of.use,
                   std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - since).count());
    return true;
  });
  for (const auto& [of, n] : numbers) look(of, n);
  std::erase_if(answers_, [&](const auto& one) { return !numbers.contains(one.first); });
}

/// Errors in place of answers come one by one, by what is asked: it answers again once there have been none for a
/// while.
void RedisWatch::look(const RedisName& of, const limit::RedisNumbers& n) {
  constexpr auto kQuiet = std::chrono::seconds(10);
  auto& answers = answers_[of];
  const bool more = n.errors > answers.errors;
  answers.errors = n.errors;
  if (more) {
    if (!std::exchange(answers.refuses, true))
      spdlog::warn("redis {}, for {}: answers with errors, and policies do without it: {}", of.name, of.use,
                   n.refusal.empty() ? "no answer that is known" : n.refusal);
    answers.last = Clock::now();
  } else if (answers.refuses && Clock::now() - answers.last >= kQuiet) {
    answers.refuses = false;
    spdlog::info("redis {}, for {}: no more errors", of.name, of.use);
  }
}

}  // namespace fairlead::gateway
