// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agent/datapath/services.hpp"
#include "agent/kernel/map.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/abi/flow.h"

namespace fairlead::datapath {

/// What one recount found.
struct Recounted {
  std::size_t corrected = 0;  ///< counters
  std::size_t walks = 0;
};

/// Puts the counts of connections (fl_svc_state, fl_be_state: active, pending) back to what the sockets themselves say.
/// Programs count on while it looks, so one look proves nothing: a counter is corrected only where walk after walk
/// finds it off to the same side, and by the least that was found. On a service that changes all the time that may be
/// wrong by one, which the next recount finds. Owner: the agent. Thread: main.
class Recount {
 public:
  /// ENOTSUP where this kernel did not take fl_sweep_count.
  static Result<Recount> open(const kernel::Loaded& loaded);

  Result<Recounted> run(const ServiceTables& tables);

 private:
  /// A counter that programs write.
  struct Counter {
    fl_recount_kind kind;
    std::uint32_t row;
    bool pending;
    auto operator<=>(const Counter&) const = default;
  };
  using Suspects = std::map<Counter, std::int32_t>;  // by how much it is too high, at least
  using Found = std::map<std::pair<std::uint32_t, std::uint32_t>, fl_recount>;  // kind and row, of the row's generation

  Recount(kernel::Walk walk, kernel::HashMap<fl_recount_key, fl_recount> found)
      : walk_(std::move(walk)), found_(std::move(found)) {}
  Result<Found> walk(const ServiceTables& tables);

  kernel::Walk walk_;
  kernel::HashMap<fl_recount_key, fl_recount> found_;
};

}  // namespace fairlead::datapath
