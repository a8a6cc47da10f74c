// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fairlead/net/tunnel.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/proxy/stream_refusal.hpp"
#include "fairlead/upstream/cluster.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/generation.hpp"

namespace fairlead::proxy {

/// A client's connection passed on to a backend, byte by byte, each direction ending for itself. Backends are chosen as
/// for requests; one that cannot be connected to is followed by another. Ends when both directions have, when either
/// side breaks, or when nothing has passed for the idle time-out; then access logs are told.
/// Owner: its Connection, which is told of the end. Thread: the worker's.
class StreamRelay final : private net::StreamHandler, private net::TunnelOwner {
 public:
  StreamRelay(Worker& worker, Connection& connection, GenerationRef generation, const StreamRoute& route);
  ~StreamRelay();

  /// `server_name`: what the client asked for by SNI, for a PROXY header.
  void begin(std::unique_ptr<net::Stream> client, std::string server_name);
  /// Ends it now.
  void close() { end(true); }

 private:
  static constexpr std::size_t kTries = 3;

  /// The client's side, until bytes are passed.
  struct ClientSide final : net::StreamHandler {
    explicit ClientSide(StreamRelay& owner) : relay(owner) {}
    void on_readable() override {}
    void on_writable() override {}
    void on_failed(int, std::string_view) override { relay.give_up(); }
    StreamRelay& relay;
  };

  // The backend's, the same.
  void on_readable() override {}
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;
  void on_tunnel_end(const net::TunnelEnd& end) override;

  void attempt();
  [[nodiscard]] bool choose();
  [[nodiscard]] bool send_proxy_header();
  void secure();
  void pass();
  void on_connect_timeout() { failed("connect timeout"); }
  void on_idle();
  void account();
  void failed(std::string_view what);
  void tell();
  void drop_try(upstream::Failure failure);
  void refuse(StreamRefusal why);
  void give_up();
  void end(bool reset);

  Worker& worker_;
  Connection& connection_;
  GenerationRef generation_;
  const StreamRoute& route_;  // of generation_
  std::string server_name_;
  ClientSide client_side_{*this};
  std::unique_ptr<net::Stream> client_;
  std::unique_ptr<net::Stream> backend_stream_;
  std::optional<net::Tunnel> tunnel_;
  std::uint32_t cluster_number_ = WeightedBackend::kInvalid;
  upstream::Cluster* cluster_ = nullptr;  // while a try is admitted to it
  upstream::Backend* backend_ = nullptr;
  std::array<const upstream::Backend*, kTries> tried_{};  // only compared
  std::size_t tries_ = 0;
  std::array<std::uint64_t, 2> told_{};
  std::uint64_t moved_ms_ = 0;
  std::uint64_t idle_ms_ = 0;
  // What access logs are told beside.
  std::uint64_t begun_ns_;
  std::uint64_t connected_ns_ = 0;
  telemetry::ResponseFlags flags_;
  std::string_view details_;
  std::string failure_;  // of the last try
  std::optional<net::Endpoint> last_;  // backend that was tried
  net::Endpoint last_local_;
  Alarm<StreamRelay> connect_alarm_{*this, &StreamRelay::on_connect_timeout};
  Alarm<StreamRelay> idle_alarm_{*this, &StreamRelay::on_idle};
  bool connected_ = false;  // by TCP
  bool ended_ = false;
};

}  // namespace fairlead::proxy
