// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/health_checker.hpp"

#include <algorithm>
#include <array>

#include "fairlead/upstream/backend.hpp"
#include "fairlead/upstream/hash.hpp"

namespace fairlead::upstream {

TargetId target_id(const EndpointSpec& endpoint, const HealthCheckSpec& check, const void* tls) {
  auto id = hash64(endpoint_name(endpoint.address), static_cast<std::uint64_t>(check.kind));
  for (const std::string_view text :
       {std::string_view(endpoint.hostname), std::string_view(check.path), std::string_view(check.method),
        std::string_view(check.host), std::string_view(check.grpc_service), std::string_view(check.send),
        std::string_view(check.expect)})
    id = hash64(text, id);
  const auto number = [&](auto value) { id = rehash(id, static_cast<std::uint64_t>(value) + 1); };
  for (const auto time : {check.interval, check.unhealthy_interval, check.no_traffic_interval, check.timeout})
    number(time.count());
  for (const auto count : {check.jitter_percent, check.healthy_threshold, check.unhealthy_threshold}) number(count);
  if (check.unhealthy_thresholds)
    for (const auto count : *check.unhealthy_thresholds) number(count);
  for (const auto* ranges : {&check.expected, &check.failing}) {
    number(ranges->size());
    for (const auto& range : *ranges) number(range.first * 65536u + range.last);
  }
  number(check.port * 4u + (check.http2 ? 2u : 0u) + (check.tls ? 1u : 0u));
  number(check.proxy_protocol);
  if (check.tls) number(reinterpret_cast<std::uintptr_t>(tls));
  return id;
}

/// One target: its timer, its probe, its run of answers.
class HealthChecker::Target final : public ListNode,
                                    public event::Retired,
                                    private event::Timer,
                                    private ProbeListener {
 public:
  Target(HealthChecker& checker, TargetId id, const EndpointSpec& endpoint, const HealthCheckSpec& check,
         std::shared_ptr<const void> tls)
      : checker_(&checker), id_(id), endpoint_(endpoint), check_(check), tls_(std::move(tls)) {}
  ~Target() override = default;

  [[nodiscard]] TargetId id() const { return id_; }
  [[nodiscard]] bool healthy() const { return healthy_; }
  [[nodiscard]] TargetState state(const std::string& cluster) const {
    auto at = endpoint_.address;
    if (check_.port != 0) at.port = check_.port;
    return {.target = id_,
            .cluster = cluster,
            .backend = endpoint_name(at),
            .kind = check_.kind,
            .asked = !first_,
            .healthy = healthy_,
            .why = why_};
  }

  /// Stops; the object itself goes at the end of the turn, as a probe may be calling.
  void leave() {
    ListNode::unlink();
    checker_->clock_.timers().cancel(*this);
    if (probe_) --checker_->probing_;
    probe_.reset();
    left_ = true;
  }

  /// At once, or in its turn.
  void ask() {
    checker_->waiting_->push_back(*this);
    checker_->start_waiting();
  }

  void start() {
    ListNode::unlink();
    auto probe = checker_->prober_.start(endpoint_, check_, tls_, *this);
    ++checker_->counters_.probes;
    if (!probe) return answer(ProbeEnd::kConnect, probe.error().message);
    probe_ = std::move(*probe);
    ++checker_->probing_;
    arm_in(check_.timeout);
  }

  void use(bool traffic) {
    ++users_;
    set_traffic(traffic);
  }
  [[nodiscard]] bool unuse() { return --users_ == 0; }
  /// Any cluster with traffic makes it probed at the full rate.
  void set_traffic(bool traffic) { traffic_ = traffic_ || traffic; }
  void forget_traffic() { traffic_ = false; }

 private:
  void on_timer() override {
    if (!probe_) return ask();
    ++checker_->counters_.timeouts;
    end_probe();
    answer(ProbeEnd::kTimeout, "timed out");
    checker_->start_waiting();
  }

  void on_probe(ProbeEnd end, std::string_view why) override {
    if (left_ || !probe_) return;
    checker_->clock_.timers().cancel(*this);
    end_probe();
    answer(end, why);
    checker_->start_waiting();
  }

  void end_probe() {
    struct Ended final : event::Retired {
      explicit Ended(std::unique_ptr<Probe> of) : probe(std::move(of)) {}
      std::unique_ptr<Probe> probe;
    };
    --checker_->probing_;
    checker_->clock_.retire(std::make_unique<Ended>(std::move(probe_)));
  }

  void answer(ProbeEnd end, std::string_view why) {
    if (end == ProbeEnd::kUnclear) return schedule();
    const bool success = end == ProbeEnd::kSuccess;
    ++(success ? checker_->counters_.successes : checker_->counters_.failures);
    why_ = why;
    const bool changes = count(end) && success != healthy_;
    first_ = false;
    if (changes) healthy_ = success;
    schedule();
    if (changes) checker_->report(*this, why);
  }

  /// Whether this answer makes the target what it says; the first one does so alone.
  bool count(ProbeEnd end) {
    const bool apart = check_.unhealthy_thresholds.has_value();
    if (end == ProbeEnd::kSuccess) {
      failures_ = {};
      return ++successes_ >= check_.healthy_threshold || first_;
    }
    successes_ = 0;
    const auto kind = apart ? static_cast<std::size_t>(end) : 0;
    const auto threshold = apart ? (*check_.unhealthy_thresholds)[kind] : std::max(check_.unhealthy_threshold, 1u);
    return threshold != 0 && (++failures_[kind] >= threshold || first_);
  }

  void schedule() {
    const bool quiet = !traffic_ && check_.no_traffic_interval.count() > 0;
    const bool ill = !healthy_ && check_.unhealthy_interval.count() > 0;
    const auto usual = ill ? check_.unhealthy_interval : check_.interval;
    const auto interval = std::max(quiet ? check_.no_traffic_interval : usual, milliseconds(1));
    const auto jitter =
        static_cast<std::uint32_t>(std::min<std::int64_t>(interval.count() * check_.jitter_percent / 100, 1 << 30));
    arm_in(interval + milliseconds(jitter > 0 ? checker_->random_.below(jitter + 1) : 0));
  }

  void arm_in(milliseconds time) {
    checker_->clock_.timers().arm(
        *this, checker_->clock_.now_ms() + static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 1)));
  }

  HealthChecker* checker_;
  TargetId id_;
  EndpointSpec endpoint_;
  HealthCheckSpec check_;
  std::shared_ptr<const void> tls_;
  std::unique_ptr<Probe> probe_;
  std::string why_;
  std::uint32_t users_ = 0;
  std::uint32_t successes_ = 0;  // in a row
  std::array<std::uint32_t, 3> failures_{};  // since the last success; all in the first where they count together
  bool traffic_ = false;
  bool healthy_ = true;
  bool first_ = true;
  bool left_ = false;
};

HealthChecker::HealthChecker(Clock& clock, Prober& prober, HealthListener& listener, std::uint64_t seed)
    : clock_(clock), prober_(prober), listener_(listener), random_(seed), waiting_(std::make_unique<List<Target>>()) {}

HealthChecker::~HealthChecker() {
  for (auto& [id, target] : targets_) target->leave();
}

void HealthChecker::apply(const ClusterSpec& spec) {
  Used now;
  const auto old = clusters_.find(spec.name);
  if (old != clusters_.end()) now.traffic = old->second.traffic;
  for (const auto& check : spec.checks)
    for (const auto& endpoint : spec.endpoints) add(endpoint, check, spec.tls, now);
  if (old != clusters_.end()) release(old->second);  // after the new ones, so that what stays keeps its state
  clusters_.insert_or_assign(spec.name, std::move(now));
}

void HealthChecker::add(const EndpointSpec& endpoint, const HealthCheckSpec& check,
                        const std::shared_ptr<const void>& tls, Used& used) {
  const auto id = target_id(endpoint, check, tls.get());
  auto& target = targets_[id];
  const bool fresh = !target;
  if (fresh) target = std::make_unique<Target>(*this, id, endpoint, check, tls);
  target->use(used.traffic);
  used.targets.push_back(id);
  if (fresh) target->ask();
}

void HealthChecker::release(const Used& used) {
  for (const auto id : used.targets) {
    const auto found = targets_.find(id);
    if (found == targets_.end() || !found->second->unuse()) continue;
    const bool failing = !found->second->healthy();
    found->second->leave();
    clock_.retire(std::move(found->second));
    targets_.erase(found);
    // Nobody looks any more: what is not known counts as healthy.
    if (failing) listener_.on_health({.target = id, .healthy = true}, "no longer checked");
  }
  start_waiting();
}

void HealthChecker::remove(const std::string& cluster) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end()) return;
  release(std::exchange(found->second, {}));
  clusters_.erase(found);
}

void HealthChecker::set_traffic(const std::string& cluster, bool traffic) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end() || found->second.traffic == traffic) return;
  found->second.traffic = traffic;
  for (auto& [id, target] : targets_) target->forget_traffic();
  for (const auto& [name, used] : clusters_)
    for (const auto id : used.targets) targets_[id]->set_traffic(used.traffic);
}

void HealthChecker::start_waiting() {
  while (probing_ < kMaxProbes) {
    auto* target = waiting_->front();
    if (target == nullptr) return;
    target->start();
  }
}

void HealthChecker::report(const Target& target, std::string_view why) {
  ++(target.healthy() ? counters_.became_healthy : counters_.became_unhealthy);
  listener_.on_health({.target = target.id(), .healthy = target.healthy()}, why);
}

std::vector<TargetState> HealthChecker::states() const {
  std::vector<TargetState> out;
  for (const auto& [cluster, used] : clusters_)
    for (const auto id : used.targets)
      if (const auto found = targets_.find(id); found != targets_.end()) out.push_back(found->second->state(cluster));
  return out;
}

std::size_t HealthChecker::failing() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(targets_, [](const auto& each) { return !each.second->healthy(); }));
}

HealthSnapshot HealthChecker::snapshot() const {
  std::vector<TargetId> failing;
  for (const auto& [id, target] : targets_)
    if (!target->healthy()) failing.push_back(id);
  std::ranges::sort(failing);
  return std::make_shared<const std::vector<TargetId>>(std::move(failing));
}

}  // namespace fairlead::upstream
