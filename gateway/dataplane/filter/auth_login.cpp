// SPDX-License-Identifier: Apache-2.0
// Logins of browsers by OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core section 3.1, RFC
// 7636).
#include <algorithm>
#include <ctime>

#include "gateway/dataplane/filter/auth_claims.hpp"
#include "gateway/dataplane/filter/auth_login_flow.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"
#include "gateway/dataplane/filter/auth_session.hpp"
#include "gateway/dataplane/filter/secrets.hpp"

namespace fairlead::filter {
namespace {

using auth::Json;
using Purpose = LoginFlow::Purpose;

constexpr std::size_t kMostTarget = 2048;  // bytes that are gone back to
constexpr std::size_t kStateBytes = 16;
constexpr std::size_t kVerifierBytes = 32;
constexpr std::size_t kMostAnswer = 16384;  // bytes of tokens that are kept for requests with the same cookie
constexpr std::int64_t kShortest = 10;  // seconds: no session is refreshed more often

std::int64_t now_seconds() { return std::time(nullptr); }

/// Not views of the attempt, which goes with the answer.
struct LoginWork final : AuthWork {
  LoginWork(const LoginServer& server, Purpose purpose, LoginFlow::Grant grant)
      : flow(server, purpose, std::move(grant)) {}
  bool start(Request& request, std::function<void()> done) override { return flow.start(request, std::move(done)); }

  LoginFlow flow;
  std::optional<LoginTry> login{};    ///< of a code
  std::optional<Session> session{};  ///< of a refresh
  std::string target{};              ///< of a begin
};

/// What an identity points into.
struct Member {
  std::string payload;
  std::optional<Json> claims;
  auth::DirectoryPtr directory;
};

bool has_field(Request& request, std::string_view name, std::string_view part) {
  return std::ranges::any_of(request.head().fields, [&](const http::Field& field) {
    return field.name == name && field.value.find(part) != std::string_view::npos;
  });
}

bool is_safe(Request& request) {
  const auto method = request.head().method;
  return method == http::Method::kGet || method == http::Method::kHead;
}

/// A browser that shows what comes: only it can be sent to another page.
bool is_navigation(Request& request) {
  const auto& fields = request.head().fields;
  const auto* mode = http::find(fields, "sec-fetch-mode");
  return is_safe(request) && has_field(request, "accept", "text/html") &&
         http::find(fields, "x-requested-with") == nullptr && (mode == nullptr || mode->value == "navigate");
}

/// Part of another site's page: no reason to log somebody out.
bool is_embedded(Request& request) {
  const auto& fields = request.head().fields;
  const auto* site = http::find(fields, "sec-fetch-site");
  const auto* mode = http::find(fields, "sec-fetch-mode");
  return site != nullptr && site->value == "cross-site" && mode != nullptr && mode->value != "navigate";
}

std::string target_of(Request& request) {
  const auto& target = request.target();
  std::string out(target.path);
  if (target.has_query) out.append("?").append(target.query);
  return out;
}

std::string local_or_root(std::string target) {
  return target.size() <= kMostTarget && auth::is_local_target(target) ? std::move(target) : "/";
}

/// A query parameter; a second one that differs refuses it.
PlaceValue parameter(Request& request, std::string name) {
  return find_credential(request, {.headers = {}, .query = {std::move(name)}, .cookies = {}});
}

bool is_state(std::string_view text) {
  const auto bytes = auth::decode_base64url(text);
  return bytes && bytes->size() == kStateBytes;
}

class Login final : public AuthMethod {
 public:
  Login(LoginServer server, SessionCookies cookies, DirectoriesPtr directories, bool begins)
      : server_(std::move(server)),
        cookies_(std::move(cookies)),
        directories_(std::move(directories)),
        begins_(begins) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override;
  std::string_view scheme() const override { return {}; }
  std::string_view name() const override { return "login"; }
  void hide(Request& request) const override { cookies_.hide(request); }

 private:
  const model::LoginMethod& settings() const { return server_.settings; }
  std::string base(Request& request) const;
  AuthOutcome begin(Request& request, AuthAttempt& attempt, std::string target) const;
  AuthOutcome take_code(Request& request, AuthAttempt& attempt) const;
  AuthOutcome refresh(AuthAttempt& attempt, Session session) const;
  AuthOutcome log_out(AuthAttempt& attempt) const;

  AuthOutcome go_on(Request& request, AuthAttempt& attempt, LoginWork& work) const;
  AuthOutcome send_to_provider(Request& request, const LoginWork& work) const;
  AuthOutcome bring_back(Request& request, AuthAttempt& attempt, LoginWork& work) const;
  AuthOutcome take_refreshed(Request& request, AuthAttempt& attempt, LoginWork& work) const;
  AuthOutcome send_off(Request& request, const auth::Provider& provider) const;

  AuthOutcome admit(Request& request, AuthAttempt& attempt, const Session& session) const;
  void set_times(Session& session, const auth::TokenAnswer& tokens, std::int64_t now) const;
  static AuthOutcome redirect(Request& request, const std::string& to, http::Fields fields);

  const LoginServer server_;
  const SessionCookies cookies_;
  const DirectoriesPtr directories_;
  const bool begins_;
};

AuthOutcome Login::check(Request& request, AuthAttempt& attempt) const {
  if (attempt.work != nullptr) {
    const auto work = std::move(attempt.work);
    return go_on(request, attempt, static_cast<LoginWork&>(*work));
  }
  const auto path = request.target().path;
  if (path == settings().callback_path) return take_code(request, attempt);
  if (path == settings().logout_path && !is_embedded(request)) return log_out(attempt);
  if (path == settings().login_path && is_navigation(request)) {
    const auto to = parameter(request, "to");
    return begin(request, attempt, to.present && !to.twice ? std::string(to.text) : "/");
  }
  const auto now = now_seconds();
  if (auto session = cookies_.read(request, now)) {
    const bool old = !session->refresh_token.empty() && now >= session->refresh_at;
    return old ? refresh(attempt, std::move(*session)) : admit(request, attempt, *session);
  }
  if (!begins_ || attempt.bad || !is_navigation(request)) return AuthOutcome::kAbsent;
  return begin(request, attempt, target_of(request));
}

/// "https://a.example": what the provider knows us by, and what is gone back to.
std::string Login::base(Request& request) const {
  if (!settings().base_url.empty()) return settings().base_url;
  return std::string(request.head().scheme) + "://" + std::string(request.head().authority);
}

// ---- what has to be asked -------------------------------------------------------------------------------------------

AuthOutcome Login::begin(Request& request, AuthAttempt& attempt, std::string target) const {
  if (request.head().authority.empty()) return AuthOutcome::kAbsent;
  auto work = std::make_unique<LoginWork>(server_, Purpose::kBegin, LoginFlow::Grant{});
  work->target = local_or_root(std::move(target));
  attempt.work = std::move(work);
  return AuthOutcome::kWait;
}

/// The state says whose answer it is: only who began the login has its cookie.
AuthOutcome Login::take_code(Request& request, AuthAttempt& attempt) const {
  const auto state = parameter(request, "state");
  auto login = state.present && !state.twice && is_state(state.text)
                   ? cookies_.read_try(request, state.text, now_seconds())
                   : std::nullopt;
  if (!login)
    return refuse(attempt, "this login is too old or was begun elsewhere: begin it anew", AuthFailure::kExpired);
  const auto issuer = parameter(request, "iss");  // RFC 9207
  if (issuer.present && (issuer.twice || issuer.text != settings().issuer))
    return refuse(attempt, "another provider answered the login", AuthFailure::kIssuer);
  const auto code = parameter(request, "code");
  if (parameter(request, "error").present || !code.present || code.twice || code.text.empty())
    return refuse(attempt, "the provider did not let you in");
  auto work = std::make_unique<LoginWork>(server_, Purpose::kCode,
                                          LoginFlow::Grant{.value = std::string(code.text),
                                                           .verifier = login->verifier,
                                                           .redirect_uri = base(request) + settings().callback_path,
                                                           .nonce = login->nonce,
                                                           .subject = {}});
  work->login = std::move(login);
  attempt.work = std::move(work);
  return AuthOutcome::kWait;
}

AuthOutcome Login::refresh(AuthAttempt& attempt, Session session) const {
  const auto claims = Json::parse(session.claims);
  const auto subject = claims ? claims->string(claims->root(), "sub") : std::nullopt;
  auto work = std::make_unique<LoginWork>(server_, Purpose::kRefresh,
                                          LoginFlow::Grant{.value = session.refresh_token,
                                                           .verifier = {},
                                                           .redirect_uri = {},
                                                           .nonce = session.nonce,
                                                           .subject = std::string(subject.value_or(""))});
  work->session = std::move(session);
  attempt.work = std::move(work);
  return AuthOutcome::kWait;
}

AuthOutcome Login::log_out(AuthAttempt& attempt) const {
  attempt.work = std::make_unique<LoginWork>(server_, Purpose::kLogout, LoginFlow::Grant{});
  return AuthOutcome::kWait;
}

// ---- what came of it ------------------------------------------------------------------------------------------------

AuthOutcome Login::go_on(Request& request, AuthAttempt& attempt, LoginWork& work) const {
  using End = LoginFlow::End;
  const auto& flow = work.flow;
  attempt.unavailable = "login_unavailable";
  // Cookies go, whether the provider can be reached or not.
  if (flow.purpose == Purpose::kLogout) return send_off(request, flow.provider);
  if (flow.purpose == Purpose::kRefresh) return take_refreshed(request, attempt, work);
  if (flow.end == End::kUnavailable) return AuthOutcome::kUnavailable;
  if (flow.end == End::kRefused) return refuse(attempt, flow.why);
  return flow.purpose == Purpose::kBegin ? send_to_provider(request, work) : bring_back(request, attempt, work);
}

AuthOutcome Login::send_to_provider(Request& request, const LoginWork& work) const {
  const LoginTry one{.state = auth::random_text(kStateBytes),
                     .nonce = auth::random_text(kStateBytes),
                     .verifier = auth::random_text(kVerifierBytes),
                     .target = work.target,
                     .ends = now_seconds() + SessionCookies::kTrySeconds};
  std::string scopes;
  for (const auto& scope : settings().scopes) scopes.append(scopes.empty() ? "" : " ").append(scope);
  const auto& at = work.flow.provider.authorization;
  const auto query = auth::encode_form({{"response_type", "code"},
                                        {"client_id", settings().client.id},
                                        {"redirect_uri", base(request) + settings().callback_path},
                                        {"scope", scopes},
                                        {"state", one.state},
                                        {"nonce", one.nonce},
                                        {"code_challenge", auth::code_challenge(one.verifier)},
                                        {"code_challenge_method", "S256"}});
  http::Fields fields;
  cookies_.write_try(request, one, fields);
  return redirect(request, at + (at.find('?') == std::string::npos ? '?' : '&') + query, std::move(fields));
}

AuthOutcome Login::bring_back(Request& request, AuthAttempt& attempt, LoginWork& work) const {
  const auto& flow = work.flow;
  const auto now = now_seconds();
  Session session{.claims = std::string(flow.id_token->payload()),
                  .refresh_token = flow.tokens.refresh_token,
                  .nonce = work.login->nonce,
                  .ends = now + settings().session_lifetime.count() / 1000};
  if (!has_required_claims(flow.id_token->claims(), settings()))
    return refuse(attempt, auth::sentence_of(auth::TokenError::kClaims), AuthFailure::kClaims);
  set_times(session, flow.tokens, now);
  http::Fields fields;
  cookies_.clear_try(request, *work.login, fields);
  if (!cookies_.write(request, session, now, fields)) return refuse(attempt, "the session is too large for cookies");
  return redirect(request, base(request) + local_or_root(work.login->target), std::move(fields));
}

/// A provider that does not answer ends no session before its time; one that refuses does.
AuthOutcome Login::take_refreshed(Request& request, AuthAttempt& attempt, LoginWork& work) const {
  const auto& flow = work.flow;
  auto& session = *work.session;
  const auto now = now_seconds();
  if (flow.end == LoginFlow::End::kUnavailable)
    return now < session.fresh_until ? admit(request, attempt, session) : AuthOutcome::kUnavailable;
  if (flow.end == LoginFlow::End::kRefused) {
    attempt.why = "the session has ended";
    if (!begins_ || attempt.bad || !is_navigation(request)) return AuthOutcome::kAbsent;
    return begin(request, attempt, target_of(request));
  }
  if (flow.id_token != nullptr) session.claims = flow.id_token->payload();
  if (!flow.tokens.refresh_token.empty()) session.refresh_token = flow.tokens.refresh_token;
  set_times(session, flow.tokens, now);
  if (!cookies_.write(request, session, now, attempt.answer_fields))
    return refuse(attempt, "the session is too large for cookies");
  return admit(request, attempt, session);
}

AuthOutcome Login::send_off(Request& request, const auth::Provider& provider) const {
  http::Fields fields;
  cookies_.clear(request, fields);
  auto to = base(request) + settings().after_logout;
  const auto& at = provider.end_session;
  if (!at.empty())
    to = at + (at.find('?') == std::string::npos ? '?' : '&') +
         auth::encode_form({{"client_id", settings().client.id}, {"post_logout_redirect_uri", to}});
  return redirect(request, to, std::move(fields));
}

AuthOutcome Login::admit(Request& request, AuthAttempt& attempt, const Session& session) const {
  auto member = std::make_shared<Member>(session.claims, std::nullopt, directories_->current());
  member->claims = Json::parse(member->payload);
  if (!member->claims || !has_required_claims(*member->claims, settings()))
    return refuse(attempt, auth::sentence_of(auth::TokenError::kClaims), AuthFailure::kClaims);
  const auto& claims = *member->claims;
  auto& arena = request.arena();
  for (const auto& [name, value] : claim_headers(claims, settings()))
    attempt.headers.push_back({name, arena.copy(value)});
  const auto subject = claims.string(claims.root(), "sub").value_or("");
  Identity identity{.consumer = claimed_consumer(claims, settings(), *member->directory),
                    .credential = arena.copy(settings().issuer + '/' + std::string(subject)),
                    .subject = subject,
                    .claims = member->payload,
                    .authenticated = true};
  if (identity.consumer == nullptr && !settings().consumer_claim.empty()) attempt.names_nobody = true;
  identity.hold = std::move(member);
  return accept(attempt, std::move(identity));
}

void Login::set_times(Session& session, const auth::TokenAnswer& tokens, std::int64_t now) const {
  if (session.refresh_token.empty()) return;
  const auto longest = session.ends - now;
  const auto life = std::clamp(tokens.expires_in.value_or(longest), kShortest, std::max(longest, kShortest));
  session.refresh_at = now + life * 4 / 5;  // so that an outage has to be longer than the rest to be seen
  session.fresh_until = now + life;
}

AuthOutcome Login::redirect(Request& request, const std::string& to, http::Fields fields) {
  fields.insert(fields.begin(), {{"location", request.arena().copy(to)}, {"cache-control", "no-store"}});
  request.answer({.status = 302, .fields = std::move(fields), .flagged = false, .details = "login"});
  return AuthOutcome::kAnswered;
}

}  // namespace

AuthMethodPtr make_login_method(const model::LoginMethod& settings, DirectoriesPtr directories, bool begins,
                                Context& context) {
  const auto fault = [&](std::string text) { context.faults.push_back("login: " + std::move(text)); };
  const auto number = context.cluster(settings.backend);
  if (!number) fault("backendRef names no Service that may be used");
  auto secret = settings.client.secret_ref ? secret_line(*settings.client.secret_ref, context) : settings.client.secret;
  if (!secret) fault("client: " + secret.error().message);
  std::vector<std::string> texts;
  for (const auto& ref : settings.cookie_keys) {
    auto text = secret_line(ref, context);
    if (text) texts.push_back(std::move(*text));
    else fault("cookies: " + text.error().message);
  }
  auto keys = auth::SealKeys::make(texts);
  if (!keys && texts.size() == settings.cookie_keys.size()) fault("cookies: " + keys.error().message);
  if (!context.faults.empty()) return nullptr;
  if (!begins && settings.login_path.empty())
    context.remarks.emplace_back("login: with anonymous.allow and without loginPath nothing begins a login");
  LoginServer server{.settings = settings, .secret = std::move(*secret), .cluster = *number};
  server.host = settings.host.empty() ? auth::split_url(settings.issuer)->authority : settings.host;
  // The names say all that answers depend on, so that policies that ask the same share them.
  const auto name = context.ns + '/' + settings.backend.ref.ns + '/' + settings.backend.ref.name + ':' +
                    std::to_string(settings.backend.port) + ' ' + server.host + ' ' + settings.issuer + ' ' +
                    settings.client.id + ' ' + (settings.endpoints ? settings.endpoints->jwks : "");
  server.answers = context.stores.get<auth::SharedAnswers>(
      "auth/login " + name, [] { return std::make_shared<auth::SharedAnswers>(kMostAnswer); });
  server.keys = context.stores.get<auth::RemoteKeys>("auth/login-jwks " + name, [] {
    constexpr std::uint64_t kCached = 300'000;  // ms
    const auto macs =
        auth::bit(auth::Algorithm::kHs256) | auth::bit(auth::Algorithm::kHs384) | auth::bit(auth::Algorithm::kHs512);
    return std::make_shared<auth::RemoteKeys>(kCached, auth::kAllAlgorithms & ~macs);  // a secret is in no public set
  });
  return std::make_unique<Login>(std::move(server), SessionCookies(settings, std::move(*keys)), std::move(directories),
                                 begins);
}

}  // namespace fairlead::filter
