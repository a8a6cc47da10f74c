// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gateway/dataplane/kong/parts.hpp"

namespace fairlead::kong {

/// Makes the objects of a whole file.
/// Owner: convert(). Thread: its.
class Conversion {
 public:
  Conversion(Notes& notes, const File& file, const Options& options) : notes_(notes), file_(file), options_(options) {}
  Output run(View root);

 private:
  /// What a route has after all scopes.
  using Chosen = std::map<std::string, std::size_t>;  ///< plugins by name: places in the file's list
  struct RouteParts {
    std::vector<std::string> objects;  ///< its HTTPRoutes
    Json sections = Json::object();    ///< but rateLimits
    std::string host;  ///< of requests, in place of the service's
    bool answers = false;
    Chosen plugins;
  };

  void add_gateway(View root);
  [[nodiscard]] bool is_clients(const Certificate& certificate) const;
  void add_consumers();
  void convert_plugins();
  void check_protocols(const Plugin& plugin);
  void take_tracing(const Plugin& plugin, const Tracing& tracing);
  void sort_plugins();
  /// Consumers for whom the same plugins count.
  struct Callers {
    Index own;                         ///< the one who has plugins of his own
    std::vector<std::size_t> groups;   ///< consumer groups that have plugins, by name
    std::vector<std::size_t> plugins;  ///< of these, places in the file's list
    std::vector<std::string> objects;  ///< names of Consumers
  };
  [[nodiscard]] Chosen choose_plugins(std::size_t route, const Callers& callers) const;
  [[nodiscard]] Json merged(const Chosen& plugins) const;
  void merge_plugins(std::size_t route);
  void join_authentication(std::size_t route, std::vector<std::size_t> callers);
  void add_routes();
  void add_route(std::size_t route, const std::vector<RouteMatch>& matches, bool ranked, const std::string& created);
  void add_http_route(std::size_t route, const std::string& section, const Json& matches, bool replaces,
                      const Json& hostnames, const std::string& created);
  void add_https_only(std::size_t route, const Json& matches, const Json& hostnames, const std::string& created);
  void add_grpc(std::size_t route, const std::string& section, Json matches, bool replaces, const Json& hostnames,
                const std::string& created);
  /// One that answers in place of a route. Returns its name.
  std::string add_answering(std::size_t route, const char* kind, const std::string& section, const Json& matches,
                            const Json& hostnames, const std::string& created, Json rule);
  void name_for_metrics(const Route& route, Json& object) const;
  void add_policies();
  /// HTTPRoutes by the plugin that counts on them, and by the service where it counts each for itself.
  using Counted = std::map<std::pair<std::size_t, Index>, std::vector<std::string>>;
  void count_on(std::size_t route, const std::string& name, std::size_t plugin, Counted& out) const;
  void add_rate_limit(std::size_t plugin, Index service, const std::vector<std::string>& targets,
                      const std::vector<std::string>& consumers = {});
  std::string policy_name(std::size_t plugin);
  [[nodiscard]] std::vector<Callers> all_callers() const;
  void add_consumer_policies();
  [[nodiscard]] bool concerns(const Plugin& plugin, const Callers& callers) const;
  [[nodiscard]] bool is_alone(std::size_t plugin, const Callers& callers) const;
  void add_consumer_routes(const Callers& callers, const std::set<std::size_t>& plugins, Counted& counting);
  void add_logs(View root);
  void add_not_found(View root);
  void add_policy(View from, const std::string& name, const std::string& kind, const std::vector<std::string>& targets,
                  const Json& sections, const std::vector<std::string>& consumers = {});

  Notes& notes_;
  const File& file_;
  const Options& options_;
  Output out_;
  Names names_;
  bool http_ = false, https_ = false;
  bool logs_ = false;    // some plugin tells of requests
  bool encoded_secrets_ = false;  // of consumers' JWT credentials
  std::string metrics_;  // of Kong's families, those that are shown
  std::vector<PluginParts> plugins_;
  std::vector<std::string> plugin_names_;
  std::set<std::size_t> named_;  ///< plugins of which a policy has the name
  // Of those that are for requests of any consumer, places in the file's list.
  std::vector<std::size_t> plugins_of_all_;
  std::map<std::size_t, std::vector<std::size_t>> plugins_of_routes_, plugins_of_services_, plugins_of_consumers_,
      plugins_of_groups_;
  std::map<std::size_t, Backend> backends_;  ///< of services
  std::vector<RouteParts> routes_;
};

}  // namespace fairlead::kong
