// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>

namespace fairlead::upstream {

/// Power of two choices (Mitzenmacher): of two random candidates the cheaper. `draw()` gives a candidate; drawn by
/// weight, with a cost per weight, so weights hold whether or not there is load. `cost(c)` gives what is compared.
/// The second is drawn again a few times where it is the first, so two different ones meet in all but degenerate cases.
template <class Draw, class Cost>
[[nodiscard]] auto power_of_two(Draw&& draw, Cost&& cost) {
  const auto first = draw();
  auto second = draw();
  for (int tries = 0; second == first && tries < 3; ++tries) second = draw();
  return second != first && cost(second) < cost(first) ? second : first;
}

/// The cost of least request: requests under way, the new one included, per unit of weight.
[[nodiscard]] inline double least_request_cost(std::uint32_t active, std::uint32_t weight) {
  return weight == 0 ? std::numeric_limits<double>::infinity()
                     : static_cast<double>(active + 1) / static_cast<double>(weight);
}

}  // namespace fairlead::upstream
