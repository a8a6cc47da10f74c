// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rules of Istio's AuthorizationPolicy, and what they ask of a request.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/objects.hpp"

namespace fairlead::filter {

/// What rules ask of one request. Views live as long as the request and the token.
struct IstioFacts {
  Address source_ip;  ///< who is connected
  Address remote_ip;  ///< behind trusted hops
  Address destination_ip;
  std::uint16_t destination_port = 0;
  std::string_view principal;        ///< "cluster.local/ns/a/sa/b" of a verified certificate; empty: none
  std::string_view ns;               ///< of it
  std::string_view service_account;  ///< of it
  std::string_view host;             ///< without a port
  std::string_view authority;        ///< as sent
  std::string_view method;
  std::string_view path;  ///< normal, without query
  std::string_view sni;
  std::string request_principal;        ///< "issuer/subject"; empty: none
  const auth::Token* token = nullptr;   ///< verified
  const std::vector<std::string>* word_claims = nullptr;  ///< of it, that are lists of words beside the usual ones
  const http::Fields* fields = nullptr;
};
[[nodiscard]] IstioFacts istio_facts(Request& request, const auth::Token* token);

/// Exact, "prefix*", "*suffix", or "*" for whatever is there.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);
/// The same, or a template with {*} (one segment) and, last, {**} (any number).
[[nodiscard]] bool matches_path(std::string_view pattern, std::string_view path);

/// `ns`: of the policy, for names of service accounts without one.
[[nodiscard]] bool matches_rule(const model::AuthorizationRule& rule, const std::string& ns, const IstioFacts& facts);

}  // namespace fairlead::filter
