// SPDX-License-Identifier: Apache-2.0
#include "fairlead/abi/metric.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace fairlead {
namespace {

/// As its comment has it: bucket i counts values below 2^(i+4), the last one all others.
int expected(std::uint64_t us) {
  int bucket = 0;
  while (bucket < FL_LATENCY_BUCKETS - 1 && us >= (std::uint64_t{16} << bucket)) ++bucket;
  return bucket;
}

TEST(LatencyBucket, AroundEveryPowerOfTwo) {
  for (std::uint64_t power = 1; power != 0; power <<= 1)
    for (const std::uint64_t us : {power - 1, power, power + 1}) EXPECT_EQ(fl_latency_bucket(us), expected(us)) << us;
  EXPECT_EQ(fl_latency_bucket(~std::uint64_t{0}), FL_LATENCY_BUCKETS - 1);
}

}  // namespace
}  // namespace fairlead
