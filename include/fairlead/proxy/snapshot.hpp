// SPDX-License-Identifier: Apache-2.0
#pragma once

// What workers serve by: compiled from the configuration on the main thread, immutable, shared. A change makes a new
// snapshot out of the parts that stay and those that are new, so that publishing costs what has changed.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/base/name.hpp"
#include "fairlead/filter/chain.hpp"
#include "fairlead/http/h2_limits.hpp"
#include "fairlead/http/limits.hpp"
#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/net/keep_alive.hpp"
#include "fairlead/net/socket_address.hpp"
#include "fairlead/route/forwarded.hpp"
#include "fairlead/route/path.hpp"
#include "fairlead/route/router.hpp"
#include "fairlead/telemetry/access_log.hpp"
#include "fairlead/tls/server_context.hpp"
#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::proxy {

using std::chrono::milliseconds;

/// Who gets a copy of requests: `numerator` of `denominator`, drawn for each.
struct MirrorTarget {
  std::uint32_t cluster = 0;  ///< index in Snapshot::clusters
  std::uint32_t numerator = 1;
  std::uint32_t denominator = 1;
  bool operator==(const MirrorTarget&) const = default;
};

/// Clients stay with the backend that they were sent to first.
struct SessionRule {
  upstream::PersistenceSpec spec;
  std::string scope;  ///< where references are good: the route and its rule
};

/// One of a rule's backends. Requests for one that is invalid get 500, as Gateway API has it.
struct WeightedBackend {
  static constexpr std::uint32_t kInvalid = 0xffffffff;
  std::uint32_t cluster = kInvalid;  ///< index in Snapshot::clusters
  std::uint32_t weight = 1;
  const model::HttpFilters* filters = nullptr;  ///< of this backend, behind the rule's; of RouteAction::object
  std::vector<MirrorTarget> mirrors{};
  filter::ChainPtr chain{};  ///< of policies for the Service; null: none
};

/// A number that no other rule of this process has, so that counters find their series without a look at names.
[[nodiscard]] inline std::uint32_t next_rule_id() {
  static std::atomic<std::uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// What few rules say.
struct RuleExtras {
  milliseconds request_timeout{0};
  milliseconds backend_timeout{0};
  bool says_request_timeout = false;  ///< also that there is none; else the cluster's is in force
  std::vector<MirrorTarget> mirrors{};
  std::shared_ptr<const upstream::RetrySpec> retry{};  ///< null: the cluster's
  std::shared_ptr<const SessionRule> session{};        ///< null: none
  std::shared_ptr<const WeightedBackend> canary{};  ///< where the chain's canary sends some; null: none
  bool operator==(const RuleExtras&) const = default;

  /// Of all other rules, the same object.
  [[nodiscard]] static const std::shared_ptr<const RuleExtras>& none() {
    static const auto kNone = std::make_shared<const RuleExtras>();
    return kNone;
  }
};

/// What becomes of a request that a rule has matched.
struct RuleAction {
  Name name;  ///< the rule's, or its number
  std::vector<WeightedBackend> backends;
  const model::HttpFilters* filters = nullptr;  ///< of RouteAction::object
  std::uint32_t total_weight = 0;  ///< 0: nobody to ask, 500
  std::uint32_t id = next_rule_id();  ///< copies are the same rule
  bool unserved = false;  ///< it has a filter that nobody serves: 500
  filter::ChainPtr chain{};  ///< of policies for the rule and its route; null: none
  std::shared_ptr<const RuleExtras> extras = RuleExtras::none();  ///< never null
};

/// A route's actions, by rule: what route::Route::data leads to; without one, 404.
struct RouteAction {
  std::string name;  ///< "HTTPRoute default/web"
  std::vector<RuleAction> rules;
  std::shared_ptr<const void> object;  ///< what filters point into
  filter::ChainPtr chain{};  ///< of policies for the listener and its Gateway; null: none
  std::shared_ptr<const telemetry::KongNames> kong{};  ///< null: not from Kong's file
};

/// In whose words the gateway's own answers are, and by which fields it tells of itself.
enum class AnswerStyle : std::uint8_t {
  kOwn,
  kKong,  ///< docs/operate/from-kong.md
};

/// What clients of a listener are held to.
struct ClientLimits {
  /// Targets may be as browsers send them: in paths what no URI may hold becomes triplets, queries stay as they are.
  void take_loose_targets() {
    h1.loose_targets = h2.loose_targets = true;
    paths.other_characters = route::OtherCharacters::kEncode;
  }
  http::H1Limits h1;
  http::H2Limits h2;
  route::PathOptions paths;
  route::ForwardedOptions forwarded;  ///< whom to believe who the client is
  bool keep_request_id = false;       ///< x-request-id of any client, not only of trusted hops
  milliseconds tls_handshake{10000};
  std::uint64_t body_bytes = 0;  ///< of a request; more gets 413; 0: no limit
  milliseconds request{0};  ///< until a request is there as a whole, from its first byte: then 408; 0: no limit
  milliseconds connection{0};  ///< after so long it ends with what is under way; 0: never
  std::uint32_t connections = 0;  ///< at a time, of the port; 0: no limit
  /// The port's connections now, of all workers, while there is a limit. Never null then.
  std::shared_ptr<std::atomic<std::uint32_t>> open_connections{};
  net::KeepAlive keep_alive;
  AnswerStyle style = AnswerStyle::kOwn;
  bool forward_identity = false;  ///< backends get x-forwarded-client-cert
  bool proxy_protocol = false;  ///< every connection begins with its header; with forwarded.trusted, only from those
};

/// Where connections go whose bytes nobody reads.
struct StreamRoute {
  enum class Kind : std::uint8_t {
    kPass,       ///< as they are
    kTerminate,  ///< TLS ends here, by StreamTable::tls
    kHttp,       ///< not here: the port's HTTP has this name
  };
  Kind kind = Kind::kPass;
  bool backend_tls = false;  ///< towards backends that have a BackendTLSPolicy
  RuleAction action{};  ///< without backends: refused
};

/// What a port does with connections: by the server name that a client asks for, or all alike.
struct StreamTable {
  bool by_name = false;  ///< connections begin with a ClientHello, else with anything
  std::map<std::string, StreamRoute, std::less<>> names;  ///< "a.example", "*.example", "": all
  std::shared_ptr<const tls::ServerContext> tls;
  /// The most special one; nullptr: none.
  [[nodiscard]] const StreamRoute* find(std::string_view server_name) const;
};

enum class ListenerKind : std::uint8_t { kHttp, kHttps, kStream, kDatagram };
[[nodiscard]] std::string_view scheme_of(ListenerKind kind);  ///< "http", "https", "tcp", "udp"

struct ListenerSpec {
  std::string name;  ///< "default/gateway/http"
  ListenerKind kind = ListenerKind::kHttp;
  std::vector<net::SocketAddress> addresses;
  std::shared_ptr<const tls::ServerContext> tls;
  std::shared_ptr<const route::Router> router;
  std::shared_ptr<const ClientLimits> limits;
  std::shared_ptr<const telemetry::AccessLog> log;  ///< null: none
  std::shared_ptr<const StreamTable> streams;  ///< kStream, kDatagram; kHttps that shares its port with TLSRoutes
  std::vector<std::shared_ptr<const telemetry::AccessLog>> more_logs;  ///< beside `log`; never null
};

/// By the consumer's "namespace/name".
using ConsumerChains = std::unordered_map<std::string, filter::ChainPtr>;

struct Snapshot {
  std::uint64_t version = 0;
  std::shared_ptr<const ConsumerChains> consumers;  ///< those that policies are attached to; null: none
  std::vector<std::shared_ptr<const ListenerSpec>> listeners;
  /// By number; null where a number is not in use. Numbers stay with their cluster from snapshot to snapshot.
  std::vector<upstream::ClusterSpecRef> clusters;
};

using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace fairlead::proxy
