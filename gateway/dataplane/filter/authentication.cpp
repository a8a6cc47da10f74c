// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "fairlead/auth/failures.hpp"
#include "fairlead/filter/identity_stripper.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/model/request_auth.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

/// What tells a backend who calls, by Kong's names: no client may say it.
constexpr std::string_view kIdentityHeaders[] = {
    "x-consumer-id",           "x-consumer-username",  "x-consumer-custom-id",   "x-consumer-groups",
    "x-credential-identifier", "x-anonymous-consumer", "x-authenticated-groups", "x-credential-username"};

/// What is found out of who calls; each is a counter.
enum class AuthResult : std::uint8_t { kAccepted, kAnonymous, kNoCredential, kRefused, kUnavailable, kSlowed };
constexpr std::string_view kResults[] = {"accepted", "anonymous", "no_credential", "refused", "unavailable", "slowed"};
constexpr telemetry::CounterFamily kResultFamily{"fairlead_gateway_authentications",
                                                 "requests by what was found out of who calls", "result", kResults};
constexpr std::string_view kReasons[kAuthFailures] = {
    "wrong",  "unknown",  "malformed", "duplicate", "not_covered", "not_recent",     "algorithm",
    "issuer", "audience", "expired",   "not_yet",   "claims",      "other_consumer", "body"};
constexpr telemetry::CounterFamily kFailureFamily{"fairlead_gateway_authentication_failures",
                                                  "credentials that were refused, by why", "reason", kReasons};

struct AuthCounters {
  telemetry::CounterId results = 0;
  std::vector<telemetry::CounterId> failures{};  ///< of each method
};

AuthCounters make_counters(const std::vector<AuthMethodPtr>& methods, const Context& context) {
  AuthCounters out{.results = context.counters(kResultFamily)};
  for (const auto& method : methods)
    out.failures.push_back(context.counters(kFailureFamily, {"method", std::string(method->name())}));
  return out;
}

/// Looked through for each field of each request: side by side.
using IdentityNames = std::vector<std::string>;

void strip(http::Fields& fields, const IdentityNames& headers) {
  std::erase_if(fields, [&](const http::Field& field) {
    return std::ranges::any_of(headers, [&](const auto& name) { return same_header(field.name, name); });
  });
}

class IdentityGuard final : public Filter, public IdentityStripper {
 public:
  explicit IdentityGuard(const std::set<std::string>& headers) : headers_(headers.begin(), headers.end()) {}
  Verdict on_request(Request& request) const override {
    strip(request.head().fields, headers_);
    return Verdict::kContinue;
  }
  void strip_identity(http::Fields& fields) const override { strip(fields, headers_); }
  Preview preview(Probe&) const override {
    return {.kind = Preview::Kind::kPasses,
            .why = "nobody authenticates here: what clients say of who they are is taken off"};
  }

 private:
  const IdentityNames headers_;
};

/// An authentication of a listener of which some routes tell more than it does.
class GuardedAuthentication final : public Filter, public IdentityStripper {
 public:
  GuardedAuthentication(const std::set<std::string>& headers, FilterPtr next)
      : headers_(headers.begin(), headers.end()), next_(std::move(next)) {}
  Verdict on_request(Request& request) const override {
    strip(request.head().fields, headers_);
    return next_->on_request(request);
  }
  void strip_identity(http::Fields& fields) const override {
    strip(fields, headers_);
    if (const auto* stripper = dynamic_cast<const IdentityStripper*>(next_.get())) stripper->strip_identity(fields);
  }
  [[nodiscard]] std::size_t most_body() const override { return next_->most_body(); }
  [[nodiscard]] std::size_t enough_body() const override { return next_->enough_body(); }
  Verdict on_request_body(Request& request, std::string& body) const override {
    return next_->on_request_body(request, body);
  }
  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    return next_->on_response(request, head);
  }
  void on_end(Request& request) const override { next_->on_end(request); }
  [[nodiscard]] Preview preview(Probe& probe) const override { return next_->preview(probe); }
  [[nodiscard]] std::vector<Held> held() const override { return next_->held(); }

 private:
  const IdentityNames headers_;
  const FilterPtr next_;
};

class Authentication final : public Filter, public IdentityStripper {
  using Mode = model::Authentication::Mode;

 public:
  Authentication(const model::Authentication& settings, std::string ns, DirectoriesPtr directories,
                 std::vector<AuthMethodPtr> methods, std::shared_ptr<auth::Failures> failures, AuthCounters counters)
      : settings_(settings),
        ns_(std::move(ns)),
        directories_(std::move(directories)),
        methods_(std::move(methods)),
        failures_(std::move(failures)),
        counters_(std::move(counters)),
        identity_headers_([&] {
          const auto names = identity_headers(settings_);
          return IdentityNames(names.begin(), names.end());
        }()) {
    for (const auto& method : methods_) most_body_ = std::max(most_body_, method->most_body());
  }

  Verdict on_request(Request& request) const override;
  void strip_identity(http::Fields& fields) const override { strip(fields, identity_headers_); }
  std::size_t most_body() const override { return most_body_; }
  [[nodiscard]] bool wants_body(Request& request) const {
    return std::ranges::any_of(methods_, [&](const auto& method) { return method->wants_body(request); });
  }
  Verdict on_request_body(Request& request, std::string& body) const override;
  Verdict on_response(Request& request, http::ResponseHead& head) const override;
  Preview preview(Probe& probe) const override;

  /// Goes on with the methods; kWait where one has to.
  Verdict run(Request& request, AuthAttempt& attempt) const;

 private:
  struct Waiting;

  Verdict wait(Request& request, AuthAttempt& attempt) const;
  Verdict finish(Request& request, AuthAttempt& attempt) const;
  Verdict pass(Request& request, AuthAttempt& attempt) const;
  Verdict pass_anonymous(Request& request, const AuthAttempt& attempt) const;
  [[nodiscard]] bool note_failure(Request& request, const AuthAttempt& attempt) const;
  /// How long its source has to wait, milliseconds; 0: not at all.
  [[nodiscard]] std::uint64_t source_waits(Request& request) const {
    return failures_ == nullptr ? 0 : failures_->wait(request.client(), request.reactor().now_ms());
  }
  void go_on(Request& request, AuthAttempt& attempt) const;
  Verdict refuse_request(Request& request, const AuthAttempt& attempt) const;
  [[nodiscard]] std::string_view reason_of(Request& request, const AuthAttempt& attempt) const;
  Verdict refuse_source(Request& request, std::uint64_t wait_ms) const;
  void note(Request& request, AuthResult result) const {
    request.count(counters_.results + static_cast<telemetry::CounterId>(result));
  }
  void tell_backend(Request& request, const Identity& identity) const;

  const model::Authentication settings_;
  const std::string ns_;  // of the policy, and so of its consumers
  const DirectoriesPtr directories_;
  const std::vector<AuthMethodPtr> methods_;
  const std::shared_ptr<auth::Failures> failures_;  // null: no limit
  const AuthCounters counters_;
  const IdentityNames identity_headers_;
  std::size_t most_body_ = 0;
};

/// Of a request that waits.
struct Authentication::Waiting final : State {
  explicit Waiting(AuthAttempt made) : attempt(std::move(made)) {}
  AuthAttempt attempt;
};

Verdict Authentication::on_request(Request& request) const {
  // A CORS preflight carries no credentials (Fetch section 3.2.2): the CORS filter of its rule answers it before.
  strip_identity(request.head().fields);
  if (settings_.passes_options && request.head().method == http::Method::kOptions) return Verdict::kContinue;
  // What a RequestAuthentication in front has found is no credential here; its token's claims the backend was told.
  if (request.identity().authenticated) request.set_authorized_elsewhere(true);
  request.identity() = {};
  if (const auto left = source_waits(request); left > 0) return refuse_source(request, left);
  if (wants_body(request)) return Verdict::kNeedBody;
  AuthAttempt attempt;
  attempt.last_counts = settings_.mode == Mode::kEach;
  return run(request, attempt);
}

Preview Authentication::preview(Probe& probe) const {
  auto out = probe.ask(*this);
  if (const auto* waiting = static_cast<const Waiting*>(probe.state())) {
    out.why = std::string(methods_[waiting->attempt.next]->name()) +
              ": the credential is checked beside the request: by a password's hash, or by keys of another server";
    return out;
  }
  if (out.kind != Preview::Kind::kPasses) return out;
  const auto& identity = probe.identity();
  if (identity.consumer != nullptr) out.why = "consumer " + std::string(identity.consumer->name());
  else out.why = identity.authenticated ? "authenticated, of no consumer" : "anonymous";
  if (!identity.credential.empty()) out.why += ", credential " + std::string(identity.credential);
  return out;
}

Verdict Authentication::run(Request& request, AuthAttempt& attempt) const {
  while (attempt.next < methods_.size()) {
    switch (methods_[attempt.next]->check(request, attempt)) {
      case AuthOutcome::kAbsent:
        if (settings_.mode != Mode::kAny) return finish(request, attempt);
        break;
      case AuthOutcome::kGood:
        if (settings_.mode == Mode::kAny) return finish(request, attempt);
        break;
      case AuthOutcome::kBad:
        attempt.bad = true;
        attempt.guessed =
            attempt.guessed || attempt.failure == AuthFailure::kWrong || attempt.failure == AuthFailure::kUnknown;
        if (settings_.mode != Mode::kAny) return finish(request, attempt);
        break;
      case AuthOutcome::kWait: return wait(request, attempt);
      case AuthOutcome::kUnavailable:
        note(request, AuthResult::kUnavailable);
        answer_problem(request, 503, "Service Unavailable", "who calls cannot be found out now",
                       telemetry::ResponseFlag::kUnauthorizedExternal, {{"retry-after", "5"}}, attempt.unavailable);
        return Verdict::kAnswered;
      case AuthOutcome::kAnswered: return Verdict::kAnswered;
    }
    ++attempt.next;
  }
  return finish(request, attempt);
}

/// The attempt moves into the request's state the first time.
Verdict Authentication::wait(Request& request, AuthAttempt& attempt) const {
  auto* waiting = static_cast<Waiting*>(request.state());
  if (waiting == nullptr) {
    auto made = std::make_unique<Waiting>(std::move(attempt));
    waiting = made.get();
    request.set_state(std::move(made));
  }
  if (request.asks_only()) return Verdict::kWait;
  auto& kept = waiting->attempt;
  const bool under_way = kept.work->start(request, [this, &request, &kept] { go_on(request, kept); });
  return under_way ? Verdict::kWait : run(request, kept);
}

/// What it has waited for is there. Of many guesses at a time those that are too many learn nothing.
void Authentication::go_on(Request& request, AuthAttempt& attempt) const {
  if (const auto left = source_waits(request); left > 0) {
    refuse_source(request, left);
    return;
  }
  const auto verdict = run(request, attempt);
  if (verdict == Verdict::kContinue) request.resume();
  if (verdict == Verdict::kNeedBody) request.resume_with_body();
}

Verdict Authentication::finish(Request& request, AuthAttempt& attempt) const {
  const bool all = attempt.next == methods_.size();
  const bool good = settings_.mode == Mode::kAny ? attempt.good : attempt.good && all && !attempt.bad;
  if (good) return pass(request, attempt);
  // Who shows a credential that is wrong is not taken for somebody who shows none, unless the settings say so.
  if (!attempt.good && settings_.allow_anonymous && (!attempt.bad || settings_.ignore_wrong))
    return pass_anonymous(request, attempt);
  return refuse_request(request, attempt);
}

Verdict Authentication::pass(Request& request, AuthAttempt& attempt) const {
  // Beside a good credential others may be guessed.
  if (attempt.guessed && !note_failure(request, attempt)) return refuse_source(request, source_waits(request));
  bool needs_body = false;
  for (std::size_t i = 0; i < methods_.size(); ++i)
    needs_body = needs_body || ((attempt.accepted >> i & 1) != 0 && methods_[i]->needs_body(request));
  request.identity() = std::move(attempt.identity);
  for (const auto& field : attempt.headers) request.head().fields.push_back(field);
  tell_backend(request, request.identity());
  if (needs_body) return Verdict::kNeedBody;
  note(request, AuthResult::kAccepted);
  for (const auto& method : methods_) method->hide(request);
  return Verdict::kContinue;
}

Verdict Authentication::on_request_body(Request& request, std::string& body) const {
  if (!request.identity().authenticated && wants_body(request)) {
    AuthAttempt attempt;
    attempt.body = &body;
    attempt.last_counts = settings_.mode == Mode::kEach;
    const auto verdict = run(request, attempt);
    if (verdict == Verdict::kContinue)
      for (const auto& method : methods_) method->hide_in(request, body);
    return verdict;
  }
  for (const auto& method : methods_) {
    if (!method->needs_body(request) || method->check_body(request, body)) continue;
    request.identity() = {};
    AuthAttempt attempt;
    attempt.failed = static_cast<std::size_t>(&method - methods_.data());
    attempt.why = "the body is not that of the signed digest";
    attempt.failure = AuthFailure::kBody;
    attempt.bad = true;
    strip_identity(request.head().fields);
    if (settings_.allow_anonymous && settings_.ignore_wrong) return pass_anonymous(request, attempt);
    return refuse_request(request, attempt);
  }
  note(request, AuthResult::kAccepted);
  for (const auto& method : methods_) method->hide(request);
  return Verdict::kContinue;
}

/// What a method tells the client is for nobody else: no cache may keep it.
Verdict Authentication::on_response(Request& request, http::ResponseHead& head) const {
  const auto* waiting = static_cast<const Waiting*>(request.state());
  if (waiting == nullptr || waiting->attempt.answer_fields.empty()) return Verdict::kContinue;
  std::erase_if(head.fields, [](const http::Field& field) { return field.name == "cache-control"; });
  head.fields.push_back({"cache-control", "no-store"});
  for (const auto& field : waiting->attempt.answer_fields) head.fields.push_back(field);
  return Verdict::kContinue;
}

Verdict Authentication::pass_anonymous(Request& request, const AuthAttempt& attempt) const {
  if (attempt.bad) {
    if (!note_failure(request, attempt)) return refuse_source(request, source_waits(request));
    for (const auto& method : methods_) method->hide(request);
  }
  auto& identity = request.identity();
  identity = {};
  if (!settings_.anonymous_consumer.empty()) {
    auto directory = directories_->current();
    identity.consumer = directory->consumer(settings_.anonymous_consumer);
    identity.hold = std::move(directory);
  }
  tell_backend(request, identity);
  note(request, AuthResult::kAnonymous);
  return Verdict::kContinue;
}

/// False: its source has failed too often meanwhile.
bool Authentication::note_failure(Request& request, const AuthAttempt& attempt) const {
  request.count(counters_.failures[attempt.failed] + static_cast<telemetry::CounterId>(attempt.failure));
  return failures_ == nullptr || request.asks_only() || failures_->count(request.client(), request.reactor().now_ms());
}

Verdict Authentication::refuse_request(Request& request, const AuthAttempt& attempt) const {
  if (attempt.bad && !note_failure(request, attempt)) return refuse_source(request, source_waits(request));
  http::Fields fields;
  for (std::size_t i = 0; i < methods_.size(); ++i) {
    const auto& method = methods_[i];
    const auto same = [&](const AuthMethodPtr& other) { return other->scheme() == method->scheme(); };
    const bool told = std::any_of(methods_.begin(), methods_.begin() + static_cast<std::ptrdiff_t>(i), same);
    const bool shown = settings_.mode == Mode::kAll && (attempt.accepted >> i & 1) != 0;
    const bool later = settings_.mode == Mode::kEach && i != attempt.next;
    if (method->scheme().empty() || told || shown || later) continue;
    const auto realm = method->realm().empty() ? std::string_view(settings_.realm) : method->realm();
    auto text = std::string(method->scheme()).append(" realm=\"").append(realm).append("\"");
    if (method->scheme() == "Basic") text += ", charset=\"UTF-8\"";
    if (method->scheme() == "Bearer" && !attempt.failed_token.empty())
      text.append(", error=\"invalid_token\", error_description=\"").append(attempt.failed_token).append("\"");
    fields.push_back({"www-authenticate", request.arena().copy(text)});
  }
  note(request, attempt.bad ? AuthResult::kRefused : AuthResult::kNoCredential);
  const auto why = attempt.why.empty() ? std::string_view("no credentials were sent") : attempt.why;
  answer_problem(request, 401, "Unauthorized", why, telemetry::ResponseFlag::kPolicyDenied, std::move(fields),
                 attempt.bad ? "credential_refused" : "no_credential", {.reason = reason_of(request, attempt)});
  return Verdict::kAnswered;
}

/// "jwt:expired"; "none:jwt" where nothing was shown.
std::string_view Authentication::reason_of(Request& request, const AuthAttempt& attempt) const {
  if (!attempt.bad) {
    const auto first = std::min(settings_.mode == Mode::kAny ? 0 : attempt.next, methods_.size() - 1);
    return request.arena().copy("none:" + std::string(methods_[first]->name()));
  }
  const auto why = attempt.reason.empty() ? kReasons[static_cast<std::size_t>(attempt.failure)] : attempt.reason;
  return request.arena().copy(std::string(methods_[attempt.failed]->name()).append(":").append(why));
}

/// Without a look at what it shows: one who guesses learns nothing.
Verdict Authentication::refuse_source(Request& request, std::uint64_t wait_ms) const {
  note(request, AuthResult::kSlowed);
  const auto seconds = request.arena().copy(std::to_string((wait_ms + 999) / 1000));
  answer_problem(request, 429, "Too Many Requests", "too many wrong credentials were sent",
                 telemetry::ResponseFlag::kRateLimited, {{"retry-after", seconds}}, "too_many_failures",
                 {.type = kAbnormalUsage});
  return Verdict::kAnswered;
}

void Authentication::tell_backend(Request& request, const Identity& identity) const {
  request.identity().consumer_ns = ns_;
  auto& fields = request.head().fields;
  auto& arena = request.arena();
  const auto is_text = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
  };
  if (identity.consumer != nullptr) {
    const auto& consumer = *identity.consumer;
    if (!consumer.id().empty()) fields.push_back({"x-consumer-id", consumer.id()});
    fields.push_back({"x-consumer-username", consumer.username()});
    if (!consumer.custom_id().empty()) fields.push_back({"x-consumer-custom-id", consumer.custom_id()});
    if (consumer.groups().size() == 1) {
      fields.push_back({"x-consumer-groups", consumer.groups().front()});
    } else if (!consumer.groups().empty()) {
      std::string groups;
      for (const auto& group : consumer.groups()) groups.append(groups.empty() ? "" : ", ").append(group);
      fields.push_back({"x-consumer-groups", arena.copy(groups)});
    }
  }
  const auto credential = settings_.tells_id ? identity.credential_id : identity.credential;
  if (!credential.empty() && is_text(credential)) fields.push_back({"x-credential-identifier", credential});
  if (!identity.authenticated) fields.push_back({"x-anonymous-consumer", "true"});
}

/// The last word is that of the last, by the order of Kong's plugins; others stay behind them.
void order_methods(std::vector<AuthMethodPtr>& methods) {
  constexpr std::string_view kOrder[] = {"jwt", "apiKey", "basic", "hmac"};
  std::ranges::stable_sort(methods, {}, [&](const AuthMethodPtr& method) {
    return std::ranges::find(kOrder, method->name()) - std::begin(kOrder);
  });
}

}  // namespace

std::set<std::string> identity_headers(const model::Authentication& settings) {
  std::set<std::string> out(std::begin(kIdentityHeaders), std::end(kIdentityHeaders));
  const auto take = [&](const model::ClaimUse& use) {
    for (const auto& entry : use.claims_to_headers) out.insert(entry.header);
  };
  if (settings.jwt) std::ranges::for_each(settings.jwt->issuers, take);
  if (settings.introspection) take(*settings.introspection);
  if (settings.login) take(*settings.login);
  return out;
}

FilterPtr make_identity_guard(const std::set<std::string>& headers) { return std::make_shared<IdentityGuard>(headers); }

FilterPtr make_identity_guard(const std::set<std::string>& headers, FilterPtr next) {
  return std::make_shared<GuardedAuthentication>(headers, std::move(next));
}

FilterPtr make_authentication(const model::Authentication& settings, Context& context) {
  const auto store = context.stores.get<auth::DirectoryStore>(auth::DirectoryStore::kName,
                                                              [] { return std::make_shared<auth::DirectoryStore>(); });
  const auto directories = store->directories(context.ns);
  using Mode = model::Authentication::Mode;
  // Where one of the two is enough, a token's form says whose it is; where both are asked for, both see it.
  const bool parts = settings.jwt && settings.introspection && settings.mode == model::Authentication::Mode::kAny;
  // Those that know at once go first; who has nothing at all is sent to a login.
  std::vector<AuthMethodPtr> methods;
  if (settings.hmac) methods.push_back(make_hmac_method(*settings.hmac, directories));
  if (settings.signature) methods.push_back(make_signature_method(*settings.signature, directories, context));
  if (settings.api_key) methods.push_back(make_api_key_method(*settings.api_key, directories));
  if (settings.certificate) methods.push_back(make_certificate_method(*settings.certificate, directories));
  if (settings.basic) methods.push_back(make_basic_method(*settings.basic, directories, context));
  if (settings.jwt) {
    auto jwt = make_jwt_method(*settings.jwt, directories, parts, context);
    if (jwt == nullptr) return nullptr;
    methods.push_back(std::move(jwt));
  }
  if (settings.introspection) {
    auto introspection = make_introspection_method(*settings.introspection, directories, parts, context);
    if (introspection == nullptr) return nullptr;
    methods.push_back(std::move(introspection));
  }
  if (settings.login) {
    auto login = make_login_method(*settings.login, directories, !settings.allow_anonymous, context);
    if (login == nullptr) return nullptr;
    methods.push_back(std::move(login));
  }
  if (settings.mode == Mode::kEach) order_methods(methods);
  std::shared_ptr<auth::Failures> failures;
  if (settings.failures.most > 0) {
    const auto window = static_cast<std::uint64_t>(settings.failures.window.count());
    const auto name =
        "auth/failures " + context.policy + ' ' + std::to_string(settings.failures.most) + ' ' + std::to_string(window);
    failures = context.stores.get<auth::Failures>(
        name, [&] { return std::make_shared<auth::Failures>(settings.failures.most, window); });
  }
  auto counters = make_counters(methods, context);
  return std::make_shared<Authentication>(settings, context.ns, directories, std::move(methods), std::move(failures),
                                          std::move(counters));
}

}  // namespace fairlead::filter
