// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/auth_session.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fairlead/auth/digest.hpp"
#include "gateway/dataplane/filter/auth_places.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kStateInName = 8;

std::int64_t number_of(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

model::CredentialPlaces cookie(std::string name) { return {.headers = {}, .query = {}, .cookies = {std::move(name)}}; }

std::string piece_name(const std::string& name, std::size_t piece) {
  return piece == 0 ? name : name + '-' + std::to_string(piece);
}

}  // namespace

SessionCookies::SessionCookies(const model::LoginMethod& settings, auth::SealKeys keys)
    : keys_(std::move(keys)),
      name_((settings.secure_cookies ? "__Host-" : "") + settings.cookie_name),
      tries_(name_ + "-login-"),
      binding_('\n' + settings.issuer + '\n' + settings.client.id),
      attributes_(settings.secure_cookies ? "; Path=/; Secure; HttpOnly; SameSite=Lax"
                                          : "; Path=/; HttpOnly; SameSite=Lax") {
  for (std::size_t i = 0; i < kMostPieces; ++i) pieces_.push_back(cookie(piece_name(name_, i)));
}

/// The first piece begins with their number.
std::optional<std::string> SessionCookies::joined(Request& request) const {
  const auto first = find_credential(request, pieces_[0]);
  if (first.twice || first.text.size() < 2 || first.text[1] != '.') return std::nullopt;
  const auto count = static_cast<std::size_t>(first.text[0] - '0');
  if (count < 1 || count > kMostPieces) return std::nullopt;
  std::string out(first.text.substr(2));
  for (std::size_t i = 1; i < count; ++i) {
    const auto piece = find_credential(request, pieces_[i]);
    if (!piece.present || piece.twice) return std::nullopt;
    out += piece.text;
  }
  if (out.size() > kMostPieces * kPiece) return std::nullopt;
  return out;
}

std::optional<Session> SessionCookies::read(Request& request, std::int64_t now) const {
  const auto sealed = joined(request);
  const auto packed = sealed ? keys_.open(*sealed, context(name_)) : std::nullopt;
  const auto parts = packed ? auth::unpack(*packed, 6) : std::nullopt;
  if (!parts) return std::nullopt;
  const auto& p = *parts;
  Session out{.claims = std::string(p[0]),
              .refresh_token = std::string(p[1]),
              .nonce = std::string(p[2]),
              .ends = number_of(p[3]),
              .refresh_at = number_of(p[4]),
              .fresh_until = number_of(p[5])};
  if (now >= out.ends) return std::nullopt;
  return out;
}

bool SessionCookies::write(Request& request, const Session& session, std::int64_t now, http::Fields& out) const {
  const auto packed = auth::pack({session.claims, session.refresh_token, session.nonce, std::to_string(session.ends),
                                  std::to_string(session.refresh_at), std::to_string(session.fresh_until)});
  // The last piece has room for less, so that the first has some for their number.
  const auto sealed = packed.size() < kMostPieces * kPiece ? keys_.seal(packed, context(name_)) : std::string();
  const auto count = (sealed.size() + 2 + kPiece - 1) / kPiece;
  if (sealed.empty() || count > kMostPieces) return false;
  const auto text = std::to_string(count) + '.' + sealed;
  for (std::size_t i = 0; i < count; ++i)
    put(request, piece_name(name_, i), std::string_view(text).substr(i * kPiece, kPiece), session.ends - now, out);
  for (auto i = count; i < kMostPieces; ++i)  // of a longer one before
    if (find_credential(request, pieces_[i]).present) expire(request, piece_name(name_, i), out);
  return true;
}

void SessionCookies::clear(Request& request, http::Fields& out) const {
  for (std::size_t i = 0; i < kMostPieces; ++i)
    if (i == 0 || find_credential(request, pieces_[i]).present) expire(request, piece_name(name_, i), out);
}

std::string SessionCookies::try_name(std::string_view state) const {
  return tries_ + std::string(state.substr(0, kStateInName));
}

std::optional<LoginTry> SessionCookies::read_try(Request& request, std::string_view state, std::int64_t now) const {
  const auto name = try_name(state);
  const auto found = find_credential(request, cookie(name));
  const auto packed = found.present && !found.twice ? keys_.open(found.text, context(name)) : std::nullopt;
  const auto parts = packed ? auth::unpack(*packed, 5) : std::nullopt;
  if (!parts) return std::nullopt;
  const auto& p = *parts;
  LoginTry out{.state = std::string(p[0]),
               .nonce = std::string(p[1]),
               .verifier = std::string(p[2]),
               .target = std::string(p[3]),
               .ends = number_of(p[4])};
  if (now >= out.ends || !auth::equal_constant_time(out.state, state)) return std::nullopt;
  return out;
}

void SessionCookies::write_try(Request& request, const LoginTry& one, http::Fields& out) const {
  auto around = cookie_names(request, tries_);
  if (around.size() >= kMostTries) {
    around.resize(std::min(around.size(), 2 * kMostTries));  // more than we made are somebody's play
    for (const auto name : around) expire(request, name, out);
  }
  const auto name = try_name(one.state);
  const auto packed = auth::pack({one.state, one.nonce, one.verifier, one.target, std::to_string(one.ends)});
  put(request, name, keys_.seal(packed, context(name)), kTrySeconds, out);
}

void SessionCookies::clear_try(Request& request, const LoginTry& one, http::Fields& out) const {
  expire(request, try_name(one.state), out);
}

void SessionCookies::put(Request& request, std::string_view name, std::string_view value, std::int64_t seconds,
                         http::Fields& out) const {
  std::string text(name);
  text.append("=").append(value).append(attributes_).append("; Max-Age=").append(std::to_string(seconds));
  out.push_back({"set-cookie", request.arena().copy(text)});
}

void SessionCookies::hide(Request& request) const {
  model::CredentialPlaces ours{.headers = {}, .query = {}, .cookies = {name_}};
  for (const auto name : cookie_names(request, name_ + '-')) ours.cookies.emplace_back(name);
  remove_credential(request, ours);
}

}  // namespace fairlead::filter
