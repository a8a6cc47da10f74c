// SPDX-License-Identifier: Apache-2.0
#pragma once

// HTTP Message Signatures (RFC 9421) of requests, and Content-Digest (RFC 9530). Thread: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/auth/structured_fields.hpp"
#include "fairlead/auth/verify_key.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::auth {

/// One member of Signature-Input with its member of Signature. Texts are owned.
struct HttpSignature {
  std::string label;
  structured::Member input;  ///< the covered components, with the signature's parameters
  std::string signature;     ///< bytes
  std::optional<std::int64_t> created, expires;  ///< seconds since 1970
  std::optional<std::string> key_id, algorithm, tag, nonce;

  /// Whether the signature covers what `component` names: the name of a field or of a derived component, with
  /// parameters where it is configured so: `@query-param;name="id"`. A field counts where its whole value is signed,
  /// and @target-uri signs @scheme, @authority, @path and @query too, @request-target the last two.
  [[nodiscard]] bool covers(std::string_view component) const;
};

/// In the order of Signature-Input. Nothing where there is neither field; an empty list where they are malformed, are
/// not about the same labels, or have more than kMostSignatures of them.
inline constexpr std::size_t kMostSignatures = 8;
inline constexpr std::size_t kMostComponents = 64;
[[nodiscard]] std::optional<std::vector<HttpSignature>> parse_signatures(const http::Fields& fields);

/// Section 2.5. Nothing where a component is not in the request, stands in it more than once (@query-param), is named
/// twice, or asks for what is not served: `tr`, `req`, `sf` of a field whose type is not known, components of
/// responses. @request-target is the origin form, whatever form was sent.
[[nodiscard]] std::optional<std::string> signature_base(const HttpSignature& signature, const http::RequestHead& head);

/// "rsa-pss-sha512" and the others of section 6.2; nothing for what is not known.
[[nodiscard]] std::optional<Algorithm> signature_algorithm(std::string_view name);
/// A key for one algorithm. `algorithm` empty: hmac-sha256 of a secret, else what the public key is for, with
/// rsa-pss-sha512 for RSA. An error where the key is of another kind.
[[nodiscard]] Result<VerifyKey> signature_key(std::string_view material, bool is_public, std::string_view algorithm);
/// False, too, where `alg` is another algorithm than the key's.
[[nodiscard]] bool check_signature(const HttpSignature& signature, const VerifyKey& key, std::string_view base);

/// A component as a configuration may name it.
[[nodiscard]] bool is_component(std::string_view text);

/// Whether Content-Digest names sha-256 or sha-512 and each of them that it names is the body's; others are passed
/// over (RFC 9530 section 2).
[[nodiscard]] bool check_content_digest(const http::Fields& fields, std::string_view body);

}  // namespace fairlead::auth
