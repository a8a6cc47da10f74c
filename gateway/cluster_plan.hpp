// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/tls/client_context.hpp"
#include "fairlead/upstream/cluster_set.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// The clusters that routes use, by numbers that stay with them, and what workers have to be told of them.
/// Owner: ConfigPlan. Thread: main.
class ClusterPlan {
 public:
  /// `zone`: where the gateway is; empty: not known.
  ClusterPlan(Remarks& remarks, std::string zone) : remarks_(remarks), zone_(std::move(zone)) {}

  /// Who the gateway is to backends that ask by TLS; null: nobody.
  using Credential = std::shared_ptr<const tls::Certificate>;

  /// The number of the backend's cluster, which is made or changed where `backend` is another object than before;
  /// counted, see release(). `grpc`: HTTP/2 where nothing says which protocol the backend speaks; such a cluster is one
  /// of its own, and so is that of each credential.
  std::uint32_t acquire(const config::BackendClusterPtr& backend, bool grpc, const Credential& credential = nullptr);
  void release(std::uint32_t number);
  /// No connection may be made: its TLS settings are of no use. Requests get 500.
  [[nodiscard]] bool broken(std::uint32_t number) const { return entries_[number].broken; }
  /// What has changed since the last call. Clusters that nobody uses any more go; their numbers become free.
  upstream::ClusterChanges take_changes();

  [[nodiscard]] const std::vector<upstream::ClusterSpecRef>& specs() const { return specs_; }  ///< by number
  [[nodiscard]] std::size_t size() const { return numbers_.size(); }

 private:
  struct Entry {
    std::string name;
    config::BackendClusterPtr from;
    Credential credential;
    std::shared_ptr<const tls::ClientContext> tls;
    std::uint32_t uses = 0;
    upstream::Protocol protocol = upstream::Protocol::kHttp1;
    bool broken = false;
  };
  std::uint32_t number_of(const std::string& name);
  void plan(std::uint32_t number, const config::BackendClusterPtr& backend, upstream::Protocol protocol,
            const Credential& credential);
  void plan_tls(Entry& entry, const config::BackendCluster& backend, upstream::Protocol protocol,
                const Credential& credential, Remarks::Texts& texts);

  Remarks& remarks_;
  std::string zone_;
  std::vector<Entry> entries_;  // by number
  std::vector<upstream::ClusterSpecRef> specs_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::uint32_t> free_;
  std::set<std::uint32_t> changed_;
};

}  // namespace fairlead::gateway
