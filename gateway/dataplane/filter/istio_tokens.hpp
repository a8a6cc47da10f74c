// SPDX-License-Identifier: Apache-2.0
#pragma once

// Istio's RequestAuthentication: who sends a token must send a good one; nobody has to send any.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/model/istio.hpp"
#include "gateway/dataplane/filter/auth_keys.hpp"

namespace fairlead::filter {

/// A JWTRule with its keys, which are its own or a server's.
struct IstioIssuer {
  const model::JwtRule* rule = nullptr;  ///< within an object that the filter holds
  auth::KeySetPtr keys;
  KeySource remote;  ///< keys null: not remote
};

/// What is known of a request's tokens so far.
struct IstioAttempt {
  struct Candidate {
    const IstioIssuer* issuer = nullptr;
    std::string_view text;
  };
  std::vector<Candidate> candidates;
  std::size_t next = 0;             ///< that is tried
  std::unique_ptr<AuthWork> work;   ///< of that one
  auth::TokenPtr token;             ///< the first that was good; null: none
  std::uint16_t status = 401;       ///< of the answer where none was
  std::string_view why{};           ///< a literal, in Envoy's words
};

/// Immutable. Thread: any worker's.
class IstioTokens {
 public:
  enum class Outcome : std::uint8_t {
    kPass,  ///< a good token, or none at all
    kBad,   ///< attempt.status and .why
    kWait,  ///< attempt.work is to be started; then go_on() again
  };
  explicit IstioTokens(std::vector<IstioIssuer> issuers) : issuers_(std::move(issuers)) {}

  [[nodiscard]] bool empty() const { return issuers_.empty(); }
  /// Finds what was sent, and takes off what no client may say: the headers that tell backends of tokens.
  void begin(Request& request, IstioAttempt& attempt) const;
  void strip_outputs(http::Fields& fields) const;
  [[nodiscard]] Outcome go_on(Request& request, IstioAttempt& attempt) const;

 private:
  Outcome verify(Request& request, IstioAttempt& attempt) const;
  Outcome accept(Request& request, IstioAttempt& attempt, const IstioIssuer& issuer, auth::TokenPtr token) const;

  const std::vector<IstioIssuer> issuers_;
  const std::shared_ptr<const int> key_ = std::make_shared<const int>(0);  // of the workers' caches
};

}  // namespace fairlead::filter
