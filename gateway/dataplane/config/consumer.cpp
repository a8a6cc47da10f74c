// SPDX-License-Identifier: Apache-2.0
// Consumer of fairlead.io/v1alpha1. What its credentials hold is never shown in a remark.
#include <algorithm>
#include <memory>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/http_signature.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/auth/verify_key.hpp"
#include "fairlead/model/request_auth.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using model::ConsumerCredential;
using model::CredentialText;
using CredentialKind = ConsumerCredential::Kind;

constexpr std::size_t kMostSecret = 4096;
constexpr std::size_t kMostPem = 65536;

bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}
bool is_name(std::string_view text) {
  return is_visible(text) && text.find(',') == std::string_view::npos && text.find('/') == std::string_view::npos;
}
/// RFC 7617 section 2: documents are UTF-8, as our challenge says that names are.
bool is_user_name(std::string_view text) {
  return std::ranges::none_of(text,
                              [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f || c == ':'; });
}

auto name_field(Reader& reader, CredentialText& text) {
  return field("name", [&](View v) {
    read_text(reader, v, text.name, 1, 128, is_name, "a name of visible ASCII without ',' and '/'");
  });
}
auto secret_field(Reader& reader, CredentialText& text) {
  return field("secretRef", [&](View v) { read_secret_key(reader, v, text.secret.emplace()); });
}
auto text_field(Reader& reader, std::string_view name, std::string& out, std::size_t most = kMostSecret) {
  return field(name, [&reader, &out, most](View v) { read_text(reader, v, out, 1, most); });
}
/// The field that what was read stands in: itself or by a file.
View value_of(View at, std::string_view name) { return at.find(at.find("file") ? "file" : name); }

void read_api_key(Reader& reader, View at, ConsumerCredential& out, CredentialText& text) {
  std::string digest;
  read_mapping(reader, at, name_field(reader, text), text_field(reader, "key", text.material),
               text_field(reader, "keySha256", digest), secret_field(reader, text),
               file_field(reader, "file", text.material, kMostSecret));
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  if (!text.material.empty() && (is_blank(text.material.front()) || is_blank(text.material.back())))
    reader.error(value_of(at, "key"), "a key without blanks and line ends around it, as no header could carry them");
  if (!text.material.empty()) out.sha256 = auth::sha256(text.material);
  text.material.clear();  // its digest is all that is kept
  if (at.find("keySha256")) {
    const auto decoded = auth::decode_digest(digest);
    if (!decoded) reader.error(at.find("keySha256"), "64 hexadecimal digits: the SHA-256 of the key");
    else out.sha256 = *decoded;
  }
  if (at.is_mapping()) check_one(reader, at, {"key", "keySha256", "secretRef", "file"});
}

void read_basic(Reader& reader, View at, const std::string& consumer, CredentialText& text) {
  std::string password;
  std::string held;  // by a file: a hash, or else the password
  text.id = consumer;
  read_mapping(
      reader, at, name_field(reader, text),
      field("username",
            [&](View v) {
              read_text(reader, v, text.id, 1, 256, is_user_name, "a user name without ':' and control characters");
            }),
      text_field(reader, "password", password, auth::kMostPassword), text_field(reader, "passwordHash", text.material),
      secret_field(reader, text), file_field(reader, "file", held, auth::kMostPassword));
  if (!text.material.empty() && !auth::is_password_hash(text.material))
    reader.error(
        at.find("passwordHash"),
        "a hash of crypt(3): $2a$, $2b$, $2y$, $5$, $6$ or $y$; or $argon2id$, $argon2i$ or $argon2d$ of at most "
        "256 MiB, 1 GiB of all passes and 16 lanes");
  if (auth::is_password_hash(held)) text.material = std::move(held);
  else if (!held.empty()) password = std::move(held);
  if (!password.empty()) text.material = auth::hash_password(password);
  if (at.is_mapping()) check_one(reader, at, {"password", "passwordHash", "secretRef", "file"});
}

/// Of a public key and of what a file holds at most one is there.
void take_key(CredentialText& text, std::string key, std::string held, bool holds_public) {
  text.is_public_key = !key.empty() || (!held.empty() && holds_public);
  if (!key.empty()) text.material = std::move(key);
  if (!held.empty()) text.material = std::move(held);
}

/// What a directory would refuse, while the line is at hand.
void check_jwt(Reader& reader, View at, const CredentialText& text) {
  const auto algorithm = auth::algorithm_of(text.algorithm);
  if (!algorithm || text.secret || text.material.empty()) return;
  const bool is_mac = *algorithm <= auth::Algorithm::kHs512;
  if (is_mac && text.is_public_key)
    return reader.error(at.find("publicKey"), "no publicKey: " + text.algorithm + " takes a secret");
  if (!is_mac && !text.is_public_key)
    return reader.error(at.find(at.find("secret") ? "secret" : "secretBase64"),
                        "no secret: " + text.algorithm + " takes a publicKey");
  if (is_mac) return;
  if (const auto key = auth::VerifyKey::from_pem(text.material, auth::bit(*algorithm)); !key)
    reader.error(value_of(at, "publicKey"), "a public key for " + text.algorithm + ": " + key.error().message);
}

void read_jwt_credential(Reader& reader, View at, const std::string& consumer, CredentialText& text) {
  std::string key, held, encoded;
  text.id = consumer;
  text.algorithm = "HS256";
  read_mapping(
      reader, at, name_field(reader, text), field("key", [&](View v) { read_text(reader, v, text.id, 1, 1024); }),
      field("algorithm",
            [&](View v) {
              const auto known = [](std::string_view name) { return auth::algorithm_of(name).has_value(); };
              read_text(reader, v, text.algorithm, 1, 16, known, "HS, RS, PS or ES with 256, 384 or 512, or EdDSA");
            }),
      text_field(reader, "secret", text.material), text_field(reader, "secretBase64", encoded),
      text_field(reader, "publicKey", key, kMostPem), secret_field(reader, text),
      file_field(reader, "file", held, kMostPem));
  if (!encoded.empty()) {
    auto decoded = auth::decode_base64url(encoded);
    if (decoded) text.material = std::move(*decoded);
    else reader.error(at.find("secretBase64"), "base64url without padding (RFC 4648 section 5)");
  }
  const auto algorithm = auth::algorithm_of(text.algorithm);
  take_key(text, std::move(key), std::move(held), algorithm && *algorithm > auth::Algorithm::kHs512);
  if (at.is_mapping()) {
    check_one(reader, at, {"secret", "secretBase64", "publicKey", "secretRef", "file"});
    check_jwt(reader, at, text);
  }
}

void read_hmac_credential(Reader& reader, View at, const std::string& consumer, CredentialText& text) {
  const auto good = [](std::string_view id) {
    return is_visible(id) && id.find_first_of("\"\\") == std::string_view::npos;
  };
  text.id = consumer;
  read_mapping(
      reader, at, name_field(reader, text),
      field("keyId",
            [&](View v) { read_text(reader, v, text.id, 1, 256, good, "visible ASCII without '\"' and '\\'"); }),
      text_field(reader, "secret", text.material), secret_field(reader, text),
      file_field(reader, "file", text.material, kMostSecret));
  if (at.is_mapping()) check_one(reader, at, {"secret", "secretRef", "file"});
}

/// What a directory would refuse, while the line is at hand.
void check_signature_key(Reader& reader, View at, const CredentialText& text) {
  if (text.secret || text.material.empty()) return;
  const auto key = auth::signature_key(text.material, text.is_public_key, text.algorithm);
  if (key) return;
  const auto kind = text.algorithm.empty() ? std::string("a key of RFC 9421") : "a key for " + text.algorithm;
  reader.error(value_of(at, text.is_public_key ? "publicKey" : "secret"), kind + ": " + key.error().message);
}

void read_signature_credential(Reader& reader, View at, const std::string& consumer, CredentialText& text) {
  std::string key;
  std::string held;
  text.id = consumer;
  read_mapping(
      reader, at, name_field(reader, text),
      field("keyId", [&](View v) { read_text(reader, v, text.id, 1, 256, is_printable, "printable ASCII"); }),
      field("algorithm",
            [&](View v) {
              const auto known = [](std::string_view name) { return auth::signature_algorithm(name).has_value(); };
              read_text(
                  reader, v, text.algorithm, 1, 32, known,
                  "hmac-sha256, rsa-pss-sha512, rsa-v1_5-sha256, ecdsa-p256-sha256, ecdsa-p384-sha384 or ed25519");
            }),
      text_field(reader, "secret", text.material), text_field(reader, "publicKey", key, kMostPem),
      secret_field(reader, text), file_field(reader, "file", held, kMostPem));
  const bool holds_public = held.starts_with("-----BEGIN ");
  take_key(text, std::move(key), std::move(held), holds_public);
  if (!at.is_mapping()) return;
  check_one(reader, at, {"secret", "publicKey", "secretRef", "file"});
  check_signature_key(reader, at, text);
}

void read_credential(Reader& reader, View at, const std::string& consumer, ConsumerCredential& out) {
  auto text = std::make_shared<CredentialText>();
  int count = 0;
  const auto one = [&](std::string_view name, CredentialKind kind, auto read) {
    return field(name, [&, kind, read](View v) {
      ++count;
      out.kind = kind;
      read(v);
    });
  };
  read_mapping(reader, at, one("apiKey", CredentialKind::kApiKey, [&](View v) { read_api_key(reader, v, out, *text); }),
               one("basic", CredentialKind::kBasic, [&](View v) { read_basic(reader, v, consumer, *text); }),
               one("jwt", CredentialKind::kJwt, [&](View v) { read_jwt_credential(reader, v, consumer, *text); }),
               one("hmac", CredentialKind::kHmac, [&](View v) { read_hmac_credential(reader, v, consumer, *text); }),
               one("signature", CredentialKind::kSignature,
                   [&](View v) { read_signature_credential(reader, v, consumer, *text); }));
  if (at.is_mapping() && count == 0) reader.missing(at, "apiKey", "exactly one of apiKey, basic, jwt, hmac, signature");
  if (count > 1) reader.error(at, "exactly one of apiKey, basic, jwt, hmac, signature");
  const bool plain = out.kind == CredentialKind::kApiKey && text->name.empty() && !text->secret;
  if (!plain) out.text = std::move(text);
}

}  // namespace

void read_secret_key(Reader& reader, View at, model::SecretKey& out) {
  read_mapping(reader, at, required("name", "a Secret's name", [&](View v) { read_object_name(reader, v, out.name); }),
               required("key", "a key of the Secret", [&](View v) { read_text(reader, v, out.key, 1, 253); }));
}

model::Consumer read_consumer(Reader& reader, View root) {
  constexpr std::size_t kMostCredentials = 64;
  model::Consumer out;
  out.metadata = read_metadata(reader, root, true);
  auto settings = std::make_shared<model::ConsumerSettings>();
  read_spec(reader, root, [&](View spec) {
    read_mapping(
        reader, spec,
        field("id",
              [&](View v) {
                read_text(reader, v, settings->id, 1, 1024, is_header_value,
                          "visible ASCII, words parted by one blank");
              }),
        field("username",
              [&](View v) {
                read_text(reader, v, settings->username, 1, 1024, is_header_value,
                          "visible ASCII, words parted by one blank");
              }),
        field("customId",
              [&](View v) {
                read_text(reader, v, settings->custom_id, 1, 1024, is_header_value,
                          "visible ASCII, words parted by one blank");
              }),
        field("groups",
              [&](View v) {
                read_list(reader, v, 0, 256, settings->groups, [&](View item, std::string& one) {
                  read_text(reader, item, one, 1, 256, is_name, "a group: visible ASCII without ',' and '/'");
                });
              }),
        field("credentials", [&](View v) {
          reader.hide_values(true);
          read_list(reader, v, 0, kMostCredentials, settings->credentials,
                    [&](View item, ConsumerCredential& one) { read_credential(reader, item, out.metadata.name, one); });
          reader.hide_values(false);
        }));
  });
  std::ranges::sort(settings->groups);
  const auto doubled = std::ranges::unique(settings->groups);
  settings->groups.erase(doubled.begin(), doubled.end());
  out.settings = std::move(settings);
  return out;
}

}  // namespace fairlead::config
