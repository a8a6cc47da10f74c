// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fairlead/config/directory.hpp"
#include "fairlead/config/gateway_state.hpp"
#include "fairlead/proxy/worker_proxy.hpp"
#include "gateway/cluster_plan.hpp"
#include "gateway/filter_plan.hpp"
#include "gateway/listener_plan.hpp"
#include "gateway/remarks.hpp"
#include "gateway/route_plan.hpp"
#include "gateway/stream_plan.hpp"
#include "gateway/tls_plan.hpp"

namespace fairlead::gateway {

/// A directory of Gateway API objects, and what workers are to serve by it. A change costs what it touches: parts that
/// it leaves alone are the same objects in the next snapshot. Remarks on the configuration are logged, once each.
/// Owner: Gateway. Thread: main.
class ConfigPlan {
 public:
  struct Counts {
    std::uint64_t files = 0;
    std::uint64_t documents = 0;
    std::uint64_t changes = 0;   ///< updates that changed something, the first reading included
    std::uint64_t errors = 0;    ///< documents that are refused now
    std::uint64_t warnings = 0;  ///< remarks that stand now, with what is not served
    std::uint64_t listeners = 0;
    std::uint64_t routes = 0;
    std::uint64_t clusters = 0;
  };

  /// Fails only where the path cannot be read at all. `zone`: where the gateway is; empty: not known. `tickets`: null
  /// gives none; `logs`: null opens none; `meter`: null counts nothing; `quiet`: nothing is logged. Both are for
  /// looking at what is not in force.
  static Result<std::unique_ptr<ConfigPlan>> open(const std::string& path, const std::string& zone,
                                                  std::shared_ptr<tls::TicketKeys> tickets, AccessLogs* logs,
                                                  telemetry::Meter* meter, bool quiet = false);

  /// Reads everything, whatever inotify told; the first call always gives an update, later ones where something has
  /// changed.
  Result<std::optional<proxy::Update>> load();
  /// Reads what inotify named, once the change is over.
  Result<std::optional<proxy::Update>> follow();
  /// To watch for EPOLLIN; then call follow().
  [[nodiscard]] int fd() const { return directory_->fd(); }
  /// What is only a matter of time; now and then.
  void tick() { tls_->look_at_staples(); }

  /// Where no socket could be opened, for the status of Gateways.
  void set_unusable(const config::Endpoints& unusable) { state_.set_unusable(objects_, unusable); }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// The status of every object as a controller would write it, as YAML documents. Comments before them say what is
  /// refused and what is not served.
  [[nodiscard]] std::string status() const;
  /// What is refused and what is not served, a line each.
  [[nodiscard]] std::vector<std::string> notes() const;
  [[nodiscard]] const std::string& zone() const { return zone_; }
  [[nodiscard]] const FilterPlan& filters() const { return filters_; }
  [[nodiscard]] const model::Cluster& objects() const { return objects_; }

 private:
  ConfigPlan(std::unique_ptr<config::Directory> directory, std::unique_ptr<TlsPlan> tls, const std::string& zone,
             AccessLogs* logs, telemetry::Meter* meter, bool quiet)
      : directory_(std::move(directory)),
        tls_(std::move(tls)),
        zone_(zone),
        quiet_(quiet),
        clusters_(remarks_, zone),
        filters_(clusters_, remarks_, meter, quiet),
        listeners_(routes_, filters_, remarks_, *tls_, logs),
        streams_(clusters_, remarks_, *tls_, logs) {}
  Result<std::optional<proxy::Update>> take(Result<config::Update> read);
  Result<std::optional<proxy::Update>> give_back(Result<std::optional<proxy::Update>> update);
  void log(const config::Diagnostics& diagnostics);
  proxy::Update make_update(const config::GatewayChange& change);

  std::unique_ptr<config::Directory> directory_;
  std::unique_ptr<TlsPlan> tls_;
  model::Cluster objects_;
  config::GatewayState state_;
  std::string zone_;
  bool quiet_;
  Remarks remarks_{quiet_};
  ClusterPlan clusters_;
  FilterPlan filters_;
  RoutePlan routes_{clusters_, filters_, remarks_};
  ListenerPlan listeners_;
  StreamPlan streams_;
  std::set<std::string> standing_;  // diagnostics that were logged
  std::uint64_t version_ = 0;
  std::uint64_t parsed_ = 0;  // documents, by the last reading
  Counts counts_;
};

}  // namespace fairlead::gateway
