// SPDX-License-Identifier: Apache-2.0
#include "fairlead/auth/http_signature.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "fairlead/auth/digest.hpp"
#include "gateway/dataplane/auth/signature_components.hpp"

namespace fairlead::auth {
namespace {

using structured::BareItem;
using structured::Item;
using structured::Member;

struct Name {
  std::string_view name;
  Algorithm algorithm;
};
constexpr Name kNames[] = {
    {"hmac-sha256", Algorithm::kHs256},       {"rsa-pss-sha512", Algorithm::kPs512},
    {"rsa-v1_5-sha256", Algorithm::kRs256},   {"ecdsa-p256-sha256", Algorithm::kEs256},
    {"ecdsa-p384-sha384", Algorithm::kEs384}, {"ed25519", Algorithm::kEdDsa},
};

/// Section 2.3: what is there must be of its type.
bool read_number(const Member& input, std::string_view key, std::optional<std::int64_t>& out) {
  const auto* found = structured::find(input.parameters, key);
  if (found == nullptr) return true;
  if (found->type == BareItem::Type::kInteger) out = found->number;
  return out.has_value();
}
bool read_text(const Member& input, std::string_view key, std::optional<std::string>& out) {
  const auto* found = structured::find(input.parameters, key);
  if (found == nullptr) return true;
  if (found->type == BareItem::Type::kString) out = found->text;
  return out.has_value();
}

bool read(const std::string& label, const Member& input, const Member& signature, HttpSignature& out) {
  if (!input.is_list || input.items.size() > kMostComponents) return false;
  if (signature.is_list || signature.items.front().value.type != BareItem::Type::kBytes) return false;
  out.label = label;
  out.input = input;
  out.signature = signature.items.front().value.text;
  return read_number(input, "created", out.created) && read_number(input, "expires", out.expires) &&
         read_text(input, "keyid", out.key_id) && read_text(input, "alg", out.algorithm) &&
         read_text(input, "tag", out.tag) && read_text(input, "nonce", out.nonce);
}

std::optional<Item> component_of(std::string_view text) {
  const auto end = std::min(text.find(';'), text.size());
  return structured::parse_item(std::string("\"").append(text.substr(0, end)).append("\"").append(text.substr(end)));
}

bool implied_by(std::string_view name, std::string_view covering) {
  const bool path_or_query = name == "@path" || name == "@query";
  if (covering == "@request-target") return path_or_query;
  return covering == "@target-uri" && (path_or_query || name == "@scheme" || name == "@authority");
}

/// Serialized strictly or in bytes, a field's whole value is signed all the same.
bool is_whole_field(const Item& item) {
  return std::ranges::all_of(item.parameters, [](const auto& one) { return one.first == "sf" || one.first == "bs"; });
}

bool check_one(const char* name, const Item& digest, std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  std::size_t length = 0;
  return digest.value.type == BareItem::Type::kBytes &&
         EVP_Q_digest(nullptr, name, nullptr, body.data(), body.size(), made.data(), &length) == 1 &&
         equal_constant_time({reinterpret_cast<const char*>(made.data()), length}, digest.value.text);
}

}  // namespace

bool HttpSignature::covers(std::string_view component) const {
  const auto wanted = component_of(component);
  if (!wanted) return false;
  return std::ranges::any_of(input.items, [&](const Item& item) {
    const auto& name = item.value.text;
    if (wanted->parameters.empty() && implied_by(wanted->value.text, name)) return item.parameters.empty();
    if (name != wanted->value.text) return false;
    return wanted->parameters.empty() ? is_whole_field(item) : same_component(item, *wanted);
  });
}

std::optional<std::vector<HttpSignature>> parse_signatures(const http::Fields& fields) {
  const auto inputs = combined_value(fields, "signature-input");
  const auto values = combined_value(fields, "signature");
  if (!inputs && !values) return std::nullopt;
  std::vector<HttpSignature> out;
  if (!inputs || !values) return out;
  const auto about = structured::parse_dictionary(*inputs);
  const auto signatures = structured::parse_dictionary(*values);
  if (!about || !signatures || about->size() > kMostSignatures || about->size() != signatures->size()) return out;
  for (const auto& [label, input] : *about) {
    const auto* signature = structured::find(*signatures, label);
    if (signature == nullptr || !read(label, input, *signature, out.emplace_back()))
      return std::vector<HttpSignature>();
  }
  return out;
}

std::optional<std::string> signature_base(const HttpSignature& signature, const http::RequestHead& head) {
  std::string out;
  const auto& items = signature.input.items;
  for (auto item = items.begin(); item != items.end(); ++item) {
    const auto earlier = [&](const Item& other) { return same_component(other, *item); };
    if (std::any_of(items.begin(), item, earlier)) return std::nullopt;
    const auto value = component_value(*item, head);
    // A line end in a value would let one signature stand for another request.
    if (!value || value->find_first_of("\r\n") != std::string::npos) return std::nullopt;
    out.append(structured::serialize(*item)).append(": ").append(*value).append("\n");
  }
  return out.append("\"@signature-params\": ").append(structured::serialize(signature.input));
}

std::optional<Algorithm> signature_algorithm(std::string_view name) {
  const auto* found = std::ranges::find(kNames, name, &Name::name);
  return found == std::end(kNames) ? std::nullopt : std::optional(found->algorithm);
}

Result<VerifyKey> signature_key(std::string_view material, bool is_public, std::string_view algorithm) {
  Algorithms wanted = 0;
  for (const auto& name : kNames)
    if (algorithm.empty() || name.name == algorithm) wanted |= bit(name.algorithm);
  if (wanted == 0) return fail("the algorithm is not known");
  if (!is_public) return VerifyKey::from_secret(material, wanted);
  auto key = VerifyKey::from_pem(material, wanted);
  if (!key) return key;
  if (key->allows(Algorithm::kEdDsa) && !key->is_a("ED25519")) return fail("Ed448 is no key of RFC 9421");
  // An RSA key could serve both; which one, the signature must not choose.
  if (key->allows(Algorithm::kPs512) && key->allows(Algorithm::kRs256))
    return VerifyKey::from_pem(material, bit(Algorithm::kPs512));
  return key;
}

bool check_signature(const HttpSignature& signature, const VerifyKey& key, std::string_view base) {
  const auto* one =
      std::ranges::find_if(kNames, [&](const Name& name) { return key.algorithms() == bit(name.algorithm); });
  if (one == std::end(kNames) || (signature.algorithm && *signature.algorithm != one->name)) return false;
  return key.verify(one->algorithm, base, signature.signature);
}

bool is_component(std::string_view text) {
  const auto item = component_of(text);
  return item && is_served(*item);
}

bool check_content_digest(const http::Fields& fields, std::string_view body) {
  const auto value = combined_value(fields, "content-digest");
  const auto digests = value ? structured::parse_dictionary(*value) : std::nullopt;
  if (!digests) return false;
  bool known = false;
  for (const auto& [name, digest] : *digests) {
    const char* hash = name == "sha-256" ? "SHA256" : name == "sha-512" ? "SHA512" : nullptr;
    if (hash == nullptr) continue;
    if (digest.is_list || !check_one(hash, digest.items.front(), body)) return false;
    known = true;
  }
  return known;
}

}  // namespace fairlead::auth
