// SPDX-License-Identifier: Apache-2.0
// RequestAuthentication of security.istio.io/v1. A field that is not served refuses it as a whole.
#include "fairlead/model/istio.hpp"

#include <memory>

#include "fairlead/auth/verify_key.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/json_value.hpp"
#include "gateway/dataplane/config/kinds.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

auto texts_field(Reader& reader, std::string_view name, std::vector<std::string>& out) {
  return field(name, [&reader, &out](View v) {
    read_list(reader, v, 0, 64, out, [&](View item, std::string& one) { read_text(reader, item, one, 1, 1024); });
  });
}

auto from_headers_field(Reader& reader, model::JwtRule& out) {
  return field("fromHeaders", [&](View v) {
    read_list(reader, v, 1, 16, out.from_headers, [&](View item, auto& one) {
      read_mapping(reader, item,
                   required("name", "a header's name", [&](View n) { read_header_name(reader, n, one.first); }),
                   field("prefix", [&](View p) { read_text(reader, p, one.second, 1, 64); }));
    });
  });
}

auto claims_field(Reader& reader, model::JwtRule& out) {
  return field("outputClaimToHeaders", [&](View v) {
    read_list(reader, v, 0, 64, out.claim_headers, [&](View item, model::ClaimHeader& one) {
      read_mapping(reader, item,
                   required("header", "a header's name", [&](View h) { read_free_header_name(reader, h, one.header); }),
                   required("claim", "a claim", [&](View c) { read_text(reader, c, one.claim, 1, 256); }));
    });
  });
}

void read_jwt_rule(Reader& reader, View at, model::JwtRule& out) {
  const auto is_uri = [](std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); };
  read_mapping(
      reader, at, required("issuer", "the value of iss", [&](View v) { read_text(reader, v, out.issuer, 1, 1024); }),
      texts_field(reader, "audiences", out.audiences),
      field("jwks",
            [&](View v) {
              read_text(reader, v, out.jwks, 2, 262144);
              if (const auto keys = auth::parse_jwks(out.jwks); !keys)
                reader.error(v, "a JWK Set (RFC 7517): " + keys.error().message);
            }),
      field("jwksUri", [&](View v) { read_text(reader, v, out.jwks_uri, 8, 1024, is_uri, "a URL of http or https"); }),
      from_headers_field(reader, out), texts_field(reader, "fromParams", out.from_params),
      texts_field(reader, "fromCookies", out.from_cookies),
      texts_field(reader, "spaceDelimitedClaims", out.word_claims),
      field("outputPayloadToHeader", [&](View v) { read_free_header_name(reader, v, out.payload_header); }),
      claims_field(reader, out), field("forwardOriginalToken", [&](View v) { reader.read(v, out.forward); }),
      field("timeout", [&](View v) {
        if (const auto time = reader.duration(v, std::chrono::milliseconds(1))) out.timeout = *time;
      }));
  if (!at.is_mapping() || reader.failed()) return;
  if (!out.jwks.empty() && !out.jwks_uri.empty()) reader.error(at, "one of jwks and jwksUri");
  else if (out.jwks.empty() && out.jwks_uri.empty() && !is_uri(out.issuer))
    reader.error(at, "jwks or jwksUri, or an issuer that is a URL: keys are looked for there");
}

}  // namespace

model::RequestAuthentication read_request_authentication(Reader& reader, View root) {
  constexpr std::size_t kMostJwtRules = 64;
  model::RequestAuthentication out;
  out.metadata = read_metadata(reader, root, true);
  auto rules = std::make_shared<std::vector<model::JwtRule>>();
  reader.fields(root.find("spec"), [&](View part) {
    if (part.key() == "selector") {
      read_mapping(reader, part,
                   field("matchLabels", [&](View v) { out.selector.match_labels = read_labels(reader, v); }));
    } else if (part.key() == "jwtRules") {
      read_list(reader, part, 0, kMostJwtRules, *rules,
                [&](View item, model::JwtRule& one) { read_jwt_rule(reader, item, one); });
    } else if (!read_istio_targets(reader, part, out.targets)) {
      reader.unknown_field(part, "selector, targetRefs or jwtRules");
    }
  });
  out.rules = std::move(rules);
  return out;
}

std::optional<model::RefusedPolicy> refused_request_authentication(View root, const std::string& reason) {
  auto out = refused_authorization_policy(root, reason);
  if (out) out->kind = model::Kind::kRequestAuthentication;
  return out;
}

}  // namespace fairlead::config
