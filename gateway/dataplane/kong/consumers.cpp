// SPDX-License-Identifier: Apache-2.0
// Plugins of consumers and of their groups. A RequestPolicy's section takes another one's place as a whole, and several
// plugins may share one: so what a consumer has on a route is put together from all plugins that count for him there.
#include <algorithm>

#include "gateway/dataplane/kong/conversion.hpp"

namespace fairlead::kong {

/// Those who have plugins: each consumer with some of his own, and the others by the groups that they are in.
std::vector<Conversion::Callers> Conversion::all_callers() const {
  std::map<std::pair<Index, std::vector<std::size_t>>, Callers> out;
  for (std::size_t i = 0; i < file_.consumers.size(); ++i) {
    const auto own = plugins_of_consumers_.contains(i) ? Index(i) : Index();
    std::vector<std::size_t> groups;
    for (const auto group : file_.consumers[i].groups)
      if (plugins_of_groups_.contains(group)) groups.push_back(group);
    if (!own && groups.empty()) continue;
    std::ranges::sort(groups, {}, [&](std::size_t group) { return file_.groups[group].name; });
    auto& callers = out[{own, groups}];
    callers.own = own;
    callers.objects.push_back(file_.consumers[i].object);
    callers.groups = std::move(groups);
  }
  std::vector<Callers> list;
  for (auto& [key, callers] : out) {
    if (callers.own) callers.plugins = plugins_of_consumers_.at(*callers.own);
    for (const auto group : callers.groups)
      for (const auto plugin : plugins_of_groups_.at(group)) callers.plugins.push_back(plugin);
    list.push_back(std::move(callers));
  }
  return list;
}

bool Conversion::concerns(const Plugin& plugin, const Callers& callers) const {
  if (plugin.consumer) return plugin.consumer == callers.own;
  return !plugin.group || std::ranges::find(callers.groups, *plugin.group) != callers.groups.end();
}

/// Whether it is for all routes alike, whatever else the file has: then a policy of the consumer says it.
bool Conversion::is_alone(std::size_t index, const Callers& callers) const {
  const auto& own = file_.plugins[index];
  if (own.route || own.service || plugins_[index].by_service) return false;
  const auto shares = [&](std::size_t other) {
    return std::ranges::any_of(plugins_[index].sections.items(),
                               [&](const auto& one) { return plugins_[other].sections.contains(one.key()); });
  };
  for (std::size_t i = 0; i < file_.plugins.size(); ++i) {
    const auto& plugin = file_.plugins[i];
    if (i == index || !plugin.enabled || !concerns(plugin, callers)) continue;
    if (plugin.name != own.name ? shares(i) : plugin.consumer || plugin.group || (plugin.route && plugin.service))
      return false;
  }
  return true;
}

void Conversion::add_consumer_policies() {
  std::map<std::size_t, std::vector<std::string>> alone;  // plugins, and whose they are
  std::map<std::pair<Counted::key_type, std::vector<std::string>>, std::vector<std::string>> counting;
  for (const auto& callers : all_callers()) {
    std::set<std::size_t> others;
    for (const auto i : callers.plugins) {
      if (!is_alone(i, callers)) others.insert(i);
      else alone[i].insert(alone[i].end(), callers.objects.begin(), callers.objects.end());
    }
    Counted counted;
    if (!others.empty()) add_consumer_routes(callers, others, counted);
    for (auto& [of, targets] : counted) {
      auto& objects = counting[{of, std::move(targets)}];
      objects.insert(objects.end(), callers.objects.begin(), callers.objects.end());
    }
  }
  for (const auto& [plugin, objects] : alone)
    add_policy(file_.plugins[plugin].at, policy_name(plugin), "Consumer", objects, plugins_[plugin].sections);
  for (const auto& [of, objects] : counting) add_rate_limit(of.first.first, of.first.second, of.second, objects);
}

/// Of some of their plugins; routes on which they have the same share a policy.
void Conversion::add_consumer_routes(const Callers& callers, const std::set<std::size_t>& plugins, Counted& counting) {
  std::map<std::string, std::pair<Json, std::vector<std::string>>> groups;
  for (std::size_t route = 0; route < routes_.size(); ++route) {
    const auto& objects = routes_[route].objects;
    if (objects.empty()) continue;
    const auto chosen = choose_plugins(route, callers);
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
  const auto at = file_.plugins[callers.plugins.front()].at;
  for (const auto& [text, group] : groups)
    add_policy(at, names_.make("consumer-", callers.objects.front()), "HTTPRoute", group.second, group.first,
               callers.objects);
}

}  // namespace fairlead::kong
