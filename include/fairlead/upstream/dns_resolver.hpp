// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/upstream/dns.hpp"

namespace fairlead::upstream {

/// Asks name servers by c-ares on a reactor, A and AAAA; /etc/hosts too. A question ends after two tries of two seconds
/// with each server. Owner: the program; outlives its queries, not its reactor. Thread: the reactor's.
class DnsResolver final : public Resolver {
 public:
  /// `servers`: "10.0.0.10,[fd00::10]:5353"; empty: those of /etc/resolv.conf, read once.
  static Result<std::unique_ptr<DnsResolver>> create(event::Reactor& reactor, const std::string& servers);
  ~DnsResolver();
  DnsResolver(const DnsResolver&) = delete;
  DnsResolver& operator=(const DnsResolver&) = delete;

  std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsListener& listener) override;

 private:
  struct State;
  explicit DnsResolver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::upstream
