// SPDX-License-Identifier: Apache-2.0
// What a Redis says: a reply is read within its bytes, the same however much follows it, and never before it is whole;
// levels are read from whatever it holds.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fairlead/limit/redis_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::limit;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<RespValue> reply, again;
  std::size_t used = 0, unused = 0;
  if (parse_resp(text, used, reply) != RespStatus::kComplete) return 0;
  if (used > size || reply.empty() || reply.size() > kMostRespValues) std::abort();
  for (const auto& value : reply)
    if (!value.text.empty() && (value.text.data() < text.data() || value.text.end() > text.end())) std::abort();
  if (parse_resp(text.substr(0, used), unused, again) != RespStatus::kComplete || again.size() != reply.size())
    std::abort();
  if (parse_resp(text.substr(0, used - 1), unused, again) != RespStatus::kMore) std::abort();

  for (const auto algorithm : {Algorithm::kTokenBucket, Algorithm::kFixedWindow, Algorithm::kSlidingWindow}) {
    Rule rule{.algorithm = algorithm, .requests = 10, .burst = 20};
    rule.settle();
    std::array items{SharedItem{.rule = &rule, .key = "k", .cost = 3}};
    std::int64_t time = 0;
    const auto status = read_take(reply, items, time);
    if (status == TakeStatus::kAllowed && !items[0].level.allowed) std::abort();
    if (items[0].level.remaining > items[0].level.limit) std::abort();
  }
  return 0;
}
