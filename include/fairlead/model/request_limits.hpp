// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sections rateLimits, responseLimits and concurrency of RequestPolicy: docs/reference/request-policy/ says what they
// mean.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/model/secret_source.hpp"

namespace fairlead::model {

/// One part of what tells clients apart.
struct LimitKeyPart {
  enum class Type : std::uint8_t {
    kConsumer,
    kCredential,
    kClientIp,
    kHeader,
    kQuery,
    kCookie,
    kClaim,
    kPath,
    kRoute,
    kHost,
    kEveryone,  ///< all requests count as one client's
  };
  Type type = Type::kConsumer;
  std::string name{};  ///< of the header (lower case), parameter, cookie or claim; of kPath the only path that counts
  std::uint8_t v4_prefix = 32;
  std::uint8_t v6_prefix = 64;
  bool operator==(const LimitKeyPart&) const = default;
};

/// Where a request has none of a part.
enum class LimitMissing : std::uint8_t {
  kClientIp,  ///< its address takes the part's place
  kShared,  ///< all such requests are one client
  kSkip,  ///< the limit does not concern it
};

/// Other numbers for a group of consumers.
struct LimitTier {
  std::string group{};
  std::uint64_t requests = 0;
  std::uint64_t burst = 0;  ///< 0: requests
};

/// Which requests a limit concerns; empty lists: all.
struct LimitWhen {
  std::vector<std::string> methods{};
  std::vector<std::string> paths{};  ///< prefixes, by elements
};

/// Where a response says what the request has cost. At most one of the two is not empty; both are: nowhere.
struct ResponseCost {
  std::string header{};  ///< lower case
  std::string json{};  ///< path of a field of a JSON body: "usage.total_tokens"
  std::string entry{};  ///< of a header that lists NAME=NUMBER: the name; section responseLimits only
  [[nodiscard]] bool used() const { return !header.empty() || !json.empty(); }
};

struct RateLimit {
  enum class Algorithm : std::uint8_t { kTokenBucket, kFixedWindow, kSlidingWindow };
  enum class Period : std::uint8_t { kSecond, kMinute, kHour, kDay, kWeek, kMonth, kYear, kSpan };
  std::string name{};
  Algorithm algorithm = Algorithm::kTokenBucket;
  std::uint64_t requests = 0;
  std::uint64_t burst = 0;  ///< 0: requests
  Period period = Period::kSecond;
  std::chrono::milliseconds per{1000};  ///< of kMonth and kYear: 30 and 365 days, for people only
  std::string time_zone{};  ///< empty: UTC
  std::vector<LimitKeyPart> key{};  ///< never empty
  LimitMissing missing = LimitMissing::kClientIp;
  std::uint64_t cost = 1;
  std::string cost_header{};  ///< whose number is the cost, where it has one
  ResponseCost response{};
  std::vector<LimitTier> tiers{};  ///< the first whose group the consumer has
  LimitWhen when{};
};

/// What a refused client gets. Empty texts: those of the section.
struct LimitRefusal {
  std::uint16_t status = 429;
  std::string title{};
  std::string detail{};
  std::string body{};  ///< in place of problem details
  std::string content_type = "text/plain";  ///< of body
};

struct RedisTls {
  bool enabled = false;
  std::string hostname{};  ///< empty: that of the address
  bool verifies = true;  ///< false: any certificate is believed
  SecretSource ca{};  ///< PEM; not given: the system's authorities
  SecretSource certificate{};  ///< ours, PEM, with its key; not given: none
  SecretSource key{};
};

struct RedisSettings {
  enum class OnFailure : std::uint8_t { kOpen, kClosed, kLocal };
  std::vector<std::string> addresses{};  ///< "10.0.0.1:6379"; several with sentinel or cluster
  std::optional<BackendTarget> backend{};  ///< in place of addresses
  std::string sentinel_master{};  ///< not empty: addresses are sentinels
  std::string sentinel_username{};
  SecretSource sentinel_password{};  ///< not given: none
  bool cluster = false;
  RedisTls tls{};
  std::string username{};
  SecretSource password{};  ///< not given: none
  std::uint32_t database = 0;
  std::chrono::milliseconds timeout{50};
  OnFailure on_failure = OnFailure::kLocal;
  unsigned lease_percent = 0;  ///< of a limit: what is leased at once; 0: each request asks
  std::chrono::milliseconds lease_time{2000};
  std::string prefix = "fairlead";  ///< of keys
  std::uint32_t gateways = 1;  ///< that share the limits: each has this part of them while it is alone
};

struct RateLimits {
  static constexpr unsigned kRateLimit = 1;  ///< RateLimit, RateLimit-Policy
  static constexpr unsigned kXRateLimit = 2;  ///< X-RateLimit-Limit, -Remaining, -Reset
  static constexpr unsigned kPerPeriod = 4;  ///< X-RateLimit-Limit-Minute, ...
  static constexpr unsigned kRetryAfter = 8;  ///< with refusals
  static constexpr unsigned kThreeFields = 16;  ///< RateLimit-Limit, -Remaining, -Reset
  std::vector<RateLimit> limits{};  ///< quotas too
  bool quotas = false;  ///< there are some
  unsigned headers = kRateLimit | kRetryAfter;
  LimitRefusal refusal{};
  std::uint32_t most_keys = 1'000'000;  ///< of each limit in memory
  std::shared_ptr<const RedisSettings> redis{};  ///< null: counted in this process
};

/// Section responseLimits: of fixed windows, whose counts are what responses say that they have used.
struct ResponseLimits {
  RateLimits limits{};
  std::string header{};  ///< in lower case: "images=2, videos=1"
  bool refuse_requests = false;  ///< where one is used up; else the responses that use it
  bool tells = true;  ///< clients what is left
};

struct Concurrency {
  std::uint32_t most = 0;
  std::vector<LimitKeyPart> key{};
  LimitMissing missing = LimitMissing::kClientIp;
  std::vector<LimitTier> tiers{};  ///< requests: at a time
  LimitRefusal refusal{.status = 503};
  std::shared_ptr<const RedisSettings> redis{};  ///< null: counted in this process
  std::chrono::milliseconds lease{30'000};  ///< of a place in Redis, made longer while its request is under way
};

}  // namespace fairlead::model
