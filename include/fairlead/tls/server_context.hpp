// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/tls/certificate.hpp"
#include "fairlead/tls/options.hpp"
#include "fairlead/tls/ticket_keys.hpp"

struct ssl_st;

namespace fairlead::tls {

/// What is served under some names: in Gateway API, a listener.
struct VirtualServer {
  /// "www.example.com", or "*.example.com" for names with one or more labels before it, as a Listener's hostname is
  /// meant. None: whatever no other virtual server has, and clients without SNI.
  std::vector<std::string> names;
  /// At least one. Where one has the name among its SANs (RFC 6125: "*" stands for one label) it is taken, ECDSA and
  /// RSA side by side by what the client supports; else the first of each kind.
  std::vector<std::shared_ptr<const Certificate>> certificates;
  std::shared_ptr<const ServerPolicy> policy;  ///< share it: equal policies become one template
};

struct ServerConfig {
  std::vector<VirtualServer> servers;
  std::shared_ptr<TicketKeys> tickets;  ///< none: no resumption
  unsigned tickets_per_handshake = 1;   ///< TLS 1.3; clients that open connections in parallel may use more
  bool ktls = false;                    ///< ask for kernel TLS; see probe_ktls()
};

/// All that a listener needs to accept TLS: immutable, exchanged as a whole; connections that stand keep what they
/// agreed on. Building costs the parsing of what is new (certificates are loaded before), and one SSL_CTX for each
/// policy. Owner: shared by workers. Thread: any.
class ServerContext {
 public:
  static Result<std::shared_ptr<const ServerContext>> create(ServerConfig config);
  ~ServerContext();
  ServerContext(const ServerContext&) = delete;
  ServerContext& operator=(const ServerContext&) = delete;

  /// The server's end of a handshake for a client that asked for `server_name` (lower case; empty: none), to be freed
  /// by SSL_free and not to outlive this object before the handshake is over. nullptr: nobody has that name.
  [[nodiscard]] ssl_st* accept(std::string_view server_name) const;
  /// Whether two names (lower case; empty: none) belong to two virtual servers. A client that has shown itself to one
  /// of them has not to the other, whose policy may ask for more: RFC 9110, section 15.5.20.
  [[nodiscard]] bool apart(std::string_view one, std::string_view other) const;
  [[nodiscard]] bool ktls() const;

 private:
  struct State;
  explicit ServerContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fairlead::tls
