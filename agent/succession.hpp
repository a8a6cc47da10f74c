// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "agent/datapath/carry.hpp"
#include "agent/datapath/inherit.hpp"
#include "agent/datapath/services.hpp"
#include "agent/kernel/skeleton.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::agent {

/// Takes over what an agent whose maps cannot be adopted, as they are of another version, knew: connections, session
/// affinity, peers of unconnected UDP sockets, ejections, series and counters. A failure in here costs those their
/// counts and names, never their bytes: it is logged, and the start goes on.
/// Owner: Agent, while it starts. Thread: main.
class Succession {
 public:
  Succession(const kernel::Datapath& datapath, const datapath::Services& services);

  /// Before the new programs stand: makes known what they look up.
  void prepare();
  /// After: takes what came in between, and the sums.
  void complete();

 private:
  Result<> open();
  Result<> open_estates();
  Result<> carry_and_count();
  Result<> take_rows();
  Result<> show_udp_peers(const kernel::MapSet& old) const;
  Result<> list_udp_held(const kernel::MapSet& old) const;
  Result<> hide_udp_peers() const;
  Result<std::size_t> add_series(const kernel::MapSet& old, const datapath::Inheritance& inheritance) const;
  Result<> add_backend_series(const kernel::MapSet& old, const datapath::Inheritance& inheritance) const;
  Result<> add_counters(const kernel::MapSet& old) const;
  void report_missing() const;

  const kernel::Datapath& datapath_;
  const datapath::Services& services_;
  std::optional<datapath::Carry> carry_;
  std::vector<kernel::MapSet> old_;
  std::vector<datapath::Inheritance> inheritances_;  ///< of each of those
};

}  // namespace fairlead::agent
