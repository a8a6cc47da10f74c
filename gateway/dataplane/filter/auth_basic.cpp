// SPDX-License-Identifier: Apache-2.0
// Basic (RFC 7617).
#include "fairlead/auth/password.hpp"
#include "fairlead/auth/password_checks.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"

namespace fairlead::filter {
namespace {

using Answer = auth::PasswordChecks::Answer;

/// A check that takes milliseconds.
class PasswordWork final : public AuthWork {
 public:
  PasswordWork(auth::PasswordChecks& checks, std::string_view password, std::string hash)
      : checks_(checks), password_(password), hash_(std::move(hash)) {}
  ~PasswordWork() override {
    if (waiter_ != nullptr) waiter_->cancel();
  }
  PasswordWork(const PasswordWork&) = delete;
  PasswordWork& operator=(const PasswordWork&) = delete;

  bool start(Request& request, std::function<void()> done) override {
    waiter_ = std::make_shared<auth::Waiter>(request.reactor(), [this, done = std::move(done)](bool right) {
      answer = right ? Answer::kRight : Answer::kWrong;
      const auto call = done;  // it may destroy this
      call();
    });
    answer = checks_.check(password_, hash_, waiter_);
    return answer == Answer::kWait;
  }

  Answer answer = Answer::kWait;

 private:
  auth::PasswordChecks& checks_;
  const std::string password_;
  const std::string hash_;
  std::shared_ptr<auth::Waiter> waiter_;
};

class Basic final : public AuthMethod {
 public:
  Basic(const model::BasicMethod& settings, DirectoriesPtr directories, std::shared_ptr<auth::PasswordChecks> checks)
      : settings_(settings), directories_(std::move(directories)), checks_(std::move(checks)) {}

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override {
    const auto value = find(request);
    const auto encoded = value.present ? behind_scheme(value.text, "basic") : std::nullopt;
    if (!encoded) return AuthOutcome::kAbsent;
    if (value.twice) return refuse(attempt, "more than one Authorization header was sent", AuthFailure::kDuplicate);
    const auto pair = encoded->size() > kMostEncoded ? std::nullopt : auth::decode_base64(*encoded);
    const auto colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) return refuse(attempt, "the credentials are malformed", AuthFailure::kMalformed);
    auto directory = directories_->current();
    const auto name = std::string_view(*pair).substr(0, colon);
    const auto* credential = directory->find(auth::CredentialKind::kBasic, auth::lookup_of(name));
    if (credential == nullptr) return refuse(attempt, kWrong, AuthFailure::kUnknown);
    const auto answer =
        answer_of(attempt, std::string_view(*pair).substr(colon + 1), auth::details_of(*credential)->material);
    if (answer == Answer::kWait) return AuthOutcome::kWait;
    if (answer == Answer::kBusy) return AuthOutcome::kUnavailable;
    if (answer == Answer::kWrong) return refuse(attempt, kWrong);
    return accept(attempt, {.consumer = &credential->consumer(),
                            .credential = request.arena().copy(auth::credential_name(*credential)),
                            .credential_id = auth::credential_id(*credential),
                            .subject = request.arena().copy(name),
                            .claims = {},
                            .authenticated = true,
                            .hold = std::move(directory)});
  }
  std::string_view scheme() const override { return "Basic"; }
  std::string_view realm() const override { return settings_.realm; }
  std::string_view name() const override { return "basic"; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials) remove_authorizations(request, "basic");
  }

 private:
  /// The first of that scheme.
  static PlaceValue find(Request& request) {
    for (const auto name : kAuthorizationFields)
      if (const auto value = authorization(request, name); value.present && behind_scheme(value.text, "basic"))
        return value;
    return {};
  }

  static constexpr std::size_t kMostEncoded = 2048;
  static constexpr std::string_view kWrong =
      "the user name or the password is wrong";  // which one is nobody's business

  Answer answer_of(AuthAttempt& attempt, std::string_view password, const std::string& hash) const {
    if (attempt.work != nullptr) {
      const auto answer = static_cast<const PasswordWork&>(*attempt.work).answer;
      attempt.work.reset();
      return answer;
    }
    if (const auto known = checks_->remembered(password, hash)) return *known;
    attempt.work = std::make_unique<PasswordWork>(*checks_, password, hash);
    return Answer::kWait;
  }

  const model::BasicMethod settings_;
  const DirectoriesPtr directories_;
  const std::shared_ptr<auth::PasswordChecks> checks_;
};

}  // namespace

AuthMethodPtr make_basic_method(const model::BasicMethod& settings, DirectoriesPtr directories, Context& context) {
  auto checks = context.stores.get<auth::PasswordChecks>("auth/passwords",
                                                         [] { return std::make_shared<auth::PasswordChecks>(); });
  return std::make_unique<Basic>(settings, std::move(directories), std::move(checks));
}

}  // namespace fairlead::filter
