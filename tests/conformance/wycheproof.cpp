// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/jwt.hpp"
#include "fairlead/auth/verify_key.hpp"
#include "vectors.hpp"

namespace fairlead::test {
namespace {

using nlohmann::json;

std::string from_hex(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return out;
}

/// A compact JWS as Token takes it, but for its payload, which need be no claims.
bool verifies(const auth::KeySet& keys, std::string_view jws) {
  const auto first = jws.find('.');
  const auto second = first == std::string_view::npos ? first : jws.find('.', first + 1);
  if (second == std::string_view::npos || jws.find('.', second + 1) != std::string_view::npos) return false;
  const auto header = auth::decode_base64url(jws.substr(0, first));
  const auto signature = auth::decode_base64url(jws.substr(second + 1));
  if (!header || !signature || !auth::decode_base64url(jws.substr(first + 1, second - first - 1))) return false;
  const auto read = auth::Json::parse(*header);
  if (!read || read->member(read->root(), "crit") != nullptr) return false;
  const auto algorithm = auth::algorithm_of(read->string(read->root(), "alg").value_or(""));
  return algorithm && keys.any(read->string(read->root(), "kid").value_or(""), [&](const auth::VerifyKey& key) {
    return key.verify(*algorithm, jws.substr(0, second), *signature);
  });
}

void run_jose(const std::filesystem::path& file, Tally& tally) {
  const auto all = json::parse(file_text(file));
  for (const auto& group : all["testGroups"]) {
    const auto keys = auth::parse_jwks(group[group.contains("public") ? "public" : "private"].dump());
    for (const auto& test : group["tests"]) {
      if (!test.contains("jws")) {
        tally.leave_out();
        continue;
      }
      const auto jws = test["jws"].is_string() ? test["jws"].get<std::string>() : test["jws"].dump();
      const bool valid = test["result"] == "valid";
      tally.count((keys && verifies(**keys, jws)) == valid,
                  file.stem().string() + " " + std::to_string(test["tcId"].get<int>()) + " " +
                      group["comment"].get<std::string>() + " " + test["comment"].get<std::string>(),
                  keys ? (valid ? "refused" : "accepted") : keys.error().message);
    }
  }
}

void run_signatures(const std::filesystem::path& file, auth::Algorithm algorithm, const char* key_field, Tally& tally) {
  const auto all = json::parse(file_text(file));
  for (const auto& group : all["testGroups"]) {
    const auto key = auth::VerifyKey::from_pem(group[key_field].get<std::string>(), auth::bit(algorithm));
    for (const auto& test : group["tests"]) {
      const bool good = key && key->verify(algorithm, from_hex(test["msg"]), from_hex(test["sig"]));
      const auto result = test["result"].get<std::string>();
      tally.count(result == "acceptable" || good == (result == "valid"),
                  file.stem().string() + " " + std::to_string(test["tcId"].get<int>()) + " " +
                      test["comment"].get<std::string>(),
                  key ? (good ? "accepted" : "refused") : key.error().message);
    }
  }
}

void run_macs(const std::filesystem::path& file, auth::Algorithm algorithm, int bits, Tally& tally) {
  const auto all = json::parse(file_text(file));
  for (const auto& group : all["testGroups"]) {
    for (const auto& test : group["tests"]) {
      const auto key = auth::VerifyKey::from_secret(from_hex(test["key"]), auth::bit(algorithm));
      if (!key || group["tagSize"] != bits) {  // JOSE's are as long as the hash, and no key is empty
        tally.leave_out();
        continue;
      }
      const bool good = key->verify(algorithm, from_hex(test["msg"]), from_hex(test["tag"]));
      tally.count(good == (test["result"] == "valid"),
                  file.stem().string() + " " + std::to_string(test["tcId"].get<int>()));
    }
  }
}

}  // namespace

void run_wycheproof(const std::filesystem::path& checkout, Tally& tally) {
  using enum auth::Algorithm;
  const auto folder = checkout / "testvectors_v1";
  for (const auto* name : {"json_web_signature", "json_web_key", "json_web_crypto"})
    run_jose(folder / (std::string(name) + "_test.json"), tally);
  struct Signatures {
    const char* name;
    auth::Algorithm algorithm;
  };
  constexpr Signatures kFiles[] = {{"ecdsa_secp256r1_sha256_p1363", kEs256},
                                   {"ecdsa_secp384r1_sha384_p1363", kEs384},
                                   {"ecdsa_secp521r1_sha512_p1363", kEs512},
                                   {"rsa_signature_2048_sha256", kRs256},
                                   {"rsa_signature_3072_sha384", kRs384},
                                   {"rsa_signature_4096_sha512", kRs512},
                                   {"rsa_pss_2048_sha256_mgf1_32", kPs256},
                                   {"rsa_pss_4096_sha384_mgf1_48", kPs384},
                                   {"rsa_pss_4096_sha512_mgf1_64", kPs512},
                                   {"ed25519", kEdDsa},
                                   {"ed448", kEdDsa}};
  for (const auto& [name, algorithm] : kFiles)
    run_signatures(folder / (std::string(name) + "_test.json"), algorithm, "publicKeyPem", tally);
  run_macs(folder / "hmac_sha256_test.json", kHs256, 256, tally);
  run_macs(folder / "hmac_sha384_test.json", kHs384, 384, tally);
  run_macs(folder / "hmac_sha512_test.json", kHs512, 512, tally);
}

}  // namespace fairlead::test
