// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/limit/redis_counters.hpp"
#include "fairlead/tls/client_context.hpp"

namespace fairlead::limit {

/// Those by which limits are counted.
[[nodiscard]] std::span<const std::string_view> limit_scripts();

/// Where Redis is at this moment, as the endpoints of a Service are: it may change. Owner: settings share it. Thread:
/// any; one sets.
class RedisPlaces {
 public:
  using Addresses = std::shared_ptr<const std::vector<std::string>>;

  void set(std::vector<std::string> addresses);
  [[nodiscard]] Addresses now() const;
  /// Another one after each change.
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  Addresses addresses_ = std::make_shared<const std::vector<std::string>>();
  std::atomic<std::uint64_t> version_{0};
};

/// How to reach Redis, and who we are there. Immutable. Owner: filters share it. Thread: any.
struct RedisConfig {
  std::vector<std::string> addresses;  ///< "host:port"; of sentinels, where there is a master's name. Empty: by places
  std::shared_ptr<const RedisPlaces> places;  ///< null: addresses
  std::string name;  ///< for people, and for series: the first address, the Service, the master's name
  std::string sentinel_master;
  std::string sentinel_username;
  std::string sentinel_password;  ///< empty: no AUTH to sentinels
  bool cluster = false;
  std::shared_ptr<tls::ClientContext> tls;  ///< null: plain
  std::string username;
  std::string password;  ///< empty: no AUTH
  std::uint32_t database = 0;
  std::chrono::milliseconds timeout{50};  ///< for each request, until its answer
  std::span<const std::string_view> scripts = limit_scripts();  ///< that a connection loads before it is used; literals
  std::shared_ptr<RedisTotals> totals = std::make_shared<RedisTotals>();  ///< of its clients

  /// Maybe none.
  [[nodiscard]] RedisPlaces::Addresses now() const {
    return places != nullptr ? places->now() : std::make_shared<const std::vector<std::string>>(addresses);
  }
};

/// Why a request got no answer.
enum class NoAnswer : std::uint8_t { kTimeout, kNotConnected, kError };
[[nodiscard]] std::string_view text_of(NoAnswer reason);

/// A name's address, found by whoever can. Thread: a worker's.
class NameQuery {
 public:
  virtual ~NameQuery() = default;  ///< gives it up
};
class Names {
 public:
  virtual ~Names() = default;
  using Found = std::function<void(std::optional<Address>)>;
  /// Calls `found` once, later. Null: it cannot be asked for.
  virtual std::unique_ptr<NameQuery> look_up(const std::string& name, Found found) = 0;
};

/// "host:port" in two; the host without brackets.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
[[nodiscard]] std::optional<HostPort> split_host_port(std::string_view text);

}  // namespace fairlead::limit
