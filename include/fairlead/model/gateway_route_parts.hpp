// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of Gateway API's routes: references, matches, filters and rules (apis/v1 of release 1.6).

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "fairlead/base/counted.hpp"
#include "fairlead/base/name.hpp"

namespace fairlead::model {

inline constexpr std::string_view kGatewayGroup = "gateway.networking.k8s.io";

/// Group and kind of a reference in one value. kOther: RefKindName::other says which.
enum class RefKind : std::uint8_t {
  kService,      ///< "" Service
  kSecret,       ///< "" Secret
  kConfigMap,    ///< "" ConfigMap
  kGateway,      ///< gateway.networking.k8s.io
  kListenerSet,  ///< the same, and so all routes
  kHttpRoute,
  kGrpcRoute,
  kTlsRoute,
  kTcpRoute,
  kUdpRoute,
  kBackendTlsPolicy,
  kOther,
};

struct RefKindName {
  RefKind kind = RefKind::kOther;
  Name other{};  ///< "group/Kind" as written, with kOther; "/Kind" of the core group

  bool operator==(const RefKindName&) const = default;
  auto operator<=>(const RefKindName&) const = default;
};

[[nodiscard]] RefKindName ref_kind(std::string_view group, std::string_view kind);
[[nodiscard]] std::string_view ref_group(const RefKindName& kind);  ///< "" is the core group
[[nodiscard]] std::string_view ref_kind_name(const RefKindName& kind);

/// SecretObjectReference, LocalObjectReference, ObjectReference.
struct ObjectReference {
  RefKindName kind{};
  Name ns{};  ///< empty: of who refers
  Name name{};
  bool operator==(const ObjectReference&) const = default;
};

struct ParentReference {
  RefKindName kind{.kind = RefKind::kGateway, .other = {}};
  Name ns{};  ///< empty: of the route
  Name name{};
  Name section{};          ///< sectionName: a listener; empty: all of them
  std::uint16_t port = 0;  ///< 0: any
  bool operator==(const ParentReference&) const = default;
};

/// LocalPolicyTargetReferenceWithSectionName: same namespace as the policy.
struct PolicyTarget {
  RefKindName kind{};
  std::string name{};
  std::string section{};  ///< a Service's port by name, or a Gateway's listener; empty: all of it
  bool operator==(const PolicyTarget&) const = default;
};

/// BackendObjectReference.
struct BackendTarget {
  ObjectReference ref{.kind = {.kind = RefKind::kService, .other = {}}, .ns = {}, .name = {}};
  std::uint16_t port = 0;  ///< of the Service; 0: none, which only other kinds may have
};

struct BackendReference : BackendTarget {
  std::uint32_t weight = 1;  ///< share within the rule; 0: never
};

// ---- Matches ------------------------------------------------------------------------------------------------------

enum class PathMatchType : std::uint8_t { kPathPrefix, kExact, kRegularExpression };

struct PathMatch {
  std::string value = "/";  ///< as written: not decoded, not normalised
  PathMatchType type = PathMatchType::kPathPrefix;
};

enum class ValueMatchType : std::uint8_t { kExact, kRegularExpression };

/// Of a header (name in lower case: it is compared without case) or a query parameter (name as written).
struct ValueMatch {
  ValueMatchType type = ValueMatchType::kExact;
  std::string name;
  std::string value;
};

/// The values of apis/v1; kAny: no method is asked for.
enum class HttpMethod : std::uint8_t { kAny, kGet, kHead, kPost, kPut, kDelete, kConnect, kOptions, kTrace, kPatch };

/// All of it must hold. Of several entries that name the same header or parameter only the first counts; readers leave
/// the others out.
struct HttpMatch {
  [[no_unique_address]] PathMatch path;  // `method` fits behind it
  HttpMethod method = HttpMethod::kAny;
  std::vector<ValueMatch> headers;
  std::vector<ValueMatch> query;
};

struct GrpcMethodMatch {
  ValueMatchType type = ValueMatchType::kExact;
  std::string service;  ///< empty: any
  std::string method;   ///< empty: any
};

struct GrpcMatch {
  std::optional<GrpcMethodMatch> method;
  std::vector<ValueMatch> headers;
};

// ---- Filters ------------------------------------------------------------------------------------------------------

/// name in lower case, value as written.
struct HttpHeader {
  std::string name;
  std::string value;
};

struct HeaderModifier {
  std::vector<HttpHeader> set;
  std::vector<HttpHeader> add;
  std::vector<std::string> remove;  ///< in lower case
};

struct RequestHeaderModifier : HeaderModifier {};
struct ResponseHeaderModifier : HeaderModifier {};

/// A share of requests: numerator of denominator. percent 42 is 42 of 100; neither given is 1 of 1.
struct RequestMirror {
  BackendTarget backend;
  std::uint32_t numerator = 1;
  std::uint32_t denominator = 1;
};

struct PathModifier {
  enum class Type : std::uint8_t { kReplaceFullPath, kReplacePrefixMatch };
  Type type = Type::kReplaceFullPath;
  std::string value;  ///< a normal path; a full one may have a query, and a fragment in a redirect
};

struct RequestRedirect {
  enum class Scheme : std::uint8_t { kUnset, kHttp, kHttps };
  Scheme scheme = Scheme::kUnset;  ///< kUnset: of the request
  std::string hostname;            ///< empty: of the request's Host
  std::optional<PathModifier> path;
  std::uint16_t port = 0;           ///< 0: by scheme, or the listener's
  std::uint16_t status_code = 302;  ///< 301, 302, 303, 307, 308
};

struct UrlRewrite {
  std::string hostname;  ///< empty: unchanged
  std::optional<PathModifier> path;
};

struct Cors {
  std::vector<std::string> allow_origins;   ///< "*", "https://a.example", "https://*.example:8443"
  std::vector<std::string> allow_methods;   ///< upper case, or "*"
  std::vector<std::string> allow_headers;   ///< as written, or "*"
  std::vector<std::string> expose_headers;  ///< as written, or "*"
  bool allow_credentials = false;
  std::uint32_t max_age_seconds = 5;
};

struct ExternalAuth {
  enum class Protocol : std::uint8_t { kHttp, kGrpc };
  Protocol protocol = Protocol::kHttp;
  BackendTarget backend;
  std::string path;                                 ///< HTTP: put before the request's path; may be empty
  std::vector<std::string> allowed_headers;         ///< of the request, sent to the server; in lower case
  std::vector<std::string> allowed_response_headers;  ///< HTTP: of its answer, put into the request; in lower case
  std::uint32_t forward_body_max = 0;  ///< forwardBody.maxSize in bytes; 0: no body is sent

  // What only Istio's providers have. Names below may be patterns there: "x-*", "*-id".
  std::chrono::milliseconds timeout{10'000};
  bool whole_body = false;  ///< a longer body than forward_body_max gets 413
  bool fail_open = false;   ///< where the server cannot be asked the request passes
  bool errors_fail = false;  ///< HTTP: a server that answers 5xx could not be asked
  std::uint16_t status_on_error = 403;
  std::vector<std::pair<std::string, std::string>> extra_headers{};  ///< HTTP: told beside, in place of the client's
  std::vector<std::string> denied_headers{};  ///< HTTP: of a denial, sent to the client; empty: all
  std::vector<std::string> passed_headers{};  ///< HTTP: of its answer, put into the response
};

/// Names a filter of another API group, same namespace; none is served: the rule answers 500.
struct ExtensionRef {
  ObjectReference ref;
};

/// In the order of the rule. Each but RequestMirror and ExtensionRef stands at most once.
using HttpFilter = std::variant<RequestHeaderModifier, ResponseHeaderModifier, RequestMirror, RequestRedirect,
                                UrlRewrite, Cors, ExternalAuth, ExtensionRef>;
using HttpFilters = std::vector<HttpFilter>;  ///< a GRPCRoute's too; it has only header modifiers, mirrors, extensions

// ---- Rules --------------------------------------------------------------------------------------------------------

struct HttpBackendReference : BackendReference {
  HttpFilters filters;  ///< only for requests that go to this backend
};

/// 0 in either: no limit, as 0s is written.
struct HttpTimeouts : Counted {
  std::optional<std::chrono::milliseconds> request;  ///< of the client's request as a whole
  std::optional<std::chrono::milliseconds> backend_request;  ///< of each try
};

struct HttpRetry : Counted {
  std::vector<std::uint16_t> codes;  ///< 400 to 599; empty: by default of the implementation
  std::optional<std::uint32_t> attempts;  ///< after the first; nothing: by default of the implementation
  std::optional<std::chrono::milliseconds> backoff;  ///< least time between tries
};

struct SessionPersistence : Counted {
  enum class Type : std::uint8_t { kCookie, kHeader };
  enum class Lifetime : std::uint8_t { kSession, kPermanent };
  std::string session_name;  ///< empty: made up by the implementation
  Type type = Type::kCookie;
  std::string cookie_path;  ///< empty: the path that the rule matches
  Lifetime cookie_lifetime = Lifetime::kSession;  ///< cookieConfig.lifetimeType
  std::optional<std::chrono::milliseconds> absolute_timeout;
};

struct HttpRule {
  Name name;  ///< may be empty
  std::vector<HttpMatch> matches;  ///< any of; by default one of every path
  HttpFilters filters;
  std::vector<HttpBackendReference> backends;
  // Null: not given, as nearly always.
  CountedPtr<HttpTimeouts> timeouts;
  CountedPtr<HttpRetry> retry;
  CountedPtr<SessionPersistence> persistence;
};

struct GrpcRule {
  std::string name;
  std::vector<GrpcMatch> matches;  ///< any of; empty: every request
  HttpFilters filters;
  std::vector<HttpBackendReference> backends;
  CountedPtr<SessionPersistence> persistence;
};

}  // namespace fairlead::model
