// SPDX-License-Identifier: Apache-2.0
// Plugins of consumers. A RequestPolicy's section takes another one's place as a whole, and several plugins may share
// one: so what a consumer has on a route is put together from all plugins that count for him there.
#include <algorithm>

#include "gateway/dataplane/kong/conversion.hpp"

namespace fairlead::kong {

/// Whether it is for all routes alike, whatever else the file has: then a policy of the consumer says it.
bool Conversion::is_alone(std::size_t index) const {
  const auto& own = file_.plugins[index];
  if (own.route || own.service || plugins_[index].by_service) return false;
  const auto shares = [&](std::size_t other) {
    return std::ranges::any_of(plugins_[index].sections.items(),
                               [&](const auto& one) { return plugins_[other].sections.contains(one.key()); });
  };
  for (std::size_t i = 0; i < file_.plugins.size(); ++i) {
    const auto& plugin = file_.plugins[i];
    if (i == index || !plugin.enabled || (plugin.consumer && plugin.consumer != own.consumer)) continue;
    if (plugin.name != own.name ? shares(i) : plugin.consumer || (plugin.route && plugin.service)) return false;
  }
  return true;
}

void Conversion::add_consumer_policies() {
  for (const auto& [consumer, plugins] : plugins_of_consumers_) {
    std::set<std::size_t> others;
    for (const auto i : plugins) {
      if (!is_alone(i)) others.insert(i);
      else
        add_policy(file_.plugins[i].at, plugin_names_[i], "Consumer", {file_.consumers[consumer].object},
                   plugins_[i].sections);
    }
    if (!others.empty()) add_consumer_routes(consumer, others);
  }
}

/// Of some of his plugins; routes on which he has the same share a policy.
void Conversion::add_consumer_routes(std::size_t consumer, const std::set<std::size_t>& plugins) {
  std::map<std::string, std::pair<Json, std::vector<std::string>>> groups;
  Counted counting;
  for (std::size_t route = 0; route < routes_.size(); ++route) {
    const auto& objects = routes_[route].objects;
    if (objects.empty()) continue;
    const auto chosen = choose_plugins(route, consumer);
    const auto all = merged(chosen);
    Json sections = Json::object();
    for (const auto& [name, index] : chosen) {
      if (!plugins.contains(index)) continue;
      if (counts_together(name)) {
        count_on(route, name, index, counting);
        continue;
      }
      for (const auto& [key, value] : plugins_[index].sections.items()) sections[key] = all.at(key);
    }
    if (sections.empty()) continue;
    auto& group = groups[sections.dump(-1, ' ', false, Json::error_handler_t::replace)];
    group.first = sections;
    group.second.insert(group.second.end(), objects.begin(), objects.end());
  }
  add_rate_limits(counting);
  const auto& one = file_.consumers[consumer];
  for (const auto& [text, group] : groups)
    add_policy(one.at, names_.make("consumer-", one.object), "HTTPRoute", group.second, group.first, one.object);
}

}  // namespace fairlead::kong
