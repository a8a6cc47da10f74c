// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/net/stream.hpp"
#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

/// Secrets of session references, newest first: the first makes them, all read them, so keys can change without a
/// session lost. The same on every instance that serves the same clients.
using PersistenceKey = std::array<unsigned char, 16>;

/// What a client brings back: to which backend, since when.
struct SessionReference {
  net::Endpoint endpoint;
  std::uint64_t started_s = 0;  ///< Unix time of the session's first request
};

/// Makes and reads the opaque references of session persistence: AES-128-GCM over address, port and start, so that a
/// client can neither read, choose nor change its backend, bound to the name of the cluster or route.
/// Owner: the workers' shared state, immutable. Thread: any.
class SessionReferences {
 public:
  static constexpr std::size_t kTextLength = 74;  ///< base64url without padding

  /// At least one key.
  explicit SessionReferences(std::vector<PersistenceKey> keys) : keys_(std::move(keys)) {}

  /// `scope`: where the reference is good; the same text is needed to read it.
  [[nodiscard]] Result<std::string> make(const SessionReference& reference, std::string_view scope) const;
  /// Nothing where it is forged, cut, of another scope, or made with a key that is gone.
  [[nodiscard]] std::optional<SessionReference> read(std::string_view text, std::string_view scope) const;

 private:
  std::vector<PersistenceKey> keys_;
};

enum class SessionState : std::uint8_t { kNone, kInvalid, kExpired, kValid };

struct Session {
  SessionState state = SessionState::kNone;
  SessionReference reference;  ///< with kValid
};

/// Reads what the client sent; expired: older than the absolute time-out.
[[nodiscard]] Session read_session(const SessionReferences& references, const PersistenceSpec& spec,
                                   std::string_view text, std::string_view scope, std::uint64_t now_s);

/// A cookie's value without quotes around it.
[[nodiscard]] std::string_view unquoted(std::string_view value);

/// The value of the first cookie of the name, without quotes around it; empty: there is none.
[[nodiscard]] std::string_view find_cookie(const http::Fields& fields, std::string_view name);

/// The value of Set-Cookie. Permanent: Max-Age is what is left of the absolute time-out. `secure`: the client uses TLS.
[[nodiscard]] std::string session_cookie(const PersistenceSpec& spec, std::string_view text, std::uint64_t started_s,
                                         std::uint64_t now_s, bool secure);

}  // namespace fairlead::upstream
