// SPDX-License-Identifier: Apache-2.0
// A text as a token, as a JWK Set, as JSON and as a header of the hmac scheme: what is taken must be what was written,
// and nobody without the key signs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/hmac_signature.hpp"
#include "fairlead/auth/jwt.hpp"

using namespace fairlead::auth;

namespace {

const KeySet& keys() {
  static const auto all = *parse_jwks(
      R"({"keys":[{"kty":"oct","kid":"a","k":"3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-796tvu_erb7v3q2-7w"},)"
      R"({"kty":"OKP","crv":"Ed25519","kid":"b","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  return *all;
}

/// Every view lies where it may be read, and the tree has an end.
std::size_t walk(const Json& json, const Json::Node& node) {
  std::size_t sum = node.key.size() + node.text.size() + 1;
  for (const char c : node.text) sum += static_cast<unsigned char>(c);
  for (const auto* child = json.first(node); child != nullptr; child = json.next(*child)) sum += walk(json, *child);
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  TokenError error{};
  const auto token = Token::parse(text, error);
  if ((token == nullptr) != (error != TokenError::kNone)) std::abort();
  if (token != nullptr) {
    if (token->signed_by(keys()) == TokenError::kNone) std::abort();
    walk(token->claims(), token->claims().root());
    (void)claim_matches(token->claims(), "a.b", {"x"});
    (void)has_scope(token->claims(), "r");
    // One text alone means this token.
    const auto second = text.find('.', text.find('.') + 1);
    const auto payload = text.substr(text.find('.') + 1, second - text.find('.') - 1);
    if (encode_base64url(token->payload()) != payload) std::abort();
    for (const auto* claim = token->claims().first(token->claims().root()); claim != nullptr;
         claim = token->claims().next(*claim))
      if (const auto made = claim_text(token->claims(), *claim))
        if (made->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) std::abort();
  }
  if (const auto json = Json::parse(text)) walk(*json, json->root());
  if (size < 4096) (void)parse_jwks(text);
  if (const auto header = parse_hmac(text)) {
    fairlead::http::RequestHead head;
    head.method_text = "GET";
    head.target = "/";
    (void)signing_string(*header, head);
  }
  (void)parse_date(text);
  return 0;
}
