// SPDX-License-Identifier: Apache-2.0
#include "agent/upkeep.hpp"

#include <spdlog/spdlog.h>

namespace fairlead::agent {
namespace {

using namespace std::chrono_literals;

// A connect that took its backend just before the row was marked has its socket remembered within microseconds; the
// second look is late enough for a loaded machine and early enough for rows that rest ten seconds.
constexpr auto kSecondLook = 1s;
constexpr auto kRecountPeriod = 60s;

}  // namespace

Result<std::unique_ptr<Upkeep>> Upkeep::open(const kernel::Datapath& datapath, const datapath::Services& services,
                                             event::Loop& loop) {
  const auto loaded = datapath.loaded();
  FL_TRY(auto sockets, datapath::Sockets::open(loaded));
  if (!sockets.by_bpf()) spdlog::info("sockets are ended by netlink: this kernel has no bpf_sock_destroy");
  std::unique_ptr<Upkeep> self(new Upkeep(std::move(sockets), services, loop));
  if (auto recount = datapath::Recount::open(loaded)) {
    self->recount_ = std::move(*recount);
    loop.every(kRecountPeriod, [raw = self.get()] { raw->recount(); });
  } else if (recount.error().code != ENOTSUP) {
    return fail(std::move(recount.error()));
  }
  return self;
}

void Upkeep::recount() {
  if (!recount_) return;
  const auto found = recount_->run(services_.tables());
  if (!found) spdlog::error("counting connections anew: {}", found.error().message);
  else if (found->corrected != 0)
    spdlog::info("{} counters of connections were not what the sockets say: corrected", found->corrected);
}

void Upkeep::end_sockets() {
  end_once();
  if (again_) return;
  again_ = true;
  loop_.after(kSecondLook, [this] {
    again_ = false;
    end_once();
  });
}

void Upkeep::end_once() {
  const auto ended = sockets_.end_doomed();
  if (!ended) {
    spdlog::error("ending sockets: {}", ended.error().message);
    return;
  }
  if (ended->sockets != 0)
    spdlog::info("ended {} sockets whose endpoint is gone or whose policy changed", ended->sockets);
  if (ended->unreachable != 0)
    spdlog::warn("{} sockets have to end but stay: no process is in their network namespace", ended->unreachable);
}

}  // namespace fairlead::agent
