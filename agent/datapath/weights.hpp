// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fairlead/abi/service.h"

namespace fairlead::datapath {

/// One column of an alias table, as fl_slot has it.
struct AliasColumn {
  std::uint32_t alias;
  std::uint32_t threshold;
};

/// Vose's alias method: a column chosen evenly and one comparison give index i with probability weights[i]/sum.
[[nodiscard]] std::vector<AliasColumn> alias_table(std::span<const std::uint32_t> weights);

/// Indexes repeated by weight and spread evenly (smooth weighted round robin); weights are reduced by their common
/// divisor and, where the sum is still above `most`, scaled down, each keeping at least one turn.
[[nodiscard]] std::vector<std::uint32_t> round_robin_sequence(std::span<const std::uint32_t> weights,
                                                              std::uint32_t most = 1024);

/// Maglev (Eisenbud et al., NSDI 2016, 3.4): entry -> index. seeds name the backends; equal seeds and weights give an
/// equal table whatever the order of calls, and a backend's leaving moves few entries of others.
[[nodiscard]] std::vector<std::uint16_t> maglev_table(std::span<const std::uint64_t> seeds,
                                                      std::span<const std::uint32_t> weights,
                                                      std::uint32_t size = FL_MAGLEV_SIZE);

}  // namespace fairlead::datapath
