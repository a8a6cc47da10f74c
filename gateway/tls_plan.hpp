// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/config/gateway_state.hpp"
#include "fairlead/tls/server_context.hpp"
#include "gateway/remarks.hpp"

namespace fairlead::gateway {

/// Certificates from Secrets, and the TLS contexts of ports. A certificate that was good stays in force while the text
/// of its Secret is not.
/// Owner: ConfigPlan. Thread: main.
class TlsPlan {
 public:
  using Certificate = std::shared_ptr<const tls::Certificate>;
  /// One port's context and what it was made from.
  struct Context {
    struct Server {
      std::string hostname;
      std::vector<Certificate> certificates;
      tls::ServerPolicy policy;
      bool operator==(const Server&) const = default;
    };
    std::vector<Server> servers;
    bool tickets = true;
    std::shared_ptr<const tls::ServerContext> context;
  };

  /// `tickets`: what seals those of all ports.
  explicit TlsPlan(std::shared_ptr<tls::TicketKeys> tickets) : tickets_(std::move(tickets)) {}

  /// The context for the HTTPS listeners of one port; that of `known` where nothing has changed. Listeners without a
  /// usable certificate are left out, with a line in `texts`; null where none is left.
  std::shared_ptr<const tls::ServerContext> context(const std::vector<const config::CompiledListener*>& listeners,
                                                    const model::Cluster& cluster, Context& known,
                                                    Remarks::Texts& texts);
  /// What the listener's Gateway shows to backends (tls.backend.clientCertificateRef), the same object while its Secret
  /// is the same; null: nothing. `remarks` say where it cannot be used.
  Certificate credential(const config::CompiledListener& listener, Remarks& remarks);
  /// The Secrets of which no certificate could be made.
  [[nodiscard]] config::BadCertificates bad() const;
  /// Forgets certificates whose Secrets are gone.
  void prune();
  /// Says which OCSP responses are no longer good; now and then.
  void look_at_staples();

 private:
  struct Loaded {
    std::shared_ptr<const model::Secret> from;
    Certificate certificate;
    std::string error;  // of `from`; the certificate is an earlier one then
    bool staples = false;  // an OCSP response that is good
  };
  Certificate load(const std::shared_ptr<const model::Secret>& secret, Remarks::Texts& texts);

  std::shared_ptr<tls::TicketKeys> tickets_;
  std::map<std::string, Loaded> loaded_;  // by "namespace/name"
};

}  // namespace fairlead::gateway
