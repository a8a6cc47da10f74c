// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/tunnel.hpp"

namespace fairlead::net {

Tunnel::Tunnel(event::Reactor& reactor, ChunkPool& chunks, PipePool& pipes, Stream& client, Stream& backend,
               TunnelOwner& owner)
    : reactor_(reactor),
      owner_(owner),
      to_backend_(chunks, pipes, client, backend),
      to_client_(chunks, pipes, backend, client),
      client_(*this, client, to_backend_),
      backend_(*this, backend, to_client_) {}

Tunnel::~Tunnel() {
  reactor_.forget(*this);
  for (Side* side : {&client_, &backend_}) side->stream.set_handler(nullptr);
}

void Tunnel::start() {
  client_.stream.set_handler(&client_);
  backend_.stream.set_handler(&backend_);
  if (move(client_)) move(backend_);
}

void Tunnel::Side::on_readable() { tunnel.move(*this); }

void Tunnel::Side::on_writable() { tunnel.move(tunnel.other(*this)); }

void Tunnel::Side::on_failed(int error, std::string_view) { tunnel.end(error, *this); }

void Tunnel::on_turn_end() {
  for (Side* side : {&client_, &backend_}) {
    if (!side->yields) continue;
    side->yields = false;
    if (!move(*side)) return;
  }
}

bool Tunnel::move(Side& from) {
  if (ended_ || from.done) return !ended_;
  switch (from.outward.run()) {
    case Flow::kWaitsToRead:
    case Flow::kWaitsToWrite: return true;
    case Flow::kYield:
      from.yields = true;
      reactor_.defer_to_next_turn(*this);
      return true;
    case Flow::kReadFailed: end(from.outward.error(), from); return false;
    case Flow::kWriteFailed: end(from.outward.error(), other(from)); return false;
    case Flow::kDone:
    case Flow::kShort: break;
  }
  from.done = true;
  other(from).stream.shutdown_write();
  if (!other(from).done) return true;
  end(0, from);
  return false;
}

void Tunnel::end(int error, const Side& failed) {
  if (ended_) return;
  ended_ = true;
  owner_.on_tunnel_end({.error = error, .by_client = error != 0 && &failed == &client_});
}

}  // namespace fairlead::net
