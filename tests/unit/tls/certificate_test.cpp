// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "authority.hpp"
#include "fairlead/tls/identity.hpp"
#include "fairlead/tls/ticket_keys.hpp"

namespace fairlead::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CertificateSource source_of(const Issued& issued, const std::string& chain = {}) {
  CertificateSource source;
  source.name = "Secret shop/tls";
  source.chain_pem = issued.pem() + chain;
  source.key_pem = issued.key_pem();
  return source;
}

std::string error_of(const CertificateSource& source) {
  const auto loaded = Certificate::load(source);
  return loaded ? "loaded" : loaded.error().message;
}

TEST(CertificateTest, LoadsEachKind) {
  const Authority root;
  const Authority middle("middle", &root);
  const std::pair<TestKey, KeyType> kinds[] = {
      {TestKey::kP256, KeyType::kEcdsa}, {TestKey::kRsa2048, KeyType::kRsa}, {TestKey::kEd25519, KeyType::kEd25519}};
  for (const auto& [key, type] : kinds) {
    const auto issued = middle.issue({.names = "DNS:A.example,DNS:*.b.example,URI:spiffe://x", .key = key});
    const auto loaded = Certificate::load(source_of(issued, middle.pem()));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)->key_type(), type);
    EXPECT_THAT((*loaded)->dns_names(), ElementsAre("a.example", "*.b.example"));
    EXPECT_EQ(sk_X509_num((*loaded)->chain()), 1);
    EXPECT_EQ((*loaded)->name(), "Secret shop/tls");
  }
}

// SEC 1 and PKCS#1 blocks, as older tools write them.
TEST(CertificateTest, LoadsTraditionalKeys) {
  const Authority root;
  for (const auto kind : {TestKey::kP256, TestKey::kRsa2048}) {
    const auto issued = root.issue({.names = "DNS:a", .key = kind});
    auto source = source_of(issued);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey_traditional(bio.get(), issued.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    source.key_pem = std::string(data, static_cast<std::size_t>(size));
    EXPECT_EQ(error_of(source), "loaded");
  }
}

TEST(CertificateTest, SaysWhatIsWrong) {
  const Authority root;
  const Authority middle("middle", &root);
  const auto good = middle.issue({.common_name = "good", .names = "DNS:a"});
  const auto other = middle.issue({.common_name = "other", .names = "DNS:a"});
  struct Case {
    const char* name;
    CertificateSource source;
    const char* message;
  };
  std::vector<Case> cases{
      {"no PEM", source_of(good), "found no PEM block \"BEGIN CERTIFICATE\""},
      {"broken PEM", source_of(good), "unreadable PEM"},
      {"broken DER", source_of(good), "block 1 is no CERTIFICATE"},
      {"no key", source_of(good), "private key: found no PEM block with a private key"},
      {"encrypted key", source_of(good), "found an encrypted private key"},
      {"broken key", source_of(good), "unreadable private key"},
      {"other key", source_of(good), "the private key does not match the certificate (CN=good)"},
      {"expired", source_of(middle.issue({.from_s = -7200, .until_s = -60})), "expired at 20"},
      {"not yet", source_of(middle.issue({.from_s = 3600})), "not valid before 20"},
      {"weak RSA", source_of(middle.issue({.key = TestKey::kRsa1024})), "weak key: found RSA with 1024 bits"},
      {"weak curve", source_of(middle.issue({.key = TestKey::kP224})), "found EC on secp224r1"},
      {"SHA-1", source_of(middle.issue({.sha1 = true})), "weak signature: found SHA1"},
  };
  cases[0].source.chain_pem = "hello";
  cases[1].source.chain_pem.resize(200);
  cases[2].source.chain_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  cases[3].source.key_pem = good.pem();
  cases[4].source.key_pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
  cases[5].source.key_pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  cases[6].source.key_pem = other.key_pem();
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    EXPECT_THAT(error_of(one.source), HasSubstr(one.message));
    EXPECT_THAT(error_of(one.source), HasSubstr("certificate Secret shop/tls: "));
  }
  auto expired = source_of(middle.issue({.from_s = -7200, .until_s = -60}));
  expired.accept_expired = true;
  EXPECT_EQ(error_of(expired), "loaded");
  EXPECT_THAT(Certificate::load_files("/nonexistent/a.pem", "/nonexistent/a.key").error().message,
              HasSubstr("/nonexistent/a.pem"));
}

// RFC 8446 section 4.4.2: others may be in between.
TEST(CertificateTest, AChainInDisorderIsNoReasonToRefuse) {
  const Authority root;
  const Authority middle("middle", &root);
  const auto good = middle.issue({.common_name = "good", .names = "DNS:a"});
  const auto in_order = Certificate::load(source_of(good, middle.pem() + root.pem()));
  ASSERT_TRUE(in_order) << in_order.error().message;
  EXPECT_EQ((*in_order)->chain_problem(), "");
  for (const auto& [chain, where] : {std::pair{root.pem() + middle.pem(), "certificate 1 (CN=good)"},
                                     {good.pem() + middle.pem(), "certificate 1 (CN=good)"},
                                     {middle.pem() + good.pem(), "certificate 2 (CN=middle)"}}) {
    const auto loaded = Certificate::load(source_of(good, chain));
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(sk_X509_num((*loaded)->chain()), 2);
    EXPECT_THAT((*loaded)->chain_problem(), HasSubstr(std::string("Secret shop/tls: chain out of order: ") + where));
  }
}

TEST(CertificateTest, StaplesWhileTheResponseIsGood) {
  const Authority root;
  const auto issued = root.issue({.names = "DNS:a"});
  auto source = source_of(issued);
  source.ocsp_der = root.ocsp(issued, 3600);
  const auto loaded = Certificate::load(source);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto now = std::time(nullptr);
  EXPECT_EQ((*loaded)->ocsp(now), source.ocsp_der);
  EXPECT_EQ((*loaded)->ocsp(now + 3700), "");
  EXPECT_EQ((*loaded)->ocsp_problem(now), "");
  EXPECT_THAT((*loaded)->ocsp_problem(now + 3700), HasSubstr("its time is over"));
}

TEST(CertificateTest, AResponseThatCannotBeStapledIsNoReasonToRefuse) {
  const Authority root;
  const auto issued = root.issue({.names = "DNS:a"});
  const auto now = std::time(nullptr);
  const std::pair<std::string, std::string> rows[] = {
      {"garbage", "OCSP response: unreadable DER"},
      {root.ocsp(root.issue({.names = "DNS:b"}), 3600), "OCSP response: is for another certificate"},
      {root.ocsp(issued, -60), "OCSP response: its time is over"},
  };
  for (const auto& [der, message] : rows) {
    SCOPED_TRACE(message);
    auto source = source_of(issued);
    source.ocsp_der = der;
    const auto loaded = Certificate::load(source);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)->ocsp(now), "");
    EXPECT_THAT((*loaded)->ocsp_problem(now), HasSubstr(message));
    EXPECT_THAT((*loaded)->ocsp_problem(now), HasSubstr("certificate Secret shop/tls: "));
  }
}

TEST(IdentityTest, DescribesAndForwards) {
  const Authority root;
  const auto issued =
      root.issue({.common_name = "a,b \"c\"", .names = "URI:spiffe://td/ns/a,URI:urn:x;y,DNS:a.example"});
  auto peer = describe(issued.certificate.get());
  EXPECT_THAT(peer.uris, ElementsAre("spiffe://td/ns/a", "urn:x;y"));
  EXPECT_THAT(peer.dns, ElementsAre("a.example"));
  EXPECT_EQ(peer.identity(), "spiffe://td/ns/a");
  EXPECT_EQ(peer.sha256.size(), 64u);
  EXPECT_EQ(peer.pem, issued.pem());

  peer.sha256 = "abcd";
  peer.subject = "CN=a\\,b \"c\"";
  EXPECT_EQ(forwarded_client_cert(peer, {}),
            "Hash=abcd;Subject=\"CN=a\\\\,b \\\"c\\\"\";URI=spiffe://td/ns/a;URI=\"urn:x;y\";DNS=a.example");
  peer.pem = "-----BEGIN\n+/=";
  EXPECT_EQ(forwarded_client_cert(peer, {.subject = false, .uri = false, .dns = false, .cert = true}, "spiffe://us"),
            "By=spiffe://us;Hash=abcd;Cert=\"-----BEGIN%0A%2B%2F%3D\"");
  // No certificate may end our header field and begin one of its own.
  peer.subject = "CN=a\r\nx-admin: 1\x7f\xc3\xa4";
  const auto value = forwarded_client_cert(peer, {.uri = false, .dns = false});
  EXPECT_EQ(value, "Hash=abcd;Subject=\"CN=a%0D%0Ax-admin: 1%7F%C3%A4\"");
  peer.uris.clear();
  EXPECT_EQ(peer.identity(), "a.example");
  peer.dns.clear();
  EXPECT_EQ(peer.identity(), peer.subject);
}

TEST(IdentityTest, LeavesOutNamesWithNul) {
  const Authority root;
  const auto issued = root.issue({.names = "DNS:good.example"});
  const std::unique_ptr<GENERAL_NAMES, Deleter<free_general_names>> names(GENERAL_NAMES_new());
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, "good.example\0.evil.example", 26);
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  sk_GENERAL_NAME_push(names.get(), name);
  X509_add1_ext_i2d(issued.certificate.get(), NID_subject_alt_name, names.get(), 0, X509V3_ADD_REPLACE);
  EXPECT_TRUE(describe(issued.certificate.get()).dns.empty());
}

TEST(TicketKeysTest, RotatesAndKeepsThePrevious) {
  using std::chrono::hours;
  const std::chrono::steady_clock::time_point start{};
  auto keys = *TicketKeys::create({.interval = hours(1), .previous = 2}, start);
  const auto first = keys->current();
  EXPECT_FALSE(*keys->rotate_if_due(start + std::chrono::minutes(59)));
  EXPECT_TRUE(*keys->rotate_if_due(start + hours(1)));
  EXPECT_FALSE(*keys->rotate_if_due(start + hours(1)));
  EXPECT_NE(keys->current().name, first.name);
  ASSERT_TRUE(keys->find(first.name));
  EXPECT_FALSE(keys->find(first.name)->current);
  EXPECT_TRUE(keys->find(keys->current().name)->current);
  EXPECT_TRUE(*keys->rotate_if_due(start + hours(2)));
  EXPECT_TRUE(keys->find(first.name));
  EXPECT_TRUE(*keys->rotate_if_due(start + hours(3)));
  EXPECT_FALSE(keys->find(first.name));  // its time is over
  EXPECT_EQ(keys->keys().size(), 3u);
  EXPECT_EQ(keys->lifetime(), hours(2));
}

TEST(TicketKeysTest, GoOnWithThoseOfAPredecessor) {
  using std::chrono::hours;
  const std::chrono::steady_clock::time_point start{};
  const auto before = *TicketKeys::create({}, start);
  ASSERT_TRUE(before->rotate(start));
  std::vector<TicketKey> handed;
  for (const auto& key : before->keys()) {
    std::string bytes;
    key.append_to(bytes);
    handed.push_back(*TicketKey::from_bytes(bytes));
  }
  auto keys = *TicketKeys::create({.interval = hours(1), .previous = 2}, start);
  const auto own = keys->current();
  EXPECT_FALSE(keys->inherit({}, start));
  ASSERT_TRUE(keys->inherit(handed, start + hours(1)));
  EXPECT_EQ(keys->current().name, before->current().name);
  EXPECT_EQ(keys->current().aes, before->current().aes);
  EXPECT_EQ(keys->current().hmac, before->current().hmac);
  for (const auto& key : before->keys()) EXPECT_TRUE(keys->find(key.name));
  EXPECT_TRUE(keys->find(own.name));
  EXPECT_FALSE(*keys->rotate_if_due(start + hours(1)));
  EXPECT_TRUE(*keys->rotate_if_due(start + hours(2)));
}

TEST(TicketKeysTest, TakesKeysFromOutside) {
  auto keys = *TicketKeys::create({}, {});
  EXPECT_FALSE(keys->set({}));
  const std::string bytes = std::string(16, 'n') + std::string(32, 'h') + std::string(32, 'a');
  const auto key = TicketKey::from_bytes(bytes);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->hmac[0], 'h');
  EXPECT_EQ(key->aes[31], 'a');
  ASSERT_TRUE(keys->set({*key}));
  EXPECT_EQ(keys->current().name, key->name);
  EXPECT_FALSE(*keys->rotate_if_due(std::chrono::steady_clock::time_point{} + std::chrono::hours(99)));
  EXPECT_THAT(TicketKey::from_bytes("short").error().message, HasSubstr("found 5 bytes, expected 80"));
}

}  // namespace
}  // namespace fairlead::tls
