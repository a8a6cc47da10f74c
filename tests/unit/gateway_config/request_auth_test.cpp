// SPDX-License-Identifier: Apache-2.0
// Consumers, and the sections authentication, access, addresses, userAgents and requestSize: what is read, and what is
// refused.
#include "fairlead/model/request_auth.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fairlead/auth/digest.hpp"
#include "fairlead/auth/password.hpp"
#include "fairlead/model/request_access.hpp"
#include "unit/gateway_config/gateway_fixture.hpp"

namespace fairlead::config {
namespace {

using namespace std::chrono_literals;
using CredentialKind = model::ConsumerCredential::Kind;

#define FAIRLEAD "apiVersion: fairlead.io/v1alpha1\n"
constexpr const char* kConsumer = FAIRLEAD "kind: Consumer\nmetadata: {name: alice}\nspec:\n  ";
constexpr const char* kCredential = FAIRLEAD "kind: Consumer\nmetadata: {name: alice}\nspec: {credentials: [\n  ";
constexpr const char* kPolicy = FAIRLEAD
    "kind: RequestPolicy\nmetadata: {name: p}\nspec:\n"
    "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n  ";

TEST(RequestAuth, ReadsAConsumer) {
  const auto consumer = read<model::Consumer>(std::string(kConsumer) + R"(customId: "4711"
  id: 0c61e164-6171-4837-8836-8f5298726d53
  groups: [silver, gold, gold]
  credentials:
  - apiKey: {key: k1}
  - apiKey: {keySha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad, name: phone}
  - apiKey: {secretRef: {name: s, key: k}}
  - basic: {password: secret}
  - basic: {username: al, passwordHash: "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"}
  - jwt: {secret: 0123456789abcdef0123456789abcdef}
  - jwt: {key: iss, algorithm: RS256, secretRef: {name: s, key: k}}
  - hmac: {keyId: id, secret: secret}
  - basic: {passwordHash: "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHQ$vcTe528UKu2x47/R4EZ/f7BXX0WIeKJM"}
  - signature: {secret: secret}
  - signature: {keyId: k 1, algorithm: ed25519, secretRef: {name: s, key: k}}
)");
  ASSERT_TRUE(consumer);
  const auto& settings = *consumer->settings;
  EXPECT_EQ(settings.custom_id, "4711");
  EXPECT_EQ(settings.id, "0c61e164-6171-4837-8836-8f5298726d53");
  EXPECT_EQ(settings.groups, (std::vector<std::string>{"gold", "silver"}));
  const auto& all = settings.credentials;
  ASSERT_EQ(all.size(), 11U);
  EXPECT_EQ(all[0].sha256, auth::sha256("k1"));
  EXPECT_EQ(all[0].text, nullptr);  // the key itself is not kept
  EXPECT_EQ(all[1].sha256, auth::sha256("abc"));
  EXPECT_EQ(all[1].text->name, "phone");
  EXPECT_EQ(all[2].text->secret->key, "k");
  EXPECT_EQ(all[3].kind, CredentialKind::kBasic);
  EXPECT_EQ(all[3].text->id, "alice");
  EXPECT_EQ(all[3].text->material.find("secret"), std::string::npos);
  EXPECT_TRUE(auth::check_password("secret", all[3].text->material));
  EXPECT_EQ(all[4].text->id, "al");
  EXPECT_EQ(all[5].text->algorithm, "HS256");
  EXPECT_EQ(all[5].text->id, "alice");
  EXPECT_EQ(all[6].text->id, "iss");
  EXPECT_EQ(all[7].text->material, "secret");
  EXPECT_TRUE(auth::check_password("correct horse", all[8].text->material));
  EXPECT_EQ(all[9].kind, CredentialKind::kSignature);
  EXPECT_EQ(all[9].text->id, "alice");
  EXPECT_EQ(all[9].text->material, "secret");
  EXPECT_EQ(all[10].text->id, "k 1");
  EXPECT_EQ(all[10].text->algorithm, "ed25519");
}

TEST(RequestAuth, ReadsTheSections) {
  const auto policy =
      read<model::RequestPolicy>(std::string(kPolicy) + R"(addresses: {allow: [10.0.0.0/8], deny: [10.1.0.0/16]}
  userAgents: {allow: [^ours/], deny: [curl, "wget"], bots: Deny}
  requestSize: {maxBytes: 100, streamed: Refuse}
  authentication:
    methods:
      apiKey: {headers: [X-Key], hideCredentials: true}
      basic: {}
      jwt:
        issuers:
        - issuer: https://i.example
          audiences: [a]
          remoteJwks: {backendRef: {name: keys, port: 80}, path: /jwks, cacheDuration: 1m}
          algorithms: [RS256, EdDSA]
          claimsToHeaders: [{claim: sub, header: X-Sub}]
          requiredClaims: [{claim: tenant, values: [x]}]
          consumerClaim: sub
          clockSkew: 5s
        from: {query: [token]}
        requireExpiry: true
      hmac: {clockSkew: 10s, enforceHeaders: [date, "@request-target"], validateBody: true}
      clientCertificate: {requireConsumer: true}
    mode: All
    realm: shop
    anonymous: {allow: true, consumer: nobody, wrongCredentials: Ignore}
  access:
    rules:
    - {action: Deny, groups: [b, a], paths: [{type: Exact, value: /x}]}
    - {action: Allow, methods: [GET], scopes: [r], claims: [{claim: c}], addresses: [10.0.0.0/8], authenticated: true}
    otherwise: Allow
)");
  ASSERT_TRUE(policy);
  const auto& s = *policy->settings;
  EXPECT_EQ(s.addresses->deny.size(), 1U);
  EXPECT_EQ(s.user_agents->allow, std::vector<std::string>{"^ours/"});
  EXPECT_EQ(s.user_agents->deny.size(), 2U);
  EXPECT_TRUE(s.user_agents->deny_bots);
  EXPECT_EQ(s.request_size->max_bytes, 100U);
  EXPECT_EQ(s.request_size->streamed, model::RequestSize::Streamed::kRefuse);
  const auto& a = *s.authentication;
  EXPECT_EQ(a.mode, model::Authentication::Mode::kAll);
  EXPECT_EQ(a.realm, "shop");
  EXPECT_EQ(a.anonymous_consumer, "nobody");
  EXPECT_TRUE(a.ignore_wrong);
  EXPECT_EQ(a.api_key->from.headers, std::vector<std::string>{"x-key"});
  EXPECT_TRUE(a.api_key->from.query.empty());  // only what is named
  const auto& issuer = a.jwt->issuers[0];
  EXPECT_EQ(issuer.remote->cache_duration, 1min);
  EXPECT_EQ(issuer.claims_to_headers[0].header, "x-sub");
  EXPECT_EQ(issuer.clock_skew, 5s);
  EXPECT_TRUE(a.jwt->from.headers.empty());
  EXPECT_EQ(a.hmac->algorithms.size(), 3U);
  EXPECT_TRUE(a.certificate->require_consumer);
  EXPECT_EQ(s.access->rules[0].groups, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(s.access->rules[0].paths[0].prefix);
  EXPECT_EQ(s.access->rules[1].authenticated, true);
  EXPECT_TRUE(s.access->otherwise_allow);
}

TEST(RequestAuth, ReadsIntrospectionAndLogin) {
  const auto policy = read<model::RequestPolicy>(std::string(kPolicy) + R"(authentication:
    methods:
      introspection:
        backendRef: {name: idp, port: 80}
        path: /introspect
        host: id.example:8443
        client: {id: c, secret: s, authentication: Post}
        audiences: [a]
        scopes: [read]
        claimsToHeaders: [{claim: sub, header: X-Sub}]
        activeFor: 2m
      login:
        issuer: https://i.example/realm
        backendRef: {name: idp, port: 80}
        endpoints: {authorization: "https://i.example/a", token: /t, jwks: /k}
        client: {id: c, secretRef: {name: s, key: k}}
        scopes: [openid, email]
        baseUrl: https://shop.example
        cookies: {keys: [{name: s, key: one}, {name: s, key: two}]}
        sessionLifetime: 1h
)");
  ASSERT_TRUE(policy);
  const auto& a = *policy->settings->authentication;
  const auto& introspection = *a.introspection;
  EXPECT_EQ(introspection.host, "id.example:8443");
  EXPECT_EQ(introspection.client.way, model::OauthClient::Way::kPost);
  EXPECT_EQ(introspection.from.headers, std::vector<std::string>{"authorization"});
  EXPECT_EQ(introspection.claims_to_headers[0].header, "x-sub");
  EXPECT_EQ(introspection.active_for, 2min);
  EXPECT_EQ(introspection.inactive_for, 10s);
  const auto& login = *a.login;
  EXPECT_EQ(login.endpoints->token, "/t");
  EXPECT_EQ(login.client.secret_ref->key, "k");
  EXPECT_EQ(login.cookie_keys.size(), 2U);
  EXPECT_TRUE(login.secure_cookies);
  EXPECT_EQ(login.callback_path, "/oauth2/callback");
  EXPECT_EQ(login.session_lifetime, 1h);
}

TEST(RequestAuth, HasDefaults) {
  const auto policy =
      read<model::RequestPolicy>(std::string(kPolicy) + "authentication: {methods: {apiKey: {}, jwt: {}}}\n");
  ASSERT_TRUE(policy);
  const auto& a = *policy->settings->authentication;
  EXPECT_EQ(a.api_key->from.headers, std::vector<std::string>{"apikey"});
  EXPECT_EQ(a.api_key->from.query, std::vector<std::string>{"apikey"});
  EXPECT_TRUE(a.api_key->from.cookies.empty());
  EXPECT_EQ(a.jwt->from.headers, std::vector<std::string>{"authorization"});
  EXPECT_FALSE(a.allow_anonymous);
}

constexpr const char* kHidden = "a value (not shown)";

constexpr const char* kAsks = FAIRLEAD
    "kind: RequestPolicy\nmetadata: {name: p}\nspec:\n"
    "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"
    "  authentication: {methods: {introspection: {backendRef: {name: b, port: 1}, path: /i, client: {id: c, secret: "
    "x}, ";
constexpr const char* kLogin = FAIRLEAD
    "kind: RequestPolicy\nmetadata: {name: p}\nspec:\n"
    "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"
    "  authentication: {methods: {login: {backendRef: {name: b, port: 1}, ";
#define ISSUER "issuer: \"https://i\", "
#define CLIENT "client: {id: c}, "
#define COOKIES "cookies: {keys: [{name: s, key: k}]}, "

constexpr BadDocument kBadAuth[] = {
    // Consumer
    {FAIRLEAD "kind: Consumer\nmetadata: {name: alice}", "", 1, "spec", "nothing", "a mapping"},
    {kConsumer, "customID: x", 5, "spec.customID", "an unknown field", "customId"},
    {kConsumer, "id: \"a\\r\\nb\"", 5, "spec.id", "\"a  b\"", "visible ASCII"},
    {kConsumer, "customId: 5", 5, "spec.customId", "5", "put it in quotes"},
    {kConsumer, "customId: \"a\\r\\nb\"", 5, "spec.customId", "\"a  b\"", "visible ASCII"},
    {kConsumer, "groups: [\"a,b\"]", 5, "spec.groups[0]", "\"a,b\"", "without ','"},
    {kConsumer, "groups: gold", 5, "spec.groups", "\"gold\"", "a list"},
    {kConsumer, "credentials: [{}]", 5, "spec.credentials[0].apiKey", "nothing", "exactly one of"},
    {kCredential, "{apiKey: {key: a}, basic: {password: b}}]}", 5, "spec.credentials[0]", kHidden, "exactly one of"},
    {kCredential, "{token: {key: a}}]}", 5, "spec.credentials[0].token", "an unknown field",
     "apiKey, basic, jwt, hmac"},
    {kCredential, "{apiKey: {}}]}", 5, "spec.credentials[0].apiKey.key", "nothing", "exactly one of key"},
    {kCredential, "{apiKey: hunter2}]}", 5, "spec.credentials[0].apiKey", kHidden, "a mapping"},
    {kCredential, "{apiKey: {key: \"\"}}]}", 5, "spec.credentials[0].apiKey.key", kHidden, "1 to 4096"},
    {kCredential, "{apiKey: {key: 123}}]}", 5, "spec.credentials[0].apiKey.key", kHidden, "put it in quotes"},
    {kCredential, "{apiKey: {key: \" hunter2\"}}]}", 5, "spec.credentials[0].apiKey.key", kHidden, "without blanks"},
    {kCredential, "{apiKey: {keySha256: hunter2}}]}", 5, "spec.credentials[0].apiKey.keySha256", kHidden,
     "64 hexadecimal"},
    {kCredential, "{apiKey: {key: a, secretRef: {name: s, key: k}}}]}", 5, "spec.credentials[0].apiKey", kHidden,
     "exactly one of"},
    {kCredential, "{apiKey: {name: \"a/b\", key: a}}]}", 5, "spec.credentials[0].apiKey.name", kHidden, "without ','"},
    {kCredential, "{apiKey: {secretRef: {name: s}}}]}", 5, "spec.credentials[0].apiKey.secretRef.key", "nothing",
     "a key of the Secret"},
    {kCredential, "{basic: {username: \"a:b\", password: x}}]}", 5, "spec.credentials[0].basic.username", kHidden,
     "without ':'"},
    {kCredential, "{basic: {passwordHash: hunter2}}]}", 5, "spec.credentials[0].basic.passwordHash", kHidden,
     "crypt(3)"},
    {kCredential, "{basic: {passwordHash: \"$1$abc$hunter2\"}}]}", 5, "spec.credentials[0].basic.passwordHash", kHidden,
     "crypt(3)"},
    {kCredential, "{jwt: {algorithm: none, secret: x}}]}", 5, "spec.credentials[0].jwt.algorithm", kHidden, "EdDSA"},
    {kCredential, "{jwt: {algorithm: RS256, secret: x}}]}", 5, "spec.credentials[0].jwt.secret", kHidden, "publicKey"},
    {kCredential, "{jwt: {algorithm: HS256, publicKey: x}}]}", 5, "spec.credentials[0].jwt.publicKey", kHidden,
     "takes a secret"},
    {kCredential, "{jwt: {algorithm: RS256, publicKey: hunter2}}]}", 5, "spec.credentials[0].jwt.publicKey", kHidden,
     "no public key"},
    {kCredential, "{hmac: {keyId: 'a\"b', secret: x}}]}", 5, "spec.credentials[0].hmac.keyId", kHidden,
     "visible ASCII"},
    {kCredential, "{basic: {passwordHash: \"$argon2id$v=19$m=999999,t=2,p=2$c2FsdHNhbHQ$vcTe528UKu2x47/R4EZ\"}}]}", 5,
     "spec.credentials[0].basic.passwordHash", kHidden, "256 MiB"},
    {kCredential, "{signature: {}}]}", 5, "spec.credentials[0].signature.secret", "nothing", "exactly one of secret"},
    {kCredential, "{signature: {secret: a, publicKey: b}}]}", 5, "spec.credentials[0].signature", kHidden,
     "exactly one of secret"},
    {kCredential, "{signature: {algorithm: none, secret: a}}]}", 5, "spec.credentials[0].signature.algorithm", kHidden,
     "rsa-pss-sha512"},
    {kCredential, "{signature: {algorithm: ed25519, secret: a}}]}", 5, "spec.credentials[0].signature.secret", kHidden,
     "a key for ed25519"},
    {kCredential, "{signature: {publicKey: hunter2}}]}", 5, "spec.credentials[0].signature.publicKey", kHidden,
     "no public key"},
    {kCredential, "{signature: {keyId: \"a\\nb\", secret: a}}]}", 5, "spec.credentials[0].signature.keyId", kHidden,
     "printable ASCII"},
    {kCredential, "{hmac: {}}]}", 5, "spec.credentials[0].hmac.secret", "nothing", "exactly one of secret"},
    // authentication
    {kPolicy, "authentication: {}", 6, "spec.authentication.methods", "nothing", "at least one of"},
    {kPolicy, "authentication: {methods: {}}", 6, "spec.authentication.methods", "a mapping", "at least one of"},
    {kPolicy, "authentication: {methods: {oauth: {}}}", 6, "spec.authentication.methods.oauth", "an unknown field",
     "jwt"},
    {kPolicy, "authentication: {methods: {basic: {}}, mode: any}", 6, "spec.authentication.mode", "\"any\"",
     "Any, All or Each"},
    {kPolicy, "authentication: {methods: {basic: {}}, realm: 'a\"b'}", 6, "spec.authentication.realm", "\"a\"b\"",
     "without"},
    {kPolicy, "authentication: {methods: {basic: {}}, anonymous: {consumer: a}}", 6,
     "spec.authentication.anonymous.consumer", "\"a\"", "allow: true"},
    {kPolicy, "authentication: {methods: {basic: {}}, anonymous: {allow: true, wrongCredentials: Pass}}", 6,
     "spec.authentication.anonymous.wrongCredentials", "\"Pass\"", "Refuse or Ignore"},
    {kPolicy, "authentication: {methods: {basic: {}}, anonymous: {wrongCredentials: Ignore}}", 6,
     "spec.authentication.anonymous.wrongCredentials", "\"Ignore\"", "with allow: true"},
    {kPolicy, "authentication: {methods: {basic: {}}, failures: {}}", 6, "spec.authentication.failures.max", "nothing",
     "a number"},
    {kPolicy, "authentication: {methods: {basic: {}}, failures: {max: 5, window: 100ms}}", 6,
     "spec.authentication.failures.window", "\"100ms\"", "1s to 24h"},
    {kPolicy, "authentication: {methods: {apiKey: {headers: []}}}", 6, "spec.authentication.methods.apiKey",
     "a mapping", "at least one of headers"},
    {kPolicy, "authentication: {methods: {apiKey: {headers: [\"a b\"]}}}", 6,
     "spec.authentication.methods.apiKey.headers[0]", "\"a b\"", "a header's name"},
    {kPolicy, "authentication: {methods: {apiKey: {query: [\"a=b\"]}}}", 6,
     "spec.authentication.methods.apiKey.query[0]", "\"a=b\"", "without &"},
    {kPolicy, "authentication: {methods: {apiKey: {cookies: [\"a;\"]}}}", 6,
     "spec.authentication.methods.apiKey.cookies[0]", "\"a;\"", "a cookie's name"},
    {kPolicy, "authentication: {methods: {jwt: {consumers: false}}}", 6, "spec.authentication.methods.jwt", "a mapping",
     "issuers"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].jwks", "nothing", "exactly one of"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i, jwks: '{}'}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].jwks", "a value (not shown)", "a JWK Set"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i, jwksFile: k}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].jwksFile", "\"k\": no files beside it", "a file that can be read"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i, jwksFile: [hunter2]}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].jwksFile", "a list", "the path of a file"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i, remoteJwks: {path: /k}}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].remoteJwks.backendRef", "nothing", "a Service"},
    {kPolicy, "authentication: {methods: {jwt: {issuers: [{issuer: i, algorithms: [none]}]}}}", 6,
     "spec.authentication.methods.jwt.issuers[0].algorithms[0]", "\"none\"", "EdDSA"},
    {kPolicy, "authentication: {methods: {signature: {components: []}}}", 6,
     "spec.authentication.methods.signature.components", "a list", "at least 1 item"},
    {kPolicy, "authentication: {methods: {signature: {components: [Date]}}}", 6,
     "spec.authentication.methods.signature.components[0]", "\"Date\"", "in lower case"},
    {kPolicy, "authentication: {methods: {signature: {components: [\"@status\"]}}}", 6,
     "spec.authentication.methods.signature.components[0]", "\"@status\"", "@target-uri"},
    {kPolicy, "authentication: {methods: {signature: {algorithms: [hmac-sha1]}}}", 6,
     "spec.authentication.methods.signature.algorithms[0]", "\"hmac-sha1\"", "hmac-sha256"},
    {kPolicy, "authentication: {methods: {signature: {maxAge: 25h}}}", 6,
     "spec.authentication.methods.signature.maxAge", "\"25h\"", "1s to 24h"},
    {kPolicy, "authentication: {methods: {signature: {clockSkew: 2h}}}", 6,
     "spec.authentication.methods.signature.clockSkew", "\"2h\"", "at most 1h"},
    {kPolicy, "authentication: {methods: {signature: {tag: \"\"}}}", 6, "spec.authentication.methods.signature.tag",
     "\"\"", "printable ASCII"},
    {kPolicy, "authentication: {methods: {signature: {maxBodyBytes: 0}}}", 6,
     "spec.authentication.methods.signature.maxBodyBytes", "0", "1 to 67108864"},
    {kPolicy, "authentication: {methods: {hmac: {algorithms: [md5]}}}", 6,
     "spec.authentication.methods.hmac.algorithms[0]", "\"md5\"", "hmac-sha256"},
    {kPolicy, "authentication: {methods: {hmac: {clockSkew: 1}}}", 6, "spec.authentication.methods.hmac.clockSkew", "1",
     "a duration"},
    {kPolicy, "authentication: {methods: {introspection: {}}}", 6,
     "spec.authentication.methods.introspection.backendRef", "nothing", "a Service"},
    {kPolicy, "authentication: {methods: {introspection: {backendRef: {name: b, port: 1}, path: /i}}}", 6,
     "spec.authentication.methods.introspection.client", "nothing", "the client"},
    {kPolicy, "authentication: {methods: {introspection: {backendRef: {name: b, port: 1}, path: /i, client: {id: c}}}}",
     6, "spec.authentication.methods.introspection.client.secret", "nothing", "secret, secretRef or file"},
    {kPolicy,
     "authentication: {methods: {introspection: {backendRef: {name: b, port: 1}, path: i, client: {id: c, secret: "
     "x}}}}",
     6, "spec.authentication.methods.introspection.path", "\"i\"", "begins with /"},
    {kPolicy,
     "authentication: {methods: {login: {client: {id: c, secret: [hunter2]}, backendRef: {name: b, port: 1}}}}", 6,
     "spec.authentication.methods.login.client.secret", kHidden, "1 to 4096"},
    {kAsks, "host: \"a/b\"}}}", 6, "spec.authentication.methods.introspection.host", "\"a/b\"", "a host"},
    {kAsks, "host: \"u@a\"}}}", 6, "spec.authentication.methods.introspection.host", "\"u@a\"", "a host"},
    {kAsks, "activeFor: 100ms}}}", 6, "spec.authentication.methods.introspection.activeFor", "\"100ms\"", "1s to 24h"},
    {kAsks, "inactiveFor: 48h}}}", 6, "spec.authentication.methods.introspection.inactiveFor", "\"48h\"", "1s to 24h"},
    {kAsks, "timeout: 2m}}}", 6, "spec.authentication.methods.introspection.timeout", "\"2m\"", "1ms to 1m"},
    {kAsks, "scopes: [\"a b\"]}}}", 6, "spec.authentication.methods.introspection.scopes[0]", "\"a b\"", "a scope"},
    {kAsks, "from: {headers: []}}}}", 6, "spec.authentication.methods.introspection.from", "a mapping", "at least one"},
    {kAsks, "cache: 1m}}}", 6, "spec.authentication.methods.introspection.cache", "an unknown field", "activeFor"},
    {kLogin, CLIENT COOKIES "}}}", 6, "spec.authentication.methods.login.issuer", "nothing", "the provider's URL"},
    {kLogin, CLIENT COOKIES "issuer: i.example}}}", 6, "spec.authentication.methods.login.issuer", "\"i.example\"",
     "a URL"},
    {kLogin, CLIENT COOKIES "issuer: \"https://i?x\"}}}", 6, "spec.authentication.methods.login.issuer",
     "\"https://i?x\"", "without query"},
    {kLogin, ISSUER COOKIES "}}}", 6, "spec.authentication.methods.login.client", "nothing", "the client"},
    {kLogin, ISSUER CLIENT "}}}", 6, "spec.authentication.methods.login.cookies", "nothing", "the key"},
    {kLogin, ISSUER CLIENT "cookies: {}}}}", 6, "spec.authentication.methods.login.cookies.keys", "nothing",
     "at least one"},
    {kLogin, ISSUER CLIENT "cookies: {keys: []}}}}", 6, "spec.authentication.methods.login.cookies.keys", "a list",
     "at least 1"},
    {kLogin, ISSUER CLIENT "cookies: {name: __Host-x, keys: [{name: s, key: k}]}}}}", 6,
     "spec.authentication.methods.login.cookies.name", "\"__Host-x\"", "not begin with __"},
    {kLogin, ISSUER CLIENT COOKIES "scopes: [email]}}}", 6, "spec.authentication.methods.login.scopes", "a list",
     "openid"},
    {kLogin, ISSUER CLIENT COOKIES "baseUrl: \"https://a/b\"}}}", 6, "spec.authentication.methods.login.baseUrl",
     "\"https://a/b\"", "without path"},
    {kLogin, ISSUER CLIENT COOKIES "callbackPath: //evil}}}", 6, "spec.authentication.methods.login.callbackPath",
     "\"//evil\"", "begins with /"},
    {kLogin, ISSUER CLIENT COOKIES "afterLogout: \"https://evil\"}}}", 6,
     "spec.authentication.methods.login.afterLogout", "\"https://evil\"", "begins with /"},
    {kLogin, ISSUER CLIENT COOKIES "logoutPath: /oauth2/callback}}}", 6, "spec.authentication.methods.login.logoutPath",
     "\"/oauth2/callback\"", "another path"},
    {kLogin, ISSUER CLIENT COOKIES "loginPath: /oauth2/logout}}}", 6, "spec.authentication.methods.login.loginPath",
     "\"/oauth2/logout\"", "another path"},
    {kLogin, ISSUER CLIENT COOKIES "endpoints: {token: /t}}}}", 6,
     "spec.authentication.methods.login.endpoints.authorization", "nothing", "a URL"},
    {kLogin, ISSUER CLIENT COOKIES "endpoints: {authorization: /a, token: /t, jwks: /k}}}}", 6,
     "spec.authentication.methods.login.endpoints.authorization", "\"/a\"", "an absolute URL"},
    {kLogin, ISSUER CLIENT COOKIES "sessionLifetime: 1s}}}", 6, "spec.authentication.methods.login.sessionLifetime",
     "\"1s\"", "1m to 720h"},
    {kLogin, ISSUER COOKIES "client: {id: c, authentication: JWT}}}}", 6,
     "spec.authentication.methods.login.client.authentication", "\"JWT\"", "Basic or Post"},
    {kLogin, ISSUER COOKIES "client: {id: c, secret: hunter2, secretRef: {name: s, key: k}}}}}", 6,
     "spec.authentication.methods.login.client", "a mapping", "one of"},
    // access, addresses, userAgents, requestSize
    {kPolicy, "access: {}", 6, "spec.access.rules", "nothing", "at least one rule"},
    {kPolicy, "access: {rules: [{}]}", 6, "spec.access.rules[0].action", "nothing", "Allow or Deny"},
    {kPolicy, "access: {rules: [{action: allow}]}", 6, "spec.access.rules[0].action", "\"allow\"", "Allow or Deny"},
    {kPolicy, "access: {rules: [{action: Allow, methods: [get]}]}", 6, "spec.access.rules[0].methods[0]", "\"get\"",
     "upper case"},
    {kPolicy, "access: {rules: [{action: Allow, paths: [{value: a}]}]}", 6, "spec.access.rules[0].paths[0].value",
     "\"a\"", "begins with /"},
    {kPolicy, "access: {rules: [{action: Allow, groups: []}]}", 6, "spec.access.rules[0].groups", "a list",
     "at least 1"},
    {kPolicy, "access: {rules: [{action: Allow, claims: [{values: [x]}]}]}", 6, "spec.access.rules[0].claims[0].claim",
     "nothing", "a claim"},
    {kPolicy, "access: {rules: [{action: Allow}], otherwise: Maybe}", 6, "spec.access.otherwise", "\"Maybe\"",
     "Deny or Allow"},
    {kPolicy, "consumers: []", 6, "spec.consumers", "a list", "at least 1"},
    {kPolicy, "consumers: [a]\n  addresses: {deny: [10.0.0.0/8]}", 7, "spec.addresses", "a mapping",
     "only in policies without consumers"},
    {kPolicy, "addresses: {}", 6, "spec.addresses.allow", "nothing", "allow or deny"},
    {kPolicy, "addresses: {allow: []}", 6, "spec.addresses.allow", "a list", "at least 1"},
    {kPolicy, "addresses: {deny: [10.0.0.0/33]}", 6, "spec.addresses.deny[0]", "\"10.0.0.0/33\"", "an address block"},
    {kPolicy, "userAgents: {}", 6, "spec.userAgents.deny", "nothing", "deny, or bots: Deny"},
    {kPolicy, "userAgents: {allow: [x], bots: Allow}", 6, "spec.userAgents.deny", "nothing", "deny, or bots: Deny"},
    {kPolicy, "userAgents: {deny: ['(x']}", 6, "spec.userAgents.deny[0]", "\"(x\"", "a regular expression"},
    {kPolicy, "userAgents: {bots: Maybe}", 6, "spec.userAgents.bots", "\"Maybe\"", "Allow or Deny"},
    {kPolicy, "requestSize: {}", 6, "spec.requestSize.maxBytes", "nothing", "a number"},
    {kPolicy, "requestSize: {maxBytes: -1}", 6, "spec.requestSize.maxBytes", "-1", "a number"},
    {kPolicy, "requestSize: {maxBytes: 100000000}", 6, "spec.requestSize.maxBytes", "100000000", "at most 67108864"},
    {kPolicy, "requestSize: {maxBytes: 1, streamed: Drop}", 6, "spec.requestSize.streamed", "\"Drop\"", "Buffer"},
};

TEST(RequestAuth, RefusesBadInputWithItsPlace) {
  for (const auto& bad : kBadAuth) expect_refused(bad);
}

using Json = nlohmann::ordered_json;

/// The schema's fields are those that the reader knows, and each is described.
void check_schema(const Json& schema, const std::vector<std::string>& path, std::size_t& fields) {
  std::vector<std::string> names;
  for (const auto& [name, one] : schema.at("properties").items()) {
    ++fields;
    names.push_back(name);
    EXPECT_FALSE(one.at("description").get<std::string>().empty()) << name;
  }
  const auto parsed =
      parse_text(FAIRLEAD "kind: RequestPolicy\nmetadata: {name: p}\nspec: " + nested(path, R"({"zzz": 1})") + "\n",
                 false, gateway_kinds());
  std::string known;
  for (const auto& remark : parsed.diagnostics)
    if (remark.field.ends_with("zzz")) known = remark.expected.substr(remark.expected.find("of ") + 3) + ", ";
  std::vector<std::string> read;
  for (std::size_t from = 0; from < known.size(); from = known.find(", ", from) + 2)
    read.push_back(known.substr(from, known.find(", ", from) - from));
  std::ranges::sort(names);
  std::ranges::sort(read);
  EXPECT_EQ(names, read) << path.back();
  for (const auto& [name, one] : schema.at("properties").items()) {
    const bool list = one.value("type", "") == "array";
    const auto& below = list ? one.at("items") : one;
    auto longer = path;
    longer.push_back(name + (list ? "[]" : ""));
    if (below.contains("properties")) check_schema(below, longer, fields);
  }
}

TEST(RequestAuth, HasTheFieldsOfItsSchemas) {
  for (const auto& [section, least] : {std::pair("authentication", 118U),
                                       {"access", 15U},
                                       {"addresses", 5U},
                                       {"correlation", 3U},
                                       {"crossOrigin", 9U},
                                       {"userAgents", 3U},
                                       {"requestSize", 3U}}) {
    std::ifstream in(std::string(FL_REFERENCE "/request-policy/") + section + ".schema.json");
    ASSERT_TRUE(in) << section;
    std::size_t fields = 0;
    check_schema(Json::parse(in), {section}, fields);
    EXPECT_GE(fields, least) << section;
  }
}

}  // namespace
}  // namespace fairlead::config
