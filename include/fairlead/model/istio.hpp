// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parts of Istio's security.istio.io objects that only a gateway reads.

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/model/gateway_route_parts.hpp"
#include "fairlead/model/mesh.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::model {

/// The ConfigMap there whose entry `mesh` is the MeshConfig.
inline constexpr const char* kIstioMeshConfig = "istio";

/// JWTRule.
struct JwtRule {
  std::string issuer;
  std::vector<std::string> audiences;  ///< one of; empty: not asked
  std::string jwks;                    ///< inline, JSON
  std::string jwks_uri;                ///< in place of jwks
  std::vector<std::pair<std::string, std::string>> from_headers;  ///< in lower case; with what stands before the token
  std::vector<std::string> from_params;
  std::vector<std::string> from_cookies;
  std::vector<std::string> word_claims;  ///< spaceDelimitedClaims, beside scope and permission
  std::string payload_header;  ///< outputPayloadToHeader, in lower case; empty: none
  std::vector<ClaimHeader> claim_headers;  ///< outputClaimToHeaders
  bool forward = false;  ///< forwardOriginalToken
  std::chrono::milliseconds timeout{5000};
};

/// MeshConfig's extensionProviders: a server that says whether a request may pass.
struct ExtensionProvider {
  std::string name;
  std::string ns;  ///< of its Service, where it is said; empty: by the host
  std::string host;  ///< in lower case
  ExternalAuth check;  ///< backend: only its port
};

}  // namespace fairlead::model
