// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "agent/datapath/recount.hpp"
#include "agent/datapath/services.hpp"
#include "agent/datapath/sockets.hpp"
#include "agent/kernel/skeleton.hpp"
#include "fairlead/base/result.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::agent {

/// What has to be done for sockets that exist already: those that have to end are ended, and what is
/// counted of them is put right where programs missed something.
/// Owner: Agent. Thread: main.
class Upkeep {
 public:
  static Result<std::unique_ptr<Upkeep>> open(const kernel::Datapath& datapath, const datapath::Services& services,
                                              event::Loop& loop);

  /// Ends sockets whose endpoint is gone or that policy forbids: now, and once more for connects that were under way.
  void end_sockets();
  /// Compares the counts of connections with the sockets; also done every minute.
  void recount();

  [[nodiscard]] const datapath::Sockets& sockets() const { return sockets_; }

 private:
  Upkeep(datapath::Sockets sockets, const datapath::Services& services, event::Loop& loop)
      : sockets_(std::move(sockets)), services_(services), loop_(loop) {}
  void end_once();

  datapath::Sockets sockets_;
  std::optional<datapath::Recount> recount_;  // none where the kernel does not take its program
  const datapath::Services& services_;
  event::Loop& loop_;
  bool again_ = false;
};

}  // namespace fairlead::agent
