// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_config.hpp"
#include "fairlead/limit/redis_link.hpp"

namespace fairlead::limit {

/// Asks sentinels, one after another, who the master is; begins with the one that has answered last.
/// Owner: a client. Thread: its reactor's.
class Sentinel final : LinkOwner, event::Timer {
 public:
  static constexpr std::uint64_t kTryMs = 250;  ///< for each of them
  using Found = std::function<void(std::optional<net::Endpoint>)>;

  Sentinel(event::Reactor& reactor, std::shared_ptr<const RedisConfig> config, Names* names, Found found)
      : reactor_(reactor), config_(std::move(config)), names_(names), found_(std::move(found)) {}
  ~Sentinel();
  Sentinel(const Sentinel&) = delete;
  Sentinel& operator=(const Sentinel&) = delete;

  /// `found` is called once, maybe within, unless stop() comes before.
  void ask();
  void stop();

 private:
  void next();
  void connect(std::optional<net::Endpoint> where);
  void finish(std::optional<net::Endpoint> where);
  void close();
  void on_link_open() override;
  void on_link_reply(std::span<const RespValue> reply) override;
  void on_link_lost(std::string_view why) override;
  void on_timer() override;

  event::Reactor& reactor_;
  std::shared_ptr<const RedisConfig> config_;
  Names* names_;
  Found found_;
  std::unique_ptr<NameQuery> query_;
  std::unique_ptr<RedisLink> link_;
  RedisPlaces::Addresses addresses_;  // of those that are asked now
  std::size_t at_ = 0;    // the sentinel that is asked, or has answered last
  std::size_t left_ = 0;  // to be tried
  bool asking_ = false;
  bool greeting_ = false;  // AUTH's answer is to come
};

}  // namespace fairlead::limit
