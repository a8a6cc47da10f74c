// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/base/address.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::model {

/// Of the client's address, behind trusted hops. Deny goes before allow; allow that is not empty refuses all others.
struct AddressRules {
  std::vector<Cidr> allow;
  std::vector<Cidr> deny;
  std::uint16_t status = 403;  ///< of the refusal
  std::string detail;          ///< what it says; empty: the gateway's words
};

/// Of the field User-Agent: expressions of RE2 that are found somewhere in it. Allow goes before deny and bots;
/// requests without the field pass, those with several get 400.
struct UserAgentRules {
  std::vector<std::string> allow;
  std::vector<std::string> deny;
  bool deny_bots = false;  ///< those that filter/known_bots.hpp knows
};

struct RequestSize {
  /// What becomes of bodies without a Content-Length.
  enum class Streamed : std::uint8_t {
    kBuffer,  ///< held back until they are whole, or too large
    kRefuse,  ///< 411
    kPass,    ///< not limited here
  };
  std::uint64_t max_bytes = 0;
  Streamed streamed = Streamed::kBuffer;
  bool require_length = false;  ///< 411 to requests that say neither a length nor that they come in chunks
};

struct AccessPath {
  bool prefix = true;  ///< element by element, as Gateway API's PathPrefix; else the whole path
  std::string value;
};

/// Holds where all lists that are not empty hold; of each list one entry is enough.
struct AccessRule {
  bool allow = true;
  std::vector<std::string> groups;     ///< sorted
  std::vector<std::string> consumers;  ///< sorted
  std::vector<std::string> methods;    ///< upper case
  std::vector<AccessPath> paths;
  std::vector<RequiredClaim> claims;  ///< all of them
  std::vector<std::string> scopes;    ///< all of them, in the claim scope or scp
  std::vector<Cidr> addresses;
  std::optional<bool> authenticated;
};

/// The first rule that holds decides.
struct AccessRules {
  std::vector<AccessRule> rules;
  bool otherwise_allow = false;
  bool challenges = false;   ///< who is refused, and not known, gets 401
  bool hides_groups = false;  ///< from backends
};

}  // namespace fairlead::model
