// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "fairlead/upstream/pool.hpp"

namespace fairlead::upstream {

/// One connection of a pool, in one of the pool's lists by what can be done with it. It outlives its http session by
/// owning it, and the current turn by being retired. Once it is gone it tells the pool nothing: the pool may be gone
/// too.
class Pool::Session final : public http::ClientSessionOwner, public ListNode, public event::Retired {
 public:
  enum class State : std::uint8_t { kConnecting, kIdle, kReady, kBusy, kGone };

  explicit Session(Pool& pool) : pool_(pool) {}
  void on_ready() override {
    if (state != State::kGone) pool_.on_ready(*this);
  }
  void on_capacity() override {
    if (state != State::kGone) pool_.on_capacity(*this);
  }
  void on_draining() override {
    if (state != State::kGone) pool_.on_draining(*this);
  }
  void on_closed(int error, std::string_view why) override {
    if (state == State::kGone) return;
    // Who waits for the connection is told what the kernel said; EPROTO is TLS's, which has its own words.
    const char* said = state == State::kConnecting && error != EPROTO ? ::strerrordesc_np(error) : nullptr;
    if (said == nullptr || error == 0) return pool_.on_closed(*this, why);
    pool_.on_closed(*this, std::string(why) + ": " + said);
  }

  [[nodiscard]] bool worn_out(const PoolSpec& spec, std::uint64_t now) const {
    if (spec.max_requests_per_connection > 0 && requests >= spec.max_requests_per_connection) return true;
    return spec.max_connection_age.count() > 0 &&
           now - born_ms >= static_cast<std::uint64_t>(spec.max_connection_age.count());
  }

  std::unique_ptr<http::ClientSession> session;
  std::uint64_t born_ms = 0;
  std::uint64_t deadline_ms = 0;  // kConnecting: of the connect; kIdle: of idleness
  const void* tls = nullptr;      // the context that it was made with
  std::uint8_t header = 0;        // the PROXY header's version that it began with
  std::uint32_t requests = 0;
  State state = State::kConnecting;
  bool draining = false;
  bool yields = false;  // for a pool of another worker

 private:
  Pool& pool_;
};

struct Pool::Lists {
  List<Session> connecting;  // oldest first
  List<Session> idle;        // latest used first
  List<Session> ready;       // with streams and room for more
  List<Session> busy;        // no room, or no new streams
  List<PoolWaiter> waiting;        // oldest first
};

}  // namespace fairlead::upstream
