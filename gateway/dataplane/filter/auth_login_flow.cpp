// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_login_flow.hpp"

#include <ctime>
#include <utility>

namespace fairlead::filter {
namespace {

constexpr std::uint64_t kDiscoveryLife = 300'000;  // ms
/// A browser's requests at one time use the same code or refresh token, which a provider takes but once.
constexpr std::uint64_t kGrantLife = 60'000;
constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

/// The issuer's path, without a '/' at its end.
std::string path_of(const std::string& issuer) {
  std::string out(auth::split_url(issuer)->path);
  if (out.ends_with('/')) out.pop_back();
  return out;
}

std::uint64_t worth_of_tokens(const auth::ServerAnswer& answer) {
  const bool refused = answer.status == 400 && !auth::error_of(answer.body).empty();
  return refused || (answer.status == 200 && auth::parse_token_answer(answer.body)) ? kGrantLife : 0;
}

}  // namespace

bool LoginFlow::start(Request& request, std::function<void()> done) {
  request_ = &request;
  done_ = std::move(done);
  return advance();
}

bool LoginFlow::advance() {
  while (stage_ != Stage::kOver) {
    step_ = make_step();
    if (step_ != nullptr && step_->start(*request_, [this] { on_step(); })) return true;
    take_step();
  }
  return false;
}

void LoginFlow::on_step() {
  take_step();
  if (advance()) return;
  const auto call = std::move(done_);  // it may destroy this
  call();
}

/// Null: there is nothing to wait for.
std::unique_ptr<AuthWork> LoginFlow::make_step() {
  switch (stage_) {
    case Stage::kProvider: return server_.settings.endpoints ? nullptr : discovery();
    case Stage::kTokens: return exchange();
    case Stage::kKeys:
      return std::make_unique<KeyWork>(KeySource{.keys = server_.keys,
                                                 .cluster = server_.cluster,
                                                 .host = server_.host,
                                                 .path = provider.jwks_path,
                                                 .timeout = server_.settings.timeout},
                                       id_token->key_id());
    case Stage::kOver: break;
  }
  return nullptr;
}

void LoginFlow::take_step() {
  switch (stage_) {
    case Stage::kProvider: stage_ = take_provider(); break;
    case Stage::kTokens: stage_ = take_tokens(); break;
    case Stage::kKeys: stage_ = take_keys(); break;
    case Stage::kOver: break;
  }
}

LoginFlow::Stage LoginFlow::over(End how, std::string_view sentence) {
  end = how;
  why = sentence;
  return Stage::kOver;
}

std::unique_ptr<AuthWork> LoginFlow::discovery() const {
  const auto& issuer = server_.settings.issuer;
  return std::make_unique<AskWork>(server_.answers, auth::sha256({"discovery\n", issuer}),
                                   Question{.cluster = server_.cluster,
                                            .host = server_.host,
                                            .path = path_of(issuer) + std::string(kDiscovery),
                                            .timeout = server_.settings.timeout},
                                   [&issuer](const auth::ServerAnswer& answer) {
                                     const bool good =
                                         answer.status == 200 && auth::parse_provider(answer.body, issuer);
                                     return good ? kDiscoveryLife : 0;
                                   });
}

LoginFlow::Stage LoginFlow::take_provider() {
  if (const auto& set = server_.settings.endpoints) {
    provider = {.authorization = set->authorization,
                .end_session = set->end_session,
                .token_path = set->token,
                .jwks_path = set->jwks};
  } else {
    const auto& answer = static_cast<const AskWork&>(*step_).answer;
    if (answer == nullptr) return over(End::kUnavailable);
    provider = std::move(*auth::parse_provider(answer->body, server_.settings.issuer));
  }
  return asks_tokens() ? Stage::kTokens : over(End::kGood);
}

std::unique_ptr<AuthWork> LoginFlow::exchange() const {
  const auto& client = server_.settings.client;
  const bool code = purpose == Purpose::kCode;
  Question question{.cluster = server_.cluster,
                    .host = server_.host,
                    .path = provider.token_path,
                    .timeout = server_.settings.timeout};
  question.form = code ? auth::encode_form({{"grant_type", "authorization_code"},
                                            {"code", grant_.value},
                                            {"redirect_uri", grant_.redirect_uri},
                                            {"code_verifier", grant_.verifier}})
                       : auth::encode_form({{"grant_type", "refresh_token"}, {"refresh_token", grant_.value}});
  const bool basic = client.way == model::OauthClient::Way::kBasic && !client.is_public();
  if (basic) question.authorization = auth::basic_authorization(client.id, server_.secret);
  else question.form += '&' + auth::encode_form({{"client_id", client.id}});
  if (!basic && !client.is_public()) question.form += '&' + auth::encode_form({{"client_secret", server_.secret}});
  const auto digest = auth::sha256({code ? "code\n" : "refresh\n", grant_.value, "\n", grant_.verifier});
  return std::make_unique<AskWork>(server_.answers, digest, std::move(question), worth_of_tokens);
}

LoginFlow::Stage LoginFlow::take_tokens() {
  const auto& answer = static_cast<const AskWork&>(*step_).answer;
  if (answer == nullptr) return over(End::kUnavailable);
  if (answer->status != 200) {
    // Of our own client the browser's user is not to blame.
    const bool grant = auth::error_of(answer->body) == "invalid_grant";
    return grant ? over(End::kRefused, "the provider did not accept the login") : over(End::kUnavailable);
  }
  tokens = std::move(*auth::parse_token_answer(answer->body));
  if (tokens.id_token.empty()) return purpose == Purpose::kRefresh ? over(End::kGood) : over(End::kUnavailable);
  auth::TokenError error{};
  id_token = auth::Token::parse(tokens.id_token, error);
  return id_token != nullptr ? Stage::kKeys : over(End::kRefused, auth::sentence_of(error));
}

LoginFlow::Stage LoginFlow::take_keys() {
  const auto& keys = static_cast<const KeyWork&>(*step_).keys;
  if (keys == nullptr) return over(End::kUnavailable);
  auto error = id_token->signed_by(*keys);
  const auto& settings = server_.settings;
  if (error == auth::TokenError::kNone)
    error = auth::check_id_token(*id_token,
                                 {.issuer = settings.issuer,
                                  .client_id = settings.client.id,
                                  .nonce = grant_.nonce,
                                  .needs_nonce = purpose == Purpose::kCode,
                                  .skew = settings.clock_skew.count() / 1000},
                                 std::time(nullptr));
  if (error != auth::TokenError::kNone) return over(End::kRefused, auth::sentence_of(error));
  if (purpose == Purpose::kRefresh && id_token->subject() != grant_.subject)
    return over(End::kRefused, "the provider answered for somebody else");
  return over(End::kGood);
}

}  // namespace fairlead::filter
