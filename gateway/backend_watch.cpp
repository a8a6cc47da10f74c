// SPDX-License-Identifier: Apache-2.0
#include "gateway/backend_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/upstream/connector.hpp"
#include "fairlead/upstream/dns_resolver.hpp"
#include "fairlead/upstream/levels.hpp"
#include "fairlead/upstream/probers.hpp"

namespace fairlead::gateway {

using upstream::ClusterChanges;
using upstream::ClusterSpecRef;

/// Owner: BackendWatch. Thread: its own, from making to end.
struct BackendWatch::Parts {
  Parts(event::Reactor& its_reactor, std::unique_ptr<upstream::DnsResolver> its_resolver, BackendWatch& watch)
      : reactor(its_reactor),
        resolver(std::move(its_resolver)),
        checker(clock, prober, watch, static_cast<std::uint64_t>(reactor.now_ns())),
        names(clock, *resolver, [&watch](const std::string& cluster, const std::vector<upstream::EndpointSpec>&) {
          watch.on_names(cluster);
        }) {}

  /// With the addresses of names.
  [[nodiscard]] ClusterSpecRef resolved(const ClusterSpecRef& spec) const {
    if (spec->dns.empty()) return spec;
    auto out = std::make_shared<upstream::ClusterSpec>(*spec);
    out->endpoints = names.endpoints(*spec);
    out->hash_tables = upstream::build_hash_tables(*out);
    return out;
  }
  ClusterSpecRef watch_one(const ClusterSpecRef& spec) {
    if (spec->dns.empty()) {
      if (by_name.erase(spec->name) > 0) names.remove(spec->name);
    } else {
      by_name.insert_or_assign(spec->name, spec);
      names.apply(spec);
    }
    return check(resolved(spec));
  }
  ClusterSpecRef check(ClusterSpecRef spec) {
    if (!spec->checks.empty()) {
      checker.apply(*spec);
      checked.insert(spec->name);
    } else if (checked.erase(spec->name) > 0) {
      checker.remove(spec->name);
    }
    return spec;
  }
  void forget(const std::string& cluster) {
    if (by_name.erase(cluster) > 0) names.remove(cluster);
    if (checked.erase(cluster) > 0) checker.remove(cluster);
  }

  event::Reactor& reactor;
  net::MemoryBudget budget;
  net::ChunkPool pool{budget};
  http::H1Context h1{reactor, pool};
  upstream::Connector connector{reactor, pool, h1};
  upstream::NetworkProber prober{reactor, connector};
  upstream::ReactorClock clock{reactor};
  std::unique_ptr<upstream::DnsResolver> resolver;
  std::unordered_map<std::string, ClusterSpecRef> by_name;  // clusters that have names
  std::set<std::string> checked;                            // clusters that have checks
  upstream::HealthChecker checker;
  upstream::DnsEndpoints names;
};

Result<std::unique_ptr<BackendWatch>> BackendWatch::start(Workers& workers, event::Loop& loop,
                                                          const std::string& dns_servers) {
  std::unique_ptr<BackendWatch> self(new BackendWatch(workers, loop));
  auto* raw = self.get();
  FL_TRY(self->thread_, event::Worker::start(
                            {.name = "backends"},
                            [raw, dns_servers](event::Reactor& reactor) -> Result<> {
                              FL_TRY(auto resolver, upstream::DnsResolver::create(reactor, dns_servers));
                              raw->parts_ = std::make_unique<Parts>(reactor, std::move(resolver), *raw);
                              return {};
                            },
                            [raw] { raw->parts_.reset(); }));
  return self;
}

BackendWatch::BackendWatch(Workers& workers, event::Loop& loop) : workers_(workers), loop_(loop) {}

BackendWatch::~BackendWatch() {
  if (thread_ == nullptr) return;
  thread_->stop();
  thread_->join();
}

ClusterChanges BackendWatch::apply(const ClusterChanges& changes) {
  ClusterChanges out{.updated = {}, .removed = changes.removed};
  thread_->call([&] {
    for (const auto& name : changes.removed) parts_->forget(name);
    for (const auto& spec : changes.updated) out.updated.push_back(parts_->watch_one(spec));
  });
  return out;
}

void BackendWatch::on_health(upstream::HealthChange change, std::string_view why) {
  workers_.post(change);
  for (const auto& state : parts_->checker.states())
    if (state.target == change.target)
      spdlog::log(change.healthy ? spdlog::level::info : spdlog::level::warn, "backend {} of {} {}{}{}", state.backend,
                  state.cluster, change.healthy ? "is healthy" : "fails its health check", why.empty() ? "" : ": ",
                  why);
}

/// On the thread: main is to publish.
void BackendWatch::on_names(const std::string& cluster) {
  const std::scoped_lock lock(mutex_);
  changed_.insert(cluster);
  answered_.notify_all();
  if (!std::exchange(posted_, true)) loop_.post([this] { publish_names(); });
}

void BackendWatch::publish_names() {
  std::set<std::string> changed;
  {
    const std::scoped_lock lock(mutex_);
    posted_ = false;
    changed.swap(changed_);
  }
  ClusterChanges out;
  thread_->call([&] {
    for (const auto& name : changed)
      if (const auto found = parts_->by_name.find(name); found != parts_->by_name.end())
        out.updated.push_back(parts_->check(parts_->resolved(found->second)));
  });
  for (const auto& spec : out.updated)
    spdlog::info("backends of {}: {} addresses by DNS", spec->name, spec->endpoints.size());
  if (!out.updated.empty()) workers_.apply(out);
}

void BackendWatch::await_names(std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    std::size_t missing = 0;
    thread_->call([&] { missing = parts_->names.unanswered(); });
    if (missing == 0) break;
    std::unique_lock lock(mutex_);
    const auto before = changed_.size();
    // What is no good answer changes nothing and wakes nobody: so looked at again now and then.
    answered_.wait_for(lock, std::chrono::milliseconds(20), [&] { return changed_.size() != before; });
    if (std::chrono::steady_clock::now() >= end) break;
  }
  publish_names();
  for (const auto& one : state().names)
    if (one.addresses.empty())
      spdlog::warn("{}: {}; asked again", one.name, one.answered ? "no address" : "no answer yet");
}

BackendWatch::State BackendWatch::state() {
  State out;
  thread_->call([&] {
    out.checks = parts_->checker.counters();
    out.dns = parts_->names.counters();
    out.targets = parts_->checker.targets();
    out.failing = parts_->checker.failing();
    out.names = parts_->names.states();
    out.backends = parts_->checker.states();
  });
  std::ranges::sort(out.backends, {}, [](const auto& one) { return std::tie(one.cluster, one.backend); });
  return out;
}

}  // namespace fairlead::gateway
