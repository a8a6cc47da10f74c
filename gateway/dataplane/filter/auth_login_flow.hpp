// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fairlead/auth/jwt.hpp"
#include "fairlead/auth/oauth.hpp"
#include "gateway/dataplane/filter/auth_ask.hpp"
#include "gateway/dataplane/filter/auth_keys.hpp"

namespace fairlead::filter {

/// How a provider is reached. Immutable but for what is remembered of its answers. Owner: a method.
struct LoginServer {
  model::LoginMethod settings;
  std::string secret{};  ///< of the client; empty: a public one
  std::string host{};
  std::uint32_t cluster = 0;
  AskWork::Answers answers{};
  std::shared_ptr<auth::RemoteKeys> keys{};
};

/// What a provider has to be asked for one request: where its parts are, tokens, keys; one after the other. Owner: an
/// attempt. Thread: the worker's.
class LoginFlow final : public AuthWork {
 public:
  enum class Purpose : std::uint8_t { kBegin, kCode, kRefresh, kLogout };
  enum class End : std::uint8_t {
    kGood,
    kRefused,      ///< by the provider, or its token is not what it must be: `why`
    kUnavailable,  ///< no answer, or rubbish
  };
  /// What tokens are asked by: a code with its verifier and the redirect_uri, or a refresh token.
  struct Grant {
    std::string value{};
    std::string verifier{};
    std::string redirect_uri{};
    std::string nonce{};    ///< that the ID token must have
    std::string subject{};  ///< of a refresh: that it must have
  };

  LoginFlow(const LoginServer& server, Purpose why_asked, Grant grant)
      : purpose(why_asked), server_(server), grant_(std::move(grant)) {}
  LoginFlow(const LoginFlow&) = delete;
  LoginFlow& operator=(const LoginFlow&) = delete;

  bool start(Request& request, std::function<void()> done) override;

  const Purpose purpose;
  End end = End::kGood;
  std::string_view why{};  ///< a sentence; a literal
  auth::Provider provider{};
  auth::TokenAnswer tokens{};  ///< with kCode and kRefresh
  auth::TokenPtr id_token{};   ///< verified; null where a refresh gave none

 private:
  enum class Stage : std::uint8_t { kProvider, kTokens, kKeys, kOver };

  [[nodiscard]] bool asks_tokens() const { return purpose == Purpose::kCode || purpose == Purpose::kRefresh; }
  bool advance();  ///< true: it waits
  void on_step();
  std::unique_ptr<AuthWork> make_step();
  void take_step();
  std::unique_ptr<AuthWork> discovery() const;
  std::unique_ptr<AuthWork> exchange() const;
  Stage take_provider();
  Stage take_tokens();
  Stage take_keys();
  Stage over(End how, std::string_view sentence = {});

  const LoginServer& server_;
  const Grant grant_;
  Request* request_ = nullptr;
  std::function<void()> done_;
  Stage stage_ = Stage::kProvider;
  std::unique_ptr<AuthWork> step_;
};

}  // namespace fairlead::filter
