// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/seal.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::filter {

/// Who is logged in. Times are seconds since 1970.
struct Session {
  std::string claims;         ///< the ID token's payload, JSON
  std::string refresh_token;  ///< empty: none
  std::string nonce;          ///< of the login
  std::int64_t ends = 0;
  std::int64_t refresh_at = 0;   ///< with a refresh token: from when on it is used
  std::int64_t fresh_until = 0;  ///< the same: until when the claims count
};

/// A login under way, by its state. A browser may have several.
struct LoginTry {
  std::string state;
  std::string nonce;
  std::string verifier;  ///< PKCE
  std::string target;    ///< where to go to then
  std::int64_t ends = 0;
};

/// What browsers keep for us, in cookies that are sealed: sessions, in several cookies where one is too long, and
/// logins under way. What is old, forged, cut or of another client or name is as if it were not there. Immutable.
/// Owner: a method. Thread: any worker's.
class SessionCookies {
 public:
  static constexpr std::size_t kMostPieces = 4;
  static constexpr std::size_t kPiece = 3800;  ///< bytes of a value: browsers take 4096 of name and value (RFC 6265bis)
  static constexpr std::size_t kMostTries = 4;
  static constexpr std::int64_t kTrySeconds = 600;

  SessionCookies(const model::LoginMethod& settings, auth::SealKeys keys);

  [[nodiscard]] std::optional<Session> read(Request& request, std::int64_t now) const;
  /// Adds Set-Cookie fields; false and none where it does not fit.
  bool write(Request& request, const Session& session, std::int64_t now, http::Fields& out) const;
  /// Of the session.
  void clear(Request& request, http::Fields& out) const;

  [[nodiscard]] std::optional<LoginTry> read_try(Request& request, std::string_view state, std::int64_t now) const;
  /// Those that are around already go where they have become too many.
  void write_try(Request& request, const LoginTry& one, http::Fields& out) const;
  void clear_try(Request& request, const LoginTry& one, http::Fields& out) const;

  /// Takes all of them off: they are nothing for backends.
  void hide(Request& request) const;

 private:
  [[nodiscard]] std::string try_name(std::string_view state) const;
  [[nodiscard]] std::optional<std::string> joined(Request& request) const;
  [[nodiscard]] std::string context(std::string_view name) const { return std::string(name) + binding_; }
  void put(Request& request, std::string_view name, std::string_view value, std::int64_t seconds,
           http::Fields& out) const;
  void expire(Request& request, std::string_view name, http::Fields& out) const { put(request, name, {}, 0, out); }

  const auth::SealKeys keys_;
  const std::string name_;  // with __Host-
  const std::string tries_;  // how names of logins begin
  const std::string binding_;  // to issuer and client
  const std::string_view attributes_;
  std::vector<model::CredentialPlaces> pieces_;  // by number
};

}  // namespace fairlead::filter
