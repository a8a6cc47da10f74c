// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/mirror.hpp"

namespace fairlead::proxy {

/// A second try of a whole request while the first has no answer (Dean and Barroso, The Tail at Scale). The first of
/// them whose response begins becomes the exchange's try; the others are given up.
/// Owner: its exchange. Thread: the worker's.
class Hedge final : public event::Retired, private http::ClientHandler, private upstream::PoolWaiter {
 public:
  Hedge(Exchange& exchange, upstream::Cluster& cluster, upstream::Backend& backend)
      : exchange_(exchange), cluster_(cluster), backend_(&backend) {}

  void start();
  /// Ends it, without a word to the exchange; nothing where it has been adopted.
  void drop();
  [[nodiscard]] bool adopted() const { return adopted_; }
  [[nodiscard]] upstream::Backend* backend() const { return backend_; }

 private:
  friend class Exchange;

  void on_stream(http::ClientStream& stream) override;
  void on_pool_failure(upstream::PoolFailure why, std::string_view text) override;
  void on_informational(http::ResponseHead&) override {}
  void on_head(http::ResponseHead& head, bool end) override;
  void on_body(std::string_view data, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_writable() override {}
  void on_reset(http::Reset why) override;
  void on_done() override;
  void fail(upstream::Failure failure);
  void finish();

  Exchange& exchange_;
  upstream::Cluster& cluster_;
  upstream::Backend* backend_;  // null: over, or the exchange's
  http::ClientStream* stream_ = nullptr;
  bool waiting_ = false;
  bool adopted_ = false;
};

}  // namespace fairlead::proxy
