// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "fairlead/event/reactor.hpp"
#include "fairlead/net/splice.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::net {

/// How a tunnel ended.
struct TunnelEnd {
  int error = 0;             ///< errno; 0: both sides have ended, and all was handed on
  bool by_client = false;    ///< with error: the first stream has failed, else the second
};

class TunnelOwner {
 public:
  /// No other call follows. The tunnel may be destroyed within it; its streams are not closed.
  virtual void on_tunnel_end(const TunnelEnd& end) = 0;

 protected:
  ~TunnelOwner() = default;
};

/// Bytes both ways between two streams, each direction ending for itself: what one side ends is ended towards the other
/// once all before it was handed on.
/// Owner: whoever owns the streams, which it must not outlive. Thread: their reactor's.
class Tunnel final : private event::Deferred {
 public:
  Tunnel(event::Reactor& reactor, ChunkPool& chunks, PipePool& pipes, Stream& client, Stream& backend,
         TunnelOwner& owner);
  ~Tunnel();

  /// Becomes the handler of both streams, and moves what is there. The end may be told within.
  void start();

  [[nodiscard]] std::uint64_t sent() const { return to_backend_.moved(); }  ///< bytes from client to backend
  [[nodiscard]] std::uint64_t received() const { return to_client_.moved(); }  ///< bytes from backend to client
  [[nodiscard]] std::uint64_t spliced() const { return to_backend_.spliced() + to_client_.spliced(); }

 private:
  /// One of the streams.
  struct Side final : StreamHandler {
    Side(Tunnel& owner, Stream& own, Splice& out) : tunnel(owner), stream(own), outward(out) {}
    void on_readable() override;
    void on_writable() override;
    void on_failed(int error, std::string_view what) override;
    Tunnel& tunnel;
    Stream& stream;
    Splice& outward;  // what is read here
    bool done = false;
    bool yields = false;
  };

  void on_turn_end() override;
  bool move(Side& from);  // false: the tunnel has ended, and may be gone
  void end(int error, const Side& failed);
  [[nodiscard]] Side& other(const Side& side) { return &side == &client_ ? backend_ : client_; }

  event::Reactor& reactor_;
  TunnelOwner& owner_;
  Splice to_backend_;
  Splice to_client_;
  Side client_;
  Side backend_;
  bool ended_ = false;
};

}  // namespace fairlead::net
