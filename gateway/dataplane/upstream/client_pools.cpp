// SPDX-License-Identifier: Apache-2.0
#include "fairlead/upstream/client_pools.hpp"

#include <algorithm>

namespace fairlead::upstream {

ToldClient::~ToldClient() {
  while (auto* pool = pools_.front()) {
    pool->unlink();
    pool->on_client_gone();
  }
}

/// The pool of one client, until it holds nothing.
/// Owner: ClientPools. Thread: its worker's.
class ClientPools::Member final : public ClientPoolNode, public event::Retired, private PoolKeeper {
 public:
  Member(ClientPools& owner, const ToldClient& client)
      : owner_(owner),
        id_(client.id_),
        ends_(client.ends_),
        pool_(owner.context_, owner.backend_, owner.endpoint_, this),
        place_(pool_) {}

  [[nodiscard]] Pool& pool() { return pool_; }
  void on_client_gone() override { pool_.leave(); }

 private:
  [[nodiscard]] const ClientEnds& ends() const override { return ends_; }
  void on_idle() override { owner_.on_idle(place_); }
  void on_busy() override { owner_.on_busy(place_); }
  bool make_room() override { return owner_.close_oldest_idle(); }
  void on_unused() override {
    const auto found = owner_.members_.find(id_);
    if (found == owner_.members_.end() || found->second.get() != this) return;
    auto self = std::move(found->second);
    owner_.members_.erase(found);
    ListNode::unlink();
    owner_.context_.clock.retire(std::move(self));
  }

  ClientPools& owner_;
  std::uint64_t id_;
  ClientEnds ends_;
  Pool pool_;
  IdlePlace place_;
};

ClientPools::ClientPools(ClusterContext& context, BackendContext& backend, const EndpointSpec& endpoint)
    : context_(context), backend_(backend), endpoint_(endpoint), shared_(context, backend, endpoint) {}

ClientPools::~ClientPools() = default;

Pool& ClientPools::of(ToldClient& client) {
  if (!by_client() || draining_) return shared_;
  auto& member = members_[client.id_];
  if (member == nullptr) {
    member = std::make_unique<Member>(*this, client);
    client.pools_.push_back(*member);
  }
  return member->pool();
}

/// Any of them may go meanwhile.
template <class Call>
void ClientPools::each_member(Call call) {
  std::vector<Member*> all;
  all.reserve(members_.size());
  for (const auto& [id, member] : members_) all.push_back(member.get());
  for (auto* member : all) call(member->pool());
}

void ClientPools::on_spec() {
  shared_.on_spec();
  each_member([](Pool& pool) { pool.on_spec(); });
}

void ClientPools::drain() {
  draining_ = true;
  shared_.drain();
  each_member([](Pool& pool) { pool.drain(); });
}

void ClientPools::end() {
  draining_ = true;
  shared_.end();
  each_member([](Pool& pool) { pool.end(); });
}

void ClientPools::undrain() {
  draining_ = false;
  shared_.undrain();
  each_member([](Pool& pool) { pool.undrain(); });
}

/// Nobody knows who will ask: connections for clients are made once they do.
void ClientPools::warm_up() {
  if (!by_client()) shared_.warm_up();
}

/// Each gives what it can as long as there is need: what others have got meanwhile ends it.
void ClientPools::on_wanted() {
  shared_.on_wanted();
  each_member([](Pool& pool) { pool.on_wanted(); });
}

void ClientPools::on_idle(IdlePlace& place) {
  by_idle_.push_front(place);
  ++idle_;
  while (idle_ > std::max(context_.spec->pool.max_idle, 1u)) close_oldest_idle();
}

void ClientPools::on_busy(IdlePlace& place) {
  --idle_;
  if (place.pool.idle() == 0) place.unlink();
}

bool ClientPools::close_oldest_idle() {
  auto* oldest = by_idle_.back();
  if (oldest == nullptr) return false;
  oldest->pool.close_oldest_idle();
  return true;
}

}  // namespace fairlead::upstream
