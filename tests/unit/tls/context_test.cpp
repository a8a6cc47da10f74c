// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fairlead/tls/ktls.hpp"
#include "link.hpp"

namespace fairlead::tls {
namespace {

using testing::HasSubstr;

class ContextTest : public testing::Test {
 protected:
  VirtualServer virtual_server(const std::vector<std::string>& names, const Wanted& wanted, ServerPolicy policy = {}) {
    VirtualServer server;
    server.names = names;
    server.certificates.push_back(authority_.load(wanted));
    server.policy = std::make_shared<const ServerPolicy>(std::move(policy));
    return server;
  }
  /// Subject of the certificate that is shown for `name`; the client's failure where none.
  std::string shown(const std::shared_ptr<const ServerContext>& context, const std::string& name,
                    const std::function<void(ClientConfig&)>& change = {}) {
    Link link(*reactor_, context, trust("", name, [&](ClientConfig& config) {
      config.insecure_skip_verify = true;
      if (change) change(config);
    }));
    if (!link.establish()) return std::string(text_of(link.server.stream->failure()));
    return link.client.stream->peer_certificate()->subject;
  }
  /// With a certificate of a client; what the server knows of it afterwards.
  std::string admitted(const std::shared_ptr<const ServerContext>& context, std::shared_ptr<const Certificate> own) {
    Link link(*reactor_, context,
              trust(authority_.pem(), "a.example", [&](ClientConfig& config) { config.certificate = own; }));
    // A TLS 1.3 client is open before the server has seen its certificate.
    link.run([&] { return link.server.open || link.server.failed; });
    if (!link.server.open) return std::string(text_of(link.server.stream->failure())) + ": " + link.server.why;
    const auto* facts = link.server.stream->tls();
    return (facts->peer_verified ? "verified " : "unverified ") + std::string(facts->peer_identity);
  }
  ServerPolicy clients(ClientAuth mode, const std::string& crl = {}) {
    ServerPolicy policy;
    policy.client = {mode, authority_.pem(), crl};
    return policy;
  }

  std::unique_ptr<event::Reactor> reactor_ = net::make_reactor();
  Authority authority_;
};

TEST_F(ContextTest, ChoosesByNameTheMostSpecific) {
  ServerConfig config;
  config.servers = {virtual_server({"www.a.example"}, {.common_name = "exact", .names = "DNS:www.a.example"}),
                    virtual_server({"*.a.example"}, {.common_name = "wild", .names = "DNS:*.a.example"}),
                    virtual_server({"*.b.a.example"}, {.common_name = "deeper", .names = "DNS:*.b.a.example"})};
  const auto strict = serve(config);
  EXPECT_EQ(shown(strict, "www.a.example"), "CN=exact");
  EXPECT_EQ(shown(strict, "WWW.A.example"), "CN=exact");
  EXPECT_EQ(shown(strict, "x.a.example"), "CN=wild");
  EXPECT_EQ(shown(strict, "y.x.a.example"), "CN=wild");  // Gateway API: one label or more
  EXPECT_EQ(shown(strict, "x.b.a.example"), "CN=deeper");
  EXPECT_EQ(shown(strict, "a.example"), "unknown_name");
  EXPECT_EQ(shown(strict, ""), "unknown_name");
  config.servers.push_back(virtual_server({}, {.common_name = "default"}));
  const auto lenient = serve(config);
  EXPECT_EQ(shown(lenient, "a.example"), "CN=default");
  EXPECT_EQ(shown(lenient, "192.0.2.1"), "CN=default");  // an address is never sent as a name
  EXPECT_EQ(shown(lenient, "x.a.example"), "CN=wild");
}

TEST_F(ContextTest, KnowsNamesOfTwoServersApart) {
  ServerConfig config;
  config.servers = {virtual_server({"www.a.example"}, {.common_name = "exact", .names = "DNS:www.a.example"}),
                    virtual_server({"*.a.example"}, {.common_name = "wild", .names = "DNS:*.a.example"})};
  const auto strict = serve(config);
  EXPECT_FALSE(strict->apart("www.a.example", "www.a.example"));
  EXPECT_FALSE(strict->apart("x.a.example", "y.x.a.example"));
  EXPECT_TRUE(strict->apart("www.a.example", "x.a.example"));
  EXPECT_TRUE(strict->apart("x.a.example", "www.a.example"));
  EXPECT_FALSE(strict->apart("x.a.example", "b.example")) << "nobody's: that is no route's";
  config.servers.push_back(virtual_server({}, {.common_name = "default"}));
  const auto lenient = serve(config);
  EXPECT_TRUE(lenient->apart("", "x.a.example")) << "who sent no name is the default's";
  EXPECT_TRUE(lenient->apart("x.a.example", "")) << "and so is a request without a host";
  EXPECT_TRUE(lenient->apart("x.a.example", "b.example"));
  EXPECT_FALSE(lenient->apart("", "192.0.2.1"));
}

TEST_F(ContextTest, ChoosesAmongCertificatesOfOneServer) {
  auto server = virtual_server({}, {.common_name = "ec a", .names = "DNS:a.example"});
  for (const auto& wanted : {Wanted{.common_name = "rsa wild", .names = "DNS:*.a.example", .key = TestKey::kRsa2048},
                             Wanted{.common_name = "ec www", .names = "DNS:www.a.example"},
                             Wanted{.common_name = "rsa a", .names = "DNS:a.example", .key = TestKey::kRsa2048}}) {
    server.certificates.push_back(authority_.load(wanted));
  }
  ServerConfig config;
  config.servers = {server};
  const auto context = serve(std::move(config));
  const auto rsa_only = [](ClientConfig& client) {
    client.protocol.max_version = TlsVersion::kTls12;
    client.protocol.ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
  };
  EXPECT_EQ(shown(context, "a.example"), "CN=ec a");
  EXPECT_EQ(shown(context, "a.example", rsa_only), "CN=rsa a");
  EXPECT_EQ(shown(context, "www.a.example"), "CN=ec www");
  EXPECT_EQ(shown(context, "www.a.example", rsa_only), "CN=rsa wild");
  EXPECT_EQ(shown(context, "x.a.example"), "CN=rsa wild");
  EXPECT_EQ(shown(context, "y.x.a.example"), "CN=ec a");  // RFC 6125: one label, so the first
}

TEST_F(ContextTest, RefusesContradictions) {
  const auto error_of = [](ServerConfig config) {
    const auto made = ServerContext::create(std::move(config));
    return made ? "made" : made.error().message;
  };
  const auto a = virtual_server({"a.example"}, {});
  const auto all = virtual_server({}, {});
  auto empty = all;
  empty.certificates.clear();
  const auto with = [&](const std::function<void(ServerPolicy&)>& change) {
    ServerPolicy policy;
    change(policy);
    auto server = all;
    server.policy = std::make_shared<const ServerPolicy>(policy);
    return ServerConfig{.servers = {server}, .tickets = nullptr};
  };
  EXPECT_THAT(error_of({}), HasSubstr("found no virtual server"));
  EXPECT_THAT(error_of({.servers = {a, a}, .tickets = nullptr}), HasSubstr("\"a.example\": found in two"));
  EXPECT_THAT(error_of({.servers = {all, all}, .tickets = nullptr}), HasSubstr("two virtual servers without a name"));
  EXPECT_THAT(error_of({.servers = {empty}, .tickets = nullptr}), HasSubstr("without a certificate"));
  EXPECT_THAT(error_of({.servers = {virtual_server({"A.example"}, {})}, .tickets = nullptr}), HasSubstr("lower case"));
  EXPECT_THAT(error_of(with([](ServerPolicy& policy) { policy.protocol.ciphers = "NONSENSE"; })),
              HasSubstr("NONSENSE"));
  EXPECT_THAT(error_of(with([](ServerPolicy& policy) { policy.protocol.groups = "P-1"; })),
              HasSubstr("groups \"P-1\""));
  EXPECT_THAT(error_of(with([](ServerPolicy& policy) { policy.alpn = {""}; })), HasSubstr("ALPN"));
  EXPECT_THAT(error_of(with([](ServerPolicy& policy) { policy.client.mode = ClientAuth::kRequired; })),
              HasSubstr("CA certificates: found no PEM block"));
  EXPECT_THAT(error_of(with([](ServerPolicy& policy) {
                policy.protocol.min_version = TlsVersion::kTls13;
                policy.protocol.max_version = TlsVersion::kTls12;
              })),
              HasSubstr("the lowest is above the highest"));
}

TEST_F(ContextTest, ResumesAcrossContextsAndKeyRotation) {
  for (const auto version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    SCOPED_TRACE(static_cast<int>(version));
    const auto tickets = make_tickets();
    const auto before = serve(authority_.load({.common_name = "before", .names = "DNS:a.example"}), {}, tickets);
    const auto after = serve(authority_.load({.common_name = "after", .names = "DNS:a.example"}), {}, tickets);
    const auto client =
        trust(authority_.pem(), "a.example", [&](ClientConfig& config) { config.protocol.max_version = version; });
    const auto resumed = [&](const std::shared_ptr<const ServerContext>& context, std::string_view backend = "b") {
      Link link(*reactor_, context, client, backend);
      EXPECT_TRUE(link.establish() && link.exchange());
      EXPECT_EQ(link.server.stream->tls()->resumed, link.client.stream->tls()->resumed);
      return link.server.stream->tls()->resumed;
    };
    EXPECT_FALSE(resumed(before));
    EXPECT_TRUE(resumed(before));
    EXPECT_FALSE(resumed(before, "another backend"));
    EXPECT_TRUE(resumed(after));  // the certificate has changed, the keys have not
    ASSERT_TRUE(tickets->rotate({}));
    EXPECT_TRUE(resumed(after));  // by the previous key, and renewed
    ASSERT_TRUE(tickets->rotate({}));
    ASSERT_TRUE(tickets->rotate({}));
    EXPECT_TRUE(resumed(after));
    ASSERT_TRUE(tickets->set({*TicketKey::random()}));
    EXPECT_FALSE(resumed(after));  // as if all keys were lost
    // Another process with the same keys.
    const auto elsewhere = make_tickets();
    ASSERT_TRUE(elsewhere->set(tickets->keys()));
    EXPECT_TRUE(resumed(serve(authority_.load({.names = "DNS:a.example"}), {}, elsewhere)));
    EXPECT_FALSE(resumed(serve(authority_.load({.names = "DNS:a.example"}))));  // without keys, no resumption
  }
}

TEST_F(ContextTest, AStandingConnectionOutlivesItsContext) {
  auto context = serve(authority_.load({.names = "DNS:a.example"}), {}, make_tickets());
  auto client = trust(authority_.pem(), "a.example");
  Link link(*reactor_, context, client);
  ASSERT_TRUE(link.establish());
  const std::weak_ptr<const ServerContext> old = context;
  context = serve(authority_.load({.names = "DNS:a.example"}), {}, make_tickets());
  EXPECT_TRUE(old.expired());
  EXPECT_TRUE(link.exchange());
  client.reset();
  EXPECT_TRUE(link.exchange());
  link.client.end();
  EXPECT_TRUE(link.run([&] { return link.server.ended; }));
}

TEST_F(ContextTest, ClientCertificates) {
  const auto server = authority_.load({.names = "DNS:a.example"});
  const Authority stranger("stranger");
  const auto good_issued = authority_.issue({.common_name = "bob", .names = "URI:spiffe://td/bob,DNS:bob"});
  CertificateSource source;
  source.chain_pem = good_issued.pem();
  source.key_pem = good_issued.key_pem();
  const auto good = *Certificate::load(source);
  const auto plain = authority_.load({.common_name = "eve"});
  const auto foreign = stranger.load({.common_name = "mallory"});
  struct Case {
    ClientAuth mode;
    std::shared_ptr<const Certificate> own;
    const char* result;
  };
  const Case cases[] = {
      {ClientAuth::kNone, good, "unverified "},
      {ClientAuth::kOptional, nullptr, "unverified "},
      {ClientAuth::kOptional, good, "verified spiffe://td/bob"},
      {ClientAuth::kOptional, plain, "verified CN=eve"},
      {ClientAuth::kOptional, foreign, "bad_certificate: unable to get local issuer certificate"},
      {ClientAuth::kRequired, nullptr, "no_certificate: peer did not return a certificate"},
      {ClientAuth::kRequired, good, "verified spiffe://td/bob"},
      {ClientAuth::kRequired, foreign, "bad_certificate: unable to get local issuer certificate"},
      {ClientAuth::kAllowInsecureFallback, nullptr, "unverified "},
      {ClientAuth::kAllowInsecureFallback, good, "verified spiffe://td/bob"},
      {ClientAuth::kAllowInsecureFallback, foreign, "unverified "},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(static_cast<int>(one.mode));
    EXPECT_EQ(admitted(serve(server, clients(one.mode)), one.own), one.result);
  }
  const auto listed = clients(ClientAuth::kRequired, authority_.crl({good_issued.certificate.get()}));
  EXPECT_EQ(admitted(serve(server, listed), good), "bad_certificate: certificate revoked");
  EXPECT_EQ(admitted(serve(server, listed), plain), "verified CN=eve");
}

// A session of a name that asks for no certificate must not open one that does (and the same for a changed CRL).
TEST_F(ContextTest, ResumesOnlyWhereClientsAreValidatedAlike) {
  const auto tickets = make_tickets();
  const auto certificate = authority_.load({.names = "DNS:a.example"});
  const auto open = serve(certificate, {}, tickets);
  const auto closed = serve(certificate, clients(ClientAuth::kRequired), tickets);
  const auto client = trust(authority_.pem(), "a.example");
  {
    Link link(*reactor_, open, client);
    ASSERT_TRUE(link.establish() && link.exchange());
    ASSERT_EQ(client->sessions(), 1u);
  }
  Link link(*reactor_, closed, client);
  link.run([&] { return link.server.open || link.server.failed; });
  EXPECT_EQ(link.server.stream->failure(), TlsFailure::kNoCertificate);

  const auto own = authority_.load({.common_name = "bob"});
  const auto known = trust(authority_.pem(), "a.example", [&](ClientConfig& config) { config.certificate = own; });
  const auto revoking = serve(certificate, clients(ClientAuth::kRequired, authority_.crl({own->leaf()})), tickets);
  for (const bool resumed : {false, true}) {
    Link again(*reactor_, closed, known);
    ASSERT_TRUE(again.establish() && again.exchange());
    EXPECT_EQ(again.server.stream->tls()->resumed, resumed);
    EXPECT_EQ(again.server.stream->tls()->peer_identity, "CN=bob");  // also of a resumed session
    EXPECT_TRUE(again.server.stream->tls()->peer_verified);
  }
  Link refused(*reactor_, revoking, known);
  refused.run([&] { return refused.server.open || refused.server.failed; });
  EXPECT_EQ(refused.server.stream->failure(), TlsFailure::kBadCertificate) << refused.server.why;
}

TEST_F(ContextTest, BackendsAreVerified) {
  const Authority middle("middle", &authority_);
  const auto server = serve(middle.load(
      {.common_name = "b", .names = "DNS:b.example,DNS:*.w.example,URI:spiffe://td/b,IP:192.0.2.7"}, middle.pem()));
  const Authority stranger("stranger");
  using Type = SubjectAltName::Type;
  struct Case {
    const char* name;
    std::string hostname;
    std::function<void(ClientConfig&)> change;
    const char* result;
  };
  const Case cases[] = {
      {"name", "b.example", {}, "verified"},
      {"wildcard", "x.w.example", {}, "verified"},
      {"two labels", "y.x.w.example", {}, "hostname mismatch"},
      {"address", "192.0.2.7", {}, "verified"},
      {"other address", "192.0.2.8", {}, "IP address mismatch"},
      {"wrong name", "c.example", {}, "hostname mismatch"},
      {"other CA", "b.example", [&](ClientConfig& c) { c.ca_pem = stranger.pem(); },
       "unable to get local issuer certificate"},
      {"system's CAs", "b.example", [](ClientConfig& c) { c.ca_pem.clear(); },
       "unable to get local issuer certificate"},
      {"intermediate as anchor", "b.example", [&](ClientConfig& c) { c.ca_pem = middle.pem(); }, "verified"},
      {"SAN host", "c.example", [](ClientConfig& c) { c.subject_alt_names = {{Type::kHostname, "b.example"}}; },
       "verified"},
      {"SAN URI", "c.example",
       [](ClientConfig& c) { c.subject_alt_names = {{Type::kHostname, "x"}, {Type::kUri, "spiffe://td/b"}}; },
       "verified"},
      {"no SAN of it", "b.example", [](ClientConfig& c) { c.subject_alt_names = {{Type::kUri, "spiffe://td/c"}}; },
       "hostname mismatch"},
      {"insecure", "c.example", [](ClientConfig& c) { c.insecure_skip_verify = true; }, "unverified"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    Link link(*reactor_, server, trust(authority_.pem(), one.hostname, one.change));
    link.run([&] { return link.client.open || link.client.failed; });
    if (link.client.open) {
      EXPECT_STREQ(link.client.stream->tls()->peer_verified ? "verified" : "unverified", one.result);
    } else {
      EXPECT_EQ(link.client.why, one.result);
      EXPECT_EQ(link.client.stream->failure(), TlsFailure::kBadCertificate);
    }
  }
  auto expired_source = authority_.issue({.names = "DNS:b.example", .from_s = -7200, .until_s = -60});
  CertificateSource source{"expired", expired_source.pem(), expired_source.key_pem(), "", true};
  Link link(*reactor_, serve(*Certificate::load(source)), trust(authority_.pem(), "b.example"));
  link.run([&] { return link.client.open || link.client.failed; });
  EXPECT_EQ(link.client.why, "certificate has expired");
  EXPECT_THAT(ClientContext::create({}).error().message, HasSubstr("neither a hostname nor subjectAltNames"));
}

TEST_F(ContextTest, KeepsNoMoreSessionsThanAsked) {
  const auto server = serve(authority_.load({.names = "DNS:a.example"}), {}, make_tickets());
  const auto client = trust(authority_.pem(), "a.example", [](ClientConfig& config) { config.max_sessions = 3; });
  for (int i = 0; i < 6; ++i) {
    Link link(*reactor_, server, client, "backend " + std::to_string(i));
    ASSERT_TRUE(link.establish() && link.exchange());
    EXPECT_LE(client->sessions(), 3u);
  }
  EXPECT_GT(client->sessions(), 0u);
}

// What acknowledges the client's Finished to its kernel, without which Nagle's algorithm holds back the request.
TEST_F(ContextTest, TicketsDoNotWaitForData) {
  const auto server = serve(authority_.load({.names = "DNS:a.example"}), {}, make_tickets());
  const auto client = trust(authority_.pem(), "a.example");
  Link link(*reactor_, server, client);
  ASSERT_TRUE(link.establish());
  EXPECT_TRUE(link.run([&] { return client->sessions() > 0; }));
}

// Works the same where kernel TLS is asked for, whether the kernel has it or not.
TEST_F(ContextTest, KernelTlsIsProbedAndOptional) {
  const auto support = probe_ktls();
  EXPECT_EQ(support.available, support.why.empty());
  for (const auto version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    ServerConfig config;
    ServerPolicy policy;
    policy.protocol.max_version = version;
    config.servers = {virtual_server({}, {.names = "DNS:a.example"}, policy)};
    config.tickets = make_tickets();
    config.ktls = true;
    Link link(*reactor_, serve(config),
              trust(authority_.pem(), "a.example", [](ClientConfig& client) { client.ktls = true; }));
    ASSERT_TRUE(link.establish()) << link.server.why << link.client.why;
    const std::string text(300'000, 'k');
    link.client.send(text);
    link.server.send(text);
    link.client.end();
    link.server.end();
    ASSERT_TRUE(link.run([&] { return link.client.ended && link.server.ended; }));
    EXPECT_TRUE(link.client.got == text && link.server.got == text);
  }
}

}  // namespace
}  // namespace fairlead::tls
