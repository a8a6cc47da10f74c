// SPDX-License-Identifier: Apache-2.0
// What it costs to find out who calls: a key among 1 to 1 000 000 consumers, tokens new and seen before, and what a
// consumer takes in memory. No root, no network.
#include <malloc.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>

#include "bench/cpu_time.hpp"
#include "bench/figures.hpp"
#include "fairlead/auth/directory_store.hpp"
#include "fairlead/auth/jwt.hpp"
#include "fairlead/auth/token_cache.hpp"
#include "fairlead/model/request_auth.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::auth;

double heap_bytes() { return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd); }

std::string key_of(std::size_t number) { return "key-of-a-consumer-" + std::to_string(number * 7919); }

ConsumerPtr consumer(std::size_t number, std::string_view suffix = "") {
  model::Consumer out;
  out.metadata.name = "c" + std::to_string(number);
  out.metadata.ns = "default";
  auto settings = std::make_shared<model::ConsumerSettings>();
  settings->credentials.emplace_back().sha256 = sha256({key_of(number), suffix});
  out.settings = std::move(settings);
  return model::pack(out);
}

void measure_keys(bench::Figures& figures, std::size_t count) {
  DirectoryStore store;
  const auto none = [](const std::string&, const std::string&) -> const model::Secret* { return nullptr; };
  double bytes = 0;
  {
    std::vector<ConsumerPtr> all;
    all.reserve(count);
    const auto before = heap_bytes();
    for (std::size_t i = 0; i < count; ++i) all.push_back(consumer(i));
    const double took = bench::nanoseconds_of([&] { store.update(all, {}, {}, none); });
    bytes = heap_bytes() - before;
    if (count >= 100000) figures.add("building a directory of " + std::to_string(count), took / 1e6, "ms");
  }
  const auto directories = store.directories("default");
  constexpr std::size_t kAsked = 200000;
  std::vector<std::string> keys;
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < kAsked; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    keys.push_back(key_of((state >> 33) % count));
  }
  std::vector<double> rounds;
  std::size_t found = 0;
  for (int round = 0; round < 7; ++round)
    rounds.push_back(bench::nanoseconds_of([&] {
                       for (const auto& key : keys) {
                         const auto directory = directories->current();
                         const auto* credential = directory->find(CredentialKind::kApiKey, sha256(key));
                         if (credential != nullptr) found += credential->consumer().name().size();
                       }
                     }) /
                     kAsked);
  if (found == 0) std::abort();
  const auto name = std::to_string(count) + " consumers";
  figures.add("a key of " + name + ": digest and lookup", bench::median(rounds), "ns", 2000);
  if (count < 1000000) return;
  figures.add("memory of each of " + name + " in the directory", bytes / static_cast<double>(count), "B", 150);
  std::vector<double> changes;
  for (std::size_t i = 0; i < 101; ++i) {
    const auto changed = consumer(i * 97, "x");
    changes.push_back(bench::nanoseconds_of([&] { store.update({&changed, 1}, {}, {}, none); }));
  }
  figures.add("one consumer of " + name + " changed", bench::median(changes) / 1000, "us");
}

/// A key pair of OpenSSL that signs as JOSE does.
struct Signer {
  std::string algorithm;
  EVP_PKEY* key;
  std::size_t part = 0;  ///< ECDSA: bytes of R

  [[nodiscard]] std::string sign(std::string_view text) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key);
    std::array<unsigned char, 512> out{};
    std::size_t length = out.size();
    EVP_DigestSign(context, out.data(), &length, unsigned_bytes(text), text.size());
    EVP_MD_CTX_free(context);
    const std::string_view made(reinterpret_cast<const char*>(out.data()), length);
    if (part == 0) return std::string(made);
    const auto r_length = static_cast<std::size_t>(out[3]);
    const auto integer = [&](std::string_view bytes) {
      while (bytes.size() > part) bytes.remove_prefix(1);
      return std::string(part - bytes.size(), '\0') + std::string(bytes);
    };
    return integer(made.substr(4, r_length)) + integer(made.substr(6 + r_length));
  }
  [[nodiscard]] std::string token(std::size_t number) const {
    const auto text =
        encode_base64url(R"({"alg":")" + algorithm + R"(","typ":"JWT","kid":"1"})") + "." +
        encode_base64url(
            R"({"iss":"https://issuer.example/realms/shop","aud":["shop","account"],"sub":")" + std::to_string(number) +
            R"(","exp":4102444800,"iat":1700000000,"scope":"openid profile email","realm_access":{"roles":["buyer","reader"]}})");
    return text + "." + encode_base64url(sign(text));
  }
};

void measure_tokens(bench::Figures& figures, const Signer& signer) {
  EVP_PKEY_up_ref(signer.key);
  auto keys = std::make_shared<KeySet>();
  keys->keys.push_back(*VerifyKey::from_pkey(signer.key, kAllAlgorithms));
  keys->keys[0].id = "1";
  constexpr std::size_t kTokens = 500;
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < kTokens; ++i) tokens.push_back(signer.token(i));
  std::vector<double> alone, whole, beyond, again;
  TokenCache<Token> cache;
  std::size_t good = 0;
  for (int round = 0; round < 7; ++round) {
    alone.push_back(bench::nanoseconds_of([&] {
                      for (const auto& text : tokens) {
                        const auto dot = text.rfind('.');
                        const auto signature = decode_base64url(std::string_view(text).substr(dot + 1));
                        const auto algorithm = *algorithm_of(signer.algorithm);
                        if (keys->keys[0].verify(algorithm, std::string_view(text).substr(0, dot), *signature)) ++good;
                      }
                    }) /
                    kTokens);
    whole.push_back(bench::nanoseconds_of([&] {
                      for (const auto& text : tokens) {
                        TokenError error{};
                        const auto digest = sha256(text);
                        auto token = cache.find(digest);
                        token = Token::parse(text, error);
                        const bool taken = token != nullptr && token->signed_by(*keys) == TokenError::kNone &&
                                           check_times(*token, 1700000000, 0, true) == TokenError::kNone &&
                                           token->is_for({"shop"});
                        if (!taken) std::abort();
                        cache.put(digest, std::move(token));
                      }
                    }) /
                    kTokens);
    beyond.push_back(whole.back() - alone.back());
    again.push_back(bench::nanoseconds_of([&] {
                      for (int i = 0; i < 20; ++i)
                        for (const auto& text : tokens) good += cache.find(sha256(text)) != nullptr ? 1U : 0U;
                    }) /
                    (kTokens * 20.0));
  }
  if (good == 0) std::abort();
  figures.add(signer.algorithm + ", the signature alone", bench::median(alone) / 1000, "us");
  figures.add(signer.algorithm + ", a new token", bench::median(whole) / 1000, "us");
  figures.add(signer.algorithm + ", a new token beyond the signature", bench::median(beyond) / 1000, "us", 5);
  figures.add(signer.algorithm + ", a token seen before", bench::median(again) / 1000, "us", 2);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Figures figures(argc > 1 && std::strcmp(argv[1], "--json") == 0);
  for (const auto count : std::initializer_list<std::size_t>{1, 1000, 100000, 1000000}) measure_keys(figures, count);
  const Signer rsa{"RS256", EVP_RSA_gen(2048)};
  const Signer ec{"ES256", EVP_EC_gen("P-256"), 32};
  measure_tokens(figures, rsa);
  measure_tokens(figures, ec);
  EVP_PKEY_free(rsa.key);
  EVP_PKEY_free(ec.key);
}
