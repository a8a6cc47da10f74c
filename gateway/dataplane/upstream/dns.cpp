// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/dns.hpp"

#include <algorithm>

namespace fairlead::upstream {

/// One name, however many clusters use it: its addresses, its next question.
class DnsEndpoints::Name final : public event::Retired, private event::Timer, private DnsListener {
 public:
  Name(DnsEndpoints& owner, std::string name, const DnsSpec& spec)
      : owner_(owner), name_(std::move(name)), spec_(spec) {
    ++owner_.unanswered_;
  }
  ~Name() override = default;

  void ask() {
    ++owner_.counters_.queries;
    query_ = owner_.resolver_.resolve(name_, *this);
  }
  /// Stops; the object goes at the end of the turn.
  void leave() {
    owner_.clock_.timers().cancel(*this);
    query_.reset();
    if (!std::exchange(answered_, true)) --owner_.unanswered_;
  }
  void use() { ++users_; }
  [[nodiscard]] bool unuse() { return --users_ == 0; }
  [[nodiscard]] NameState state() const {
    return {.name = name_, .addresses = addresses_, .answered = answered_, .last = last_};
  }
  [[nodiscard]] const std::vector<Address>& addresses() const { return addresses_; }

 private:
  void on_timer() override { ask(); }

  void on_answer(const DnsAnswer& answer) override {
    finish_query();
    if (!std::exchange(answered_, true)) --owner_.unanswered_;
    last_ = answer.status;
    if (answer.status == DnsStatus::kAnswer && !answer.addresses.empty()) return take(answer);
    const bool failed = answer.status == DnsStatus::kFailure;
    ++(failed ? owner_.counters_.failures : owner_.counters_.negative);
    const auto wait =
        std::min(spec_.failure_refresh * (std::int64_t{1} << std::min(failures_, 20u)), spec_.greatest_ttl);
    ++failures_;
    // A negative answer has a TTL of its own; sooner nothing else would be said.
    ask_in(failed ? wait
                  : std::clamp(milliseconds(std::int64_t{answer.ttl_s} * 1000), std::min(wait, spec_.greatest_ttl),
                               spec_.greatest_ttl));
  }

  void take(const DnsAnswer& answer) {
    ++owner_.counters_.answers;
    failures_ = 0;
    const auto greatest = std::max(spec_.greatest_ttl, spec_.least_ttl);
    ask_in(std::clamp(milliseconds(std::int64_t{answer.ttl_s} * 1000), spec_.least_ttl, greatest));
    auto addresses = answer.addresses;
    std::ranges::sort(addresses);  // servers rotate their answers: order means nothing
    addresses.erase(std::ranges::unique(addresses).begin(), addresses.end());
    if (addresses == addresses_) return;
    addresses_ = std::move(addresses);
    ++owner_.counters_.changes;
    owner_.publish(name_);
  }

  void finish_query() {
    struct Ended final : event::Retired {
      explicit Ended(std::unique_ptr<DnsQuery> of) : query(std::move(of)) {}
      std::unique_ptr<DnsQuery> query;
    };
    owner_.clock_.retire(std::make_unique<Ended>(std::move(query_)));
  }

  void ask_in(milliseconds time) {
    owner_.clock_.timers().arm(
        *this, owner_.clock_.now_ms() + static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 1)));
  }

  DnsEndpoints& owner_;
  std::string name_;
  DnsSpec spec_;  // of the first cluster that asked
  std::unique_ptr<DnsQuery> query_;
  std::vector<Address> addresses_;
  std::uint32_t users_ = 0;
  std::uint32_t failures_ = 0;  // in a row
  DnsStatus last_ = DnsStatus::kFailure;
  bool answered_ = false;
};

DnsEndpoints::DnsEndpoints(Clock& clock, Resolver& resolver, Changed changed)
    : clock_(clock), resolver_(resolver), changed_(std::move(changed)) {}

DnsEndpoints::~DnsEndpoints() {
  for (auto& [name, state] : names_) state->leave();
}

void DnsEndpoints::apply(ClusterSpecRef spec) {
  const auto old = clusters_.find(spec->name);
  const auto before = old == clusters_.end() ? nullptr : old->second;
  clusters_.insert_or_assign(spec->name, spec);
  for (const auto& dns : spec->dns) {
    auto& name = names_[dns.name];
    const bool fresh = !name;
    if (fresh) name = std::make_unique<Name>(*this, dns.name, dns);
    name->use();
    if (fresh) name->ask();
  }
  if (before) release(*before);  // after the new ones, so that what stays keeps its addresses
}

void DnsEndpoints::remove(const std::string& cluster) {
  const auto found = clusters_.find(cluster);
  if (found == clusters_.end()) return;
  const auto spec = found->second;
  clusters_.erase(found);
  release(*spec);
}

void DnsEndpoints::release(const ClusterSpec& spec) {
  for (const auto& dns : spec.dns) {
    const auto found = names_.find(dns.name);
    if (found == names_.end() || !found->second->unuse()) continue;
    found->second->leave();
    clock_.retire(std::move(found->second));
    names_.erase(found);
  }
}

std::vector<EndpointSpec> DnsEndpoints::endpoints(const ClusterSpec& spec) const {
  auto out = spec.endpoints;
  for (const auto& dns : spec.dns) {
    const auto found = names_.find(dns.name);
    if (found == names_.end()) continue;
    auto hostname = dns.name;
    if (hostname.ends_with('.')) hostname.pop_back();  // said for the resolver only
    for (const auto& address : found->second->addresses())
      out.push_back(
          {.address = {address, dns.port}, .hostname = hostname, .weight = dns.weight, .priority = dns.priority});
  }
  return out;
}

std::vector<NameState> DnsEndpoints::states() const {
  std::vector<NameState> out;
  for (const auto& [name, state] : names_) out.push_back(state->state());
  std::ranges::sort(out, {}, &NameState::name);
  return out;
}

void DnsEndpoints::publish(const std::string& name) {
  for (const auto& [cluster, spec] : clusters_)
    if (std::ranges::find(spec->dns, name, &DnsSpec::name) != spec->dns.end()) changed_(cluster, endpoints(*spec));
}

}  // namespace fairlead::upstream
