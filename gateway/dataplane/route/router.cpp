// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/router.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <iterator>
#include <unordered_map>

#include "host_router.hpp"

namespace fairlead::route {
namespace {

std::size_t labels(std::string_view name) { return static_cast<std::size_t>(std::ranges::count(name, '.')) + 1; }

/// Its patterns; one empty one where it is for every host.
std::vector<std::string_view> hosts_of(const Route& route) {
  if (route.hosts.empty()) return {""};
  return {route.hosts.begin(), route.hosts.end()};
}

/// Wildcards are found by what is behind "*", so that a host's suffix can be looked up as it stands.
std::uint64_t hash_pattern(std::string_view pattern) {
  return pattern.starts_with('*') ? hash_text(pattern.substr(1), kSeed + 1) : hash_text(pattern);
}

/// Null: the path was matched otherwise.
const re2::RE2* regex_of(const Match& match) {
  return match && match.spec().path_regex != nullptr ? match.spec().path_regex->regex.get() : nullptr;
}

}  // namespace

Router::~Router() = default;

std::shared_ptr<const Router> Router::build(std::span<const RoutePtr> routes) {
  std::unordered_map<std::string_view, std::vector<RoutePtr>> by_host;
  for (const auto& route : routes)
    for (const auto host : hosts_of(*route)) by_host[host].push_back(route);
  auto router = std::make_shared<Router>();
  router->hosts_.reserve(by_host.size());
  for (auto& [pattern, own] : by_host) {
    own.shrink_to_fit();
    router->hosts_.push_back(std::make_shared<const HostRouter>(pattern, std::move(own)));
  }
  router->index_hosts();
  return router;
}

std::shared_ptr<const Router> Router::changed(std::span<const RoutePtr> removed,
                                              std::span<const RoutePtr> added) const {
  std::unordered_map<std::string_view, std::vector<RoutePtr>> gone, come;
  for (const auto& route : removed)
    for (const auto host : hosts_of(*route)) gone[host].push_back(route), come[host];
  for (const auto& route : added)
    for (const auto host : hosts_of(*route)) come[host].push_back(route);
  auto router = std::make_shared<Router>();
  router->hosts_ = hosts_;
  bool same_hosts = true;
  for (auto& [pattern, own] : come) {
    const auto index = find_pattern(pattern);
    if (index != 0) {
      auto& less = gone[pattern];
      std::ranges::sort(less);
      std::ranges::copy_if(hosts_[index - 1]->routes(), std::back_inserter(own),
                           [&](const RoutePtr& route) { return !std::ranges::binary_search(less, route); });
    }
    same_hosts = same_hosts && (index != 0) == !own.empty();
    std::shared_ptr<const HostRouter> host;
    if (!own.empty()) host = std::make_shared<const HostRouter>(pattern, std::move(own));
    if (index != 0) router->hosts_[index - 1] = std::move(host);
    else if (host) router->hosts_.push_back(std::move(host));
  }
  if (same_hosts) {
    router->slots_ = slots_;
    router->wildcard_labels_ = wildcard_labels_;
    router->find_any_host();
  } else {
    std::erase(router->hosts_, nullptr);
    router->index_hosts();
  }
  return router;
}

void Router::find_any_host() {
  const auto index = find_pattern("");
  any_host_ = index == 0 ? nullptr : hosts_[index - 1].get();
}

void Router::index_hosts() {
  slots_.assign(std::bit_ceil(hosts_.size() * 2 + 1), {});
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const std::string_view pattern = hosts_[i]->pattern();
    // Names have 127 labels at most; those beyond 64 share a bit.
    if (pattern.starts_with("*."))
      wildcard_labels_ |= std::uint64_t{1} << std::min<std::size_t>(63, labels(pattern) - 1);
    const auto hash = hash_pattern(pattern);
    auto at = hash;
    while (slots_[at & (slots_.size() - 1)].index != 0) ++at;
    slots_[at & (slots_.size() - 1)] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(i + 1)};
  }
  find_any_host();
}

/// `text`: a whole name, or of a wildcard what is behind "*".
std::size_t Router::find(std::uint64_t hash, std::string_view text, bool wildcard) const {
  if (hosts_.empty()) return 0;
  for (auto at = hash;; ++at) {
    const auto& slot = slots_[at & (slots_.size() - 1)];
    if (slot.index == 0) return 0;
    if (slot.tag != static_cast<std::uint32_t>(hash >> 32)) continue;
    std::string_view pattern = hosts_[slot.index - 1]->pattern();
    if (pattern.starts_with('*') != wildcard) continue;
    if (pattern.substr(wildcard ? 1 : 0) == text) return slot.index;
  }
}

std::size_t Router::find_pattern(std::string_view pattern) const {
  const bool wildcard = pattern.starts_with('*');
  return find(hash_pattern(pattern), pattern.substr(wildcard ? 1 : 0), wildcard);
}

Match Router::match(const Request& request) const {
  if (!request.path.starts_with('/')) return {};
  const PathKeys keys(request.path);
  const auto try_host = [&](const HostRouter& host) -> Match {
    const auto* found = host.match(keys, request);
    if (found == nullptr) return {};
    return {found->route, found->rule, found->match, host.pattern()};
  };
  const auto& name = request.host;
  if (!name.empty()) {
    if (const auto index = find(hash_text(name), name, false))
      if (const auto found = try_host(*hosts_[index - 1])) return found;
    if (wildcard_labels_ != 0)
      for (auto dot = name.find('.', 1), left = labels(name) - 1; dot != std::string_view::npos && left > 0;
           dot = name.find('.', dot + 1), --left) {
        if ((wildcard_labels_ >> std::min<std::size_t>(63, left) & 1) == 0) continue;
        const auto suffix = name.substr(dot);
        if (const auto index = find(hash_text(suffix, kSeed + 1), suffix, true))
          if (const auto found = try_host(*hosts_[index - 1])) return found;
      }
  }
  return any_host_ == nullptr ? Match{} : try_host(*any_host_);
}

std::string_view Match::prefix(std::string_view path) const {
  if (const auto& regex = spec().path_regex; regex == nullptr || !regex->has_prefix) return prefix();
  std::string_view groups[2];
  return captures(*this, path, groups) == 2 ? groups[1] : std::string_view{};
}

std::size_t Router::bytes() const {
  std::size_t bytes = sizeof *this + hosts_.capacity() * sizeof hosts_[0] + slots_.capacity() * sizeof(Slot);
  for (const auto& host : hosts_) bytes += host->bytes();
  return bytes;
}

std::size_t captures(const Match& match, std::string_view path, std::span<std::string_view> into) {
  const auto* regex = regex_of(match);
  if (regex == nullptr || into.empty()) return 0;
  constexpr std::size_t kMost = 16;
  re2::StringPiece groups[kMost];
  const auto count = std::min({into.size(), kMost, static_cast<std::size_t>(regex->NumberOfCapturingGroups()) + 1});
  const re2::StringPiece text(path.data(), path.size());
  if (!regex->Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, groups, static_cast<int>(count))) return 0;
  for (std::size_t i = 0; i < count; ++i) into[i] = {groups[i].data(), groups[i].size()};
  return count;
}

std::optional<std::string_view> capture(const Match& match, std::string_view path, std::string_view name) {
  const auto* regex = regex_of(match);
  if (regex == nullptr) return std::nullopt;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) {
    const auto& names = regex->NamedCapturingGroups();
    const auto found = names.find(std::string(name));
    if (found == names.end()) return std::nullopt;
    number = static_cast<std::size_t>(found->second);
  }
  std::array<std::string_view, 16> groups;
  if (number >= captures(match, path, groups) || groups[number].data() == nullptr) return std::nullopt;
  return groups[number];
}

}  // namespace fairlead::route
