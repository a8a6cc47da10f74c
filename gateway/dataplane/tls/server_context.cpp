// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/server_context.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "name_map.hpp"
#include "openssl.hpp"
#include "server_template.hpp"

namespace fairlead::tls {

using CertificateSets = NameMap<CertificateSet>;

// A VirtualServer, ready to be looked up.
struct Served {
  std::vector<std::shared_ptr<const Certificate>> certificates;
  const ServerTemplate* made_from = nullptr;
  CertificateSet first;                  // the first of each kind
  std::unique_ptr<CertificateSets> by_certificate;  // only where certificates compete

  [[nodiscard]] const CertificateSet& choose(std::string_view name) const {
    if (!by_certificate) return first;
    const auto* set = by_certificate->find(name, CertificateSets::Wildcard::kOneLabel);
    return set == nullptr ? first : *set;
  }
};

namespace {

bool is_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return !name.empty() && name.size() <= 253 && !name.starts_with('.') && !name.ends_with('.') &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
         });
}

// Names decide between certificates. A kind that has no certificate for just this name may have one for its wildcard.
std::unique_ptr<CertificateSets> index(const std::vector<std::shared_ptr<const Certificate>>& certificates) {
  auto sets = std::make_unique<CertificateSets>();
  for (const auto& certificate : certificates) {
    for (const auto& name : certificate->dns_names()) {
      sets->add(name, {});
      sets->exactly(name)->add(*certificate);
    }
  }
  for (const auto& certificate : certificates) {
    for (const auto& name : certificate->dns_names()) {
      const auto dot = name.find('.');
      if (name.starts_with("*.") || dot == std::string::npos) continue;
      const auto* wild = sets->exactly("*" + name.substr(dot));
      if (wild == nullptr) continue;
      for (const Certificate* other : wild->by_type) {
        if (other != nullptr) sets->exactly(name)->add(*other);
      }
    }
  }
  return sets;
}

}  // namespace

struct ServerContext::State {
  using Servers = NameMap<const Served*>;

  ServerConfig config;
  std::vector<std::pair<std::shared_ptr<const ServerPolicy>, std::unique_ptr<ServerTemplate>>> templates;
  std::unordered_map<const ServerPolicy*, const ServerTemplate*> by_policy;
  std::vector<std::unique_ptr<Served>> served;
  Servers servers;
  const Served* fallback = nullptr;

  /// nullptr: nobody has that name.
  [[nodiscard]] const Served* owner(std::string_view name) const {
    const auto* found = name.empty() ? nullptr : servers.find(name, Servers::Wildcard::kAnyLabels);
    return found == nullptr ? fallback : *found;
  }

  Result<const ServerTemplate*> template_for(const std::shared_ptr<const ServerPolicy>& policy) {
    if (const auto found = by_policy.find(policy.get()); found != by_policy.end()) return found->second;
    for (const auto& [known, made] : templates) {
      if (*known == *policy) return by_policy[policy.get()] = made.get();
    }
    FL_TRY(auto made, ServerTemplate::create(*policy, config.tickets, config.tickets_per_handshake, config.ktls));
    templates.emplace_back(policy, std::move(made));
    return by_policy[policy.get()] = templates.back().second.get();
  }

  Result<> add_names(const VirtualServer& server, const Served* entry) {
    for (const auto& name : server.names) {
      if (!is_name(name)) {
        return fail("name \"" + name + "\": expected a host name in lower case, or \"*.\" and one");
      }
      if (!servers.add(name, entry)) return fail("name \"" + name + "\": found in two virtual servers");
    }
    if (!server.names.empty()) return {};
    if (fallback != nullptr) return fail("two virtual servers without a name: expected one for all other names");
    fallback = entry;
    return {};
  }

  Result<> add(const VirtualServer& server) {
    if (server.certificates.empty()) return fail("a virtual server without a certificate");
    static const auto plain = std::make_shared<const ServerPolicy>();
    auto entry = std::make_unique<Served>();
    FL_TRY(entry->made_from, template_for(server.policy ? server.policy : plain));
    entry->certificates = server.certificates;
    for (const auto& certificate : entry->certificates) entry->first.add(*certificate);
    if (entry->certificates.size() > 1) entry->by_certificate = index(entry->certificates);
    FL_CHECK(add_names(server, entry.get()));
    served.push_back(std::move(entry));
    return {};
  }
};

ServerContext::ServerContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServerContext::~ServerContext() = default;

Result<std::shared_ptr<const ServerContext>> ServerContext::create(ServerConfig config) {
  auto state = std::make_unique<State>();
  state->config = std::move(config);
  if (state->config.servers.empty()) return fail("TLS listener: found no virtual server, expected one at least");
  for (const auto& server : state->config.servers) {
    if (auto added = state->add(server); !added) return fail(std::move(added.error()).in("TLS listener"));
  }
  state->config.servers.clear();
  return std::shared_ptr<const ServerContext>(new ServerContext(std::move(state)));
}

ssl_st* ServerContext::accept(std::string_view server_name) const {
  const Served* entry = state_->owner(server_name);
  return entry == nullptr ? nullptr : entry->made_from->accept(entry->choose(server_name));
}

bool ServerContext::apart(std::string_view one, std::string_view other) const {
  if (state_->served.size() == 1 || one == other) return false;
  const auto* owner = state_->owner(other);
  return owner != nullptr && owner != state_->owner(one);
}

bool ServerContext::ktls() const { return state_->config.ktls; }

}  // namespace fairlead::tls
