// SPDX-License-Identifier: Apache-2.0
#include "agent/guarding.hpp"

#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>

#include "agent/kernel/netns.hpp"

namespace fairlead::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 20ms;      // a pod's network comes by a dozen messages
constexpr auto kFirstPatience = 200ms;
constexpr auto kLastPatience = 10s;  // an address may be configured by means that no event tells of

}  // namespace

Guarding::Guarding(kernel::Datapath& datapath, policy::Policies& policies, node::ServerGuards guards,
                   node::NetworkWatch watch, event::Loop& loop)
    : datapath_(datapath),
      policies_(policies),
      guards_(std::move(guards)),
      watch_(std::move(watch)),
      loop_(loop),
      patience_(kFirstPatience) {}

Result<std::unique_ptr<Guarding>> Guarding::open(kernel::Datapath& datapath, policy::Policies& policies,
                                                 const std::string& pin_dir, event::Loop& loop) {
  const int program = datapath.program("fl_sk_lookup");
  if (program < 0)
    return fail("this kernel did not take fl_sk_lookup: policies of the server's side cannot be enforced", ENOTSUP);
  FL_TRY(const auto own, kernel::own_netns_cookie());
  FL_TRY(auto watch, node::NetworkWatch::open());
  node::ServerGuards guards(kernel::PinDirectory::at(pin_dir), program, own, !datapath.cgroup().root);
  return std::unique_ptr<Guarding>(new Guarding(datapath, policies, std::move(guards), std::move(watch), loop));
}

Result<> Guarding::follow() {
  for (const int fd : {watch_.netlink(), watch_.inotify()})
    FL_CHECK(loop_.watch(fd, EPOLLIN, [this](std::uint32_t) {
      watch_.drain();
      patience_ = kFirstPatience;
      look_soon(kGather);
    }));
  return {};
}

void Guarding::look_soon(event::Loop::Clock::duration delay) {
  const auto due = event::Loop::Clock::now() + delay;
  if (timer_ != 0 && due_ <= due) return;
  if (timer_ != 0) loop_.cancel(timer_);
  due_ = due;
  timer_ = loop_.after(delay, [this] {
    timer_ = 0;
    look();
  });
}

void Guarding::look() {
  if (const auto looked = refresh(); !looked)
    spdlog::error("guarding the pods' namespaces: {}", looked.error().message);
}

Result<> Guarding::set_guard(bool needed) {
  if (needed == guarding_) return {};
  if (needed) FL_CHECK(datapath_.attach_program("fl_guard"));
  __atomic_store_n(&datapath_.settings().guard, needed ? 1U : 0U, __ATOMIC_RELEASE);
  if (!needed) FL_CHECK(datapath_.detach_program("fl_guard"));
  guarding_ = needed;
  return {};
}

/// Whom an unwritten policy concerns is closed: the others are guarded all the same.
Result<> Guarding::tolerate(const Result<policy::Applied>& applied) const {
  if (applied) return {};
  const auto& unwritten = policies_.unwritten();
  if (!unwritten || unwritten->open != 0) return fail(applied.error());
  spdlog::error("{}", applied.error().message);
  return {};
}

Result<> Guarding::refresh() {
  // Before the look, which takes a moment: whoever is not guarded yet must not be open meanwhile.
  FL_CHECK(set_guard(guarding_ || !policies_.unguarded().empty()));
  FL_TRY(auto addresses, node::own_addresses());
  FL_CHECK(tolerate(policies_.set_host_addresses(std::move(addresses))));
  auto guarded = guards_.refresh([this](const Address& address) { return policies_.is_pod(address); });
  if (guarded) FL_CHECK(tolerate(policies_.set_guarded(std::move(*guarded))));
  const bool missing = !policies_.unguarded().empty();
  FL_CHECK(set_guard(missing));
  if (missing) {
    look_soon(patience_);
    patience_ = std::min<event::Loop::Clock::duration>(patience_ * 2, kLastPatience);
  }
  if (!guarded) return fail(guarded.error());
  return {};
}

}  // namespace fairlead::agent
