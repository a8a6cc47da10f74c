// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/redis_client.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "fairlead/limit/clocks.hpp"

namespace fairlead::limit {
namespace {

constexpr std::uint16_t kUnknown = 0xffff;

std::string_view take_word(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const auto out = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

}  // namespace

void RedisPlaces::set(std::vector<std::string> addresses) {
  const std::scoped_lock lock(mutex_);
  if (*addresses_ == addresses) return;
  addresses_ = std::make_shared<const std::vector<std::string>>(std::move(addresses));
  version_.fetch_add(1, std::memory_order_release);
}

RedisPlaces::Addresses RedisPlaces::now() const {
  const std::scoped_lock lock(mutex_);
  return addresses_;
}

RedisClient::RedisClient(event::Reactor& reactor, std::shared_ptr<const RedisConfig> config,
                         std::unique_ptr<Names> names)
    : reactor_(reactor), config_(std::move(config)), names_(std::move(names)) {
  if (!config_->sentinel_master.empty())
    sentinel_ = std::make_unique<Sentinel>(reactor, config_, names_.get(),
                                           [this](std::optional<net::Endpoint> where) { nodes_[0]->located(where); });
  make_nodes();
  config_->totals->add(counters_);
}

RedisClient::~RedisClient() {
  if (deferred()) reactor_.forget(*this);
  leaving_.clear();
  nodes_.clear();
  config_->totals->remove(counters_);
}

/// Of several servers that are no cluster the first one counts, for all gateways alike: counts are not to be in two.
void RedisClient::make_nodes() {
  if (config_->places != nullptr) version_ = config_->places->version();
  std::vector<std::string> wanted{config_->sentinel_master};
  if (sentinel_ == nullptr) wanted = *config_->now();
  if (sentinel_ == nullptr && !config_->cluster && wanted.size() > 1) wanted.resize(1);
  if (const bool nowhere = wanted.empty(); nowhere != (counters_.nowhere != 0))
    nowhere ? ++counters_.nowhere : --counters_.nowhere;
  if (wanted == made_of_) return;
  std::ranges::move(nodes_, std::back_inserter(leaving_));
  nodes_.clear();
  NodeOwner& owner = *this;
  for (const auto& address : wanted)
    nodes_.push_back(std::make_unique<RedisNode>(reactor_, config_, names_.get(), owner, counters_, address));
  if (config_->cluster) slots_.assign(kSlots, kUnknown);
  made_of_ = std::move(wanted);
  if (!leaving_.empty())
    reactor_.timers().arm(*this, reactor_.now_ms() + static_cast<std::uint64_t>(config_->timeout.count()) + 1);
}

/// At the turn's end: nodes may be at work now.
void RedisClient::follow() {
  if (config_->places != nullptr && config_->places->version() != version_ && !deferred()) reactor_.defer(*this);
}

void RedisClient::on_turn_end() { make_nodes(); }

/// All that they were asked has been answered, or given up, by now.
void RedisClient::on_timer() { leaving_.clear(); }

bool RedisClient::ask(RedisQuestion& ask) {
  ++counters_.asked;
  follow();
  if (auto* node = node_of(ask.key()); node != nullptr && node->take(ask)) return true;
  ++counters_.not_connected;
  return false;
}

void RedisClient::give_back(const GiveBack& what) {
  if (auto* node = node_of(what.key); node != nullptr && node->tell(what)) ++counters_.given_back;
  else ++counters_.not_given_back;
}

void RedisClient::note_lease(std::uint64_t requests) {
  ++counters_.leases;
  counters_.leased.add(requests);
}

void RedisClient::flush() {
  for (const auto& node : nodes_) node->flush();
}

std::string RedisClient::failure() const {
  for (const auto& node : nodes_)
    if (!node->failure().empty()) return node->address() + ": " + node->failure();
  return nodes_.empty() ? config_->name + ": no endpoint is ready" : std::string();
}

std::int64_t RedisClient::redis_us() const { return unix_us() + ahead_us_; }

/// Of a cluster: who has the slot; where that is not known, any that is there says who has.
RedisNode* RedisClient::node_of(std::string_view key) {
  if (nodes_.empty()) return nullptr;
  if (slots_.empty()) return nodes_[0].get();
  const auto known = slots_[hash_slot(key)];
  if (known != kUnknown) return nodes_[known].get();
  const auto ready = std::ranges::find_if(nodes_, [](const auto& node) { return node->ready(); });
  if (ready != nodes_.end()) return ready->get();
  const auto fresh = std::ranges::find_if(nodes_, [](const auto& node) { return !node->failing(); });
  return fresh != nodes_.end() ? fresh->get() : nodes_[0].get();
}

RedisNode* RedisClient::find_node(std::string_view address) {
  const auto found =
      std::ranges::find(nodes_, address, [](const auto& node) { return std::string_view(node->address()); });
  if (found != nodes_.end()) return found->get();
  if (nodes_.size() >= kMostNodes || !split_host_port(address)) return nullptr;
  NodeOwner& owner = *this;
  nodes_.push_back(
      std::make_unique<RedisNode>(reactor_, config_, names_.get(), owner, counters_, std::string(address)));
  return nodes_.back().get();
}

void RedisClient::on_node_failed(RedisNode& node) {
  if (sentinel_) sentinel_->stop();
  if (slots_.empty()) return;
  const auto index = std::ranges::find_if(nodes_, [&](const auto& one) { return one.get() == &node; }) - nodes_.begin();
  std::ranges::replace(slots_, static_cast<std::uint16_t>(index), kUnknown);  // others know its successor
}

bool RedisClient::locate(RedisNode&) {
  if (sentinel_) sentinel_->ask();
  return sentinel_ != nullptr;
}

void RedisClient::on_node_reply(RedisNode& node, RedisQuestion& ask, std::span<const RespValue> reply) {
  if (reply[0].type == RespValue::Type::kError) return on_error(node, ask, reply[0].text);
  std::optional<std::int64_t> time_us;
  const auto status = ask.read(reply, time_us);
  if (status == ReplyStatus::kBroken) return give_up(ask, NoAnswer::kError);
  if (time_us) ahead_us_ = *time_us - unix_us();
  if (status == ReplyStatus::kComplete) {
    ++counters_.answered;
    reactor_.timers().cancel(ask);
    return ask.on_reply();
  }
  if (++ask.tries_ > kMostTries || !node.take(ask)) give_up(ask, NoAnswer::kError);
}

void RedisClient::on_error(RedisNode& node, RedisQuestion& ask, std::string_view text) {
  if (text.starts_with("NOSCRIPT ") && ++ask.tries_ <= kMostTries) {
    ++counters_.reloads;
    if (node.take(ask, true)) return;
  } else if (!slots_.empty() && (text.starts_with("MOVED ") || text.starts_with("ASK "))) {
    ++counters_.redirects;
    if (redirect(node, ask, text)) return;
  } else if (text.starts_with("READONLY ")) {
    node.drop();
  }
  note_refusal(node, text);
  give_up(ask, NoAnswer::kError);
}

/// A Redis that is full says the same to every request: it is noted once.
void RedisClient::note_refusal(const RedisNode& node, std::string_view text) {
  constexpr std::size_t kMost = 200;
  text = text.substr(0, kMost);
  if (text == refusal_) return;
  refusal_ = text;
  config_->totals->note_refusal(node.address() + ": " + refusal_);
}

/// "MOVED 3999 127.0.0.1:6381"; without a host it is the one that says so.
bool RedisClient::redirect(RedisNode& from, RedisQuestion& ask, std::string_view text) {
  const bool moved = take_word(text) == "MOVED";
  const auto slot_text = take_word(text);
  std::uint16_t slot = 0;
  const auto [at, error] = std::from_chars(slot_text.data(), slot_text.data() + slot_text.size(), slot);
  if (error != std::errc{} || slot >= kSlots || ++ask.tries_ > kMostTries) return false;
  std::string address(take_word(text));
  if (address.starts_with(':')) address.insert(0, from.address().substr(0, from.address().rfind(':')));
  auto* node = find_node(address);
  if (node == nullptr) return false;
  if (moved) {
    const auto index =
        std::ranges::find_if(nodes_, [&](const auto& one) { return one.get() == node; }) - nodes_.begin();
    slots_[slot] = static_cast<std::uint16_t>(index);
  }
  return node->take(ask, !moved, !moved);
}

void RedisClient::give_up(RedisQuestion& ask, NoAnswer reason) {
  ++counters_.errors;
  reactor_.timers().cancel(ask);
  ask.on_no_answer(reason);
}

}  // namespace fairlead::limit
