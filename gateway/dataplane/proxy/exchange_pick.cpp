// SPDX-License-Identifier: Apache-2.0
// Which backend a request goes to, for how long, and who else gets a copy.
#include <algorithm>
#include <chrono>

#include "fairlead/http/cookies.hpp"
#include "fairlead/route/query.hpp"
#include "fairlead/upstream/hash.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

std::uint64_t unix_seconds() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

std::uint64_t count_of(milliseconds time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

constexpr int kMostSessionCookies = 8;

/// The first good session among the cookies of the rule's name: other rules may have given some, for other paths.
upstream::Session session_of(const upstream::SessionReferences& references, const SessionRule& rule,
                             const http::Fields& fields) {
  upstream::Session first;
  int left = kMostSessionCookies;
  for (const auto& field : fields) {
    if (field.name != "cookie") continue;
    for (auto rest = field.value; const auto cookie = http::next_cookie(rest);) {
      if (cookie->name != rule.spec.name || !cookie->value) continue;
      const auto text = upstream::unquoted(*cookie->value);
      const auto found = upstream::read_session(references, rule.spec, text, rule.scope, unix_seconds());
      if (found.state == upstream::SessionState::kValid) return found;
      if (first.state == upstream::SessionState::kNone) first = found;
      if (--left == 0) return first;
    }
  }
  return first;
}

}  // namespace

upstream::Begun Exchange::begin_try() {
  upstream::PickRequest request{.tried = {&tried_, tried_ != nullptr ? 1U : 0U}};
  const auto policy = cluster_->spec().balancing.policy;
  if (policy == upstream::Balancing::kMaglev || policy == upstream::Balancing::kRingHash) hash_request(request);
  if (session_.state != upstream::SessionState::kValid) return cluster_->begin(request, is_retry_);
  return cluster_->begin_persistent(session_.reference.endpoint, request, is_retry_);
}

void Exchange::hash_request(upstream::PickRequest& request) const {
  const auto& spec = cluster_->spec().balancing;
  auto text = hashed_text(spec.hash_by, spec.hash_name);
  if (text.empty() && spec.hash_fallback) text = hashed_text(*spec.hash_fallback, spec.hash_fallback_name);
  request.has_hash = !text.empty();
  if (request.has_hash) request.hash = upstream::hash64(text);
}

/// Empty: the request has none of it.
std::string_view Exchange::hashed_text(upstream::HashBy by, std::string_view name) const {
  std::string_view text;
  switch (by) {
    case upstream::HashBy::kSourceAddress: {
      const auto& raw = client_address_.raw();
      text = {reinterpret_cast<const char*>(&raw), sizeof raw};
      break;
    }
    case upstream::HashBy::kHeader:
      if (const auto* field = http::find(head_.fields, name)) text = field->value;
      break;
    case upstream::HashBy::kCookie: text = upstream::find_cookie(head_.fields, name); break;
    case upstream::HashBy::kQueryParameter:
      text = route::find_query(target_.query, name).value_or(std::string_view());
      break;
    case upstream::HashBy::kPath: text = matched_path_; break;
  }
  return text;
}

/// The session that the client brings; it chooses among the rule's backends before their weights do.
void Exchange::read_session() {
  if (worker_.references() == nullptr) return;
  const auto& rule = *action_->extras->session;
  if (rule.spec.kind == upstream::Persistence::kCookie)
    session_ = session_of(*worker_.references(), rule, head_.fields);
  else if (const auto* field = http::find(head_.fields, rule.spec.name))
    session_ = upstream::read_session(*worker_.references(), rule.spec, field->value, rule.scope, unix_seconds());
  if (session_.state != upstream::SessionState::kValid) return;
  for (const auto& backend : action_->backends) {
    if (backend.cluster == WeightedBackend::kInvalid) continue;
    auto* cluster = worker_.cluster(generation_, backend.cluster);
    if (cluster == nullptr || cluster->find(session_.reference.endpoint) == nullptr) continue;
    target_backend_ = &backend;
    cluster_number_ = backend.cluster;
    return;
  }
}

/// Tells the client its session where it has none, or its backend could not serve it.
void Exchange::start_session(http::ResponseHead& head) {
  if (worker_.references() == nullptr || backend_ == nullptr) return;
  const auto& at = backend_->endpoint().address;
  const bool valid = session_.state == upstream::SessionState::kValid;
  const auto& known = session_.reference.endpoint;
  if (valid && known.port == at.port && known.address == at.address) return;
  const auto& rule = *action_->extras->session;
  const auto now = unix_seconds();
  const upstream::SessionReference reference{.endpoint = at, .started_s = valid ? session_.reference.started_s : now};
  const auto text = worker_.references()->make(reference, rule.scope);
  if (!text) return;
  if (rule.spec.kind == upstream::Persistence::kHeader)
    return head.fields.push_back({rule.spec.name, arena_.copy(*text)});
  const bool secure = listener_->kind == ListenerKind::kHttps;
  head.fields.push_back(
      {"set-cookie", arena_.copy(upstream::session_cookie(rule.spec, *text, reference.started_s, now, secure))});
}

const upstream::RetrySpec& Exchange::retry_spec() const {
  return action_->extras->retry != nullptr ? *action_->extras->retry : cluster_->spec().retry;
}

void Exchange::arm_request_timeout() {
  auto limit = count_of(action_->extras->request_timeout);
  if (!action_->extras->says_request_timeout)
    if (const auto* cluster = worker_.cluster(generation_, cluster_number_))
      limit = count_of(cluster->spec().timeouts.request);
  if (limit > 0) worker_.reactor().timers().arm(request_alarm_, worker_.reactor().now_ms() + limit);
}

void Exchange::arm_try_timeout() {
  const auto of_rule = count_of(action_->extras->backend_timeout);
  const auto of_retry = count_of(retry_spec().per_try_timeout);
  const auto limit = of_rule == 0 ? of_retry : of_retry == 0 ? of_rule : std::min(of_rule, of_retry);
  if (limit > 0) worker_.reactor().timers().arm(try_alarm_, worker_.reactor().now_ms() + limit);
}

void Exchange::arm_idle_timeout() {
  idle_ms_ = count_of(cluster_->spec().timeouts.idle);
  moved();
  if (idle_ms_ > 0) worker_.reactor().timers().arm(idle_alarm_, moved_ms_ + idle_ms_);
}

void Exchange::moved() {
  if (idle_ms_ > 0) moved_ms_ = worker_.reactor().now_ms();
}

void Exchange::on_idle() {
  if (idle_ms_ == 0 || over_) return;
  const auto due = last_moved_ms() + idle_ms_;
  if (worker_.reactor().now_ms() < due) return worker_.reactor().timers().arm(idle_alarm_, due);
  if (!response_started_) return reply(504, Flag::kStreamIdleTimeout, "nothing moved for too long");
  record_.flags.set(Flag::kStreamIdleTimeout);
  reset_client(http::Reset::kTimeout);
}

void Exchange::begin_mirrors() {
  if (tunnel_ || (action_->extras->mirrors.empty() && target_backend_->mirrors.empty())) return;
  for (const auto* targets : {&action_->extras->mirrors, &target_backend_->mirrors})
    for (const auto& target : *targets)
      worker_.mirrors().begin(target, worker_.cluster(generation_, target.cluster), *connection_, head_,
                              request_ended_ && kept_.empty() && !has_trailers_, mirrors_);
  // What came while filters held the request.
  if (!kept_.empty())
    for (auto i = mirrors_.size(); i-- > 0;) mirrors_[i]->on_request_body(kept_, request_ended_ && !has_trailers_);
  if (has_trailers_)
    for (auto i = mirrors_.size(); i-- > 0;) mirrors_[i]->on_request_trailers(trailers_);
}

}  // namespace fairlead::proxy
