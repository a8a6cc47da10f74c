// SPDX-License-Identifier: Apache-2.0
// Where a request goes, and what of it is changed on the way.
#include <algorithm>

#include "fairlead/model/find_filter.hpp"
#include "fairlead/route/authority.hpp"
#include "fairlead/route/choice.hpp"
#include "fairlead/route/cors.hpp"
#include "fairlead/route/rewrite.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/kong_answers.hpp"
#include "gateway/dataplane/proxy/last_hop.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

bool replaces_prefix(const model::UrlRewrite* rewrite) {
  return rewrite != nullptr && rewrite->path && rewrite->path->type == model::PathModifier::Type::kReplacePrefixMatch;
}

}  // namespace

/// CONNECT itself, that has no target but an authority; no WebSocket of HTTP/2.
bool Exchange::asks_to_connect() const { return head_.method == http::Method::kConnect && head_.target.empty(); }

/// False: the request was refused.
bool Exchange::normalise() {
  if (!asks_to_connect()) {
    const auto wrong = route::parse_target(head_.target, listener_->limits->paths, arena_, target_);
    if (wrong != route::PathError::kNone) {
      reply(400, Flag::kDownstreamProtocolError, route::name_of(wrong));
      return false;
    }
  }
  route::Authority authority;
  if (!head_.authority.empty()) {
    const auto wrong = route::parse_authority(head_.authority, arena_, authority);
    if (wrong != route::AuthorityError::kNone) {
      reply(400, Flag::kDownstreamProtocolError, route::name_of(wrong));
      return false;
    }
  }
  host_ = authority.host;
  return true;
}

/// Whether the connection's TLS was agreed on with another listener than the one that the request's host belongs to,
/// which may ask for a client certificate or other ciphers.
bool Exchange::misdirected() const {
  const auto* facts = connection_->tls();
  return facts != nullptr && listener_->tls != nullptr && listener_->tls->apart(facts->server_name, host_);
}

/// As route::Request has it.
std::optional<std::string_view> Exchange::server_name() const {
  const auto* facts = connection_->tls();
  if (facts == nullptr) return "";
  return facts->server_name.empty() ? std::nullopt : std::optional(facts->server_name);
}

void Exchange::route() {
  if (as_kong() && head_.method == http::Method::kTrace)
    return reply(405, Flag::kDownstreamProtocolError, "TRACE is not served");
  if (misdirected()) return reply(421, Flag::kNoRouteFound, "another listener has this host name");
  // OPTIONS * asks for the server as a whole, so it belongs to who has its root. CONNECT names no resource at all.
  const bool connect = asks_to_connect();
  const std::string_view path = connect || target_.path == "*" ? "/" : target_.path;
  const auto match = listener_->router->match(
      {.host = host_, .path = path, .query = target_.query, .head = &head_, .server_name = server_name()});
  if (!match || match.route->data == nullptr) return reply(404, Flag::kNoRouteFound, "no route matches");
  // Whoever serves everything below "/" has not asked for connections to anywhere.
  if (connect && match.spec().method_id != http::Method::kConnect)
    return reply(404, Flag::kNoRouteFound, "no route asks for CONNECT");
  match_ = match;
  matched_path_ = target_.path;
  route_ = static_cast<const RouteAction*>(match.route->data.get());
  action_ = &route_->rules[match.rule];
  record_time(&telemetry::RequestTimes::route);
  if (action_->filters != nullptr && answered_by_filter(match)) return;
  prefix_ = match.prefix(target_.path);
  const bool chosen = choose_cluster();
  if (chosen) arm_request_timeout();
  if (filter_request()) forward();
}

/// To the backend, by whatever filters have made of the request.
void Exchange::forward() {
  if (ends_here(head_, arena_)) return answer_as_last();
  if (target_backend_ == nullptr || target_backend_->cluster == WeightedBackend::kInvalid)
    return reply(500, Flag::kNoClusterFound, "the rule has no valid backend");
  on_backend_writable();  // the client was held back while filters waited
  if (has_trailers_) strip_trailers();
  prepare_head(prefix_);
  begin_mirrors();
  if (const auto patience = connection_->patience_ms(); patience > 0)
    return worker_.reactor().timers().arm(backoff_alarm_, worker_.reactor().now_ms() + patience);
  attempt();
}

/// Max-Forwards lets the request go no further.
void Exchange::answer_as_last() {
  record_.details = "direct_response";
  http::ResponseHead head;
  const bool trace = head_.method == http::Method::kTrace;
  if (trace) head.fields.push_back({"content-type", "message/http"});
  send_whole(head, trace ? arena_.copy(traced(head_)) : std::string_view());
}

/// Redirects and preflights are answered here; so is what a rule asks for and nobody serves. An ExternalAuth that is
/// served stands in the rule's chain.
bool Exchange::answered_by_filter(const route::Match& match) {
  const auto* filters = action_->filters;
  if (action_->unserved) {
    reply(500, Flag::kNoClusterFound, "the rule has a filter that is not served");
    return true;
  }
  cors_ = model::find_filter<model::Cors>(filters);
  if (cors_ != nullptr && route::is_preflight(head_)) {
    answer(route::answer_preflight(*cors_, head_, arena_));
    return true;
  }
  const auto* redirect = model::find_filter<model::RequestRedirect>(filters);
  if (redirect == nullptr) return false;
  auto target = target_;
  if (target.path == "*") target.path = "/";
  const route::RedirectContext context{.target = target,
                                       .prefix = match.prefix(target.path),
                                       .listener_port = connection_->port().address.endpoint().port};
  auto moved = route::redirect(*redirect, context, head_, arena_);
  if (cors_ != nullptr) route::apply_cors(*cors_, head_, moved, arena_);
  answer(std::move(moved));
  return true;
}

bool Exchange::choose_cluster() {
  target_backend_ = nullptr;
  if (action_->extras->session != nullptr) read_session();
  if (target_backend_ != nullptr) return true;  // the session's
  if (action_->total_weight == 0) return false;
  const auto chosen =
      action_->backends.size() == 1 ? 0 : route::pick_weighted(action_->backends, worker_.random().next());
  if (!chosen) return false;
  target_backend_ = &action_->backends[*chosen];
  cluster_number_ = target_backend_->cluster;
  return cluster_number_ != WeightedBackend::kInvalid;
}

/// In place of what weights or a session have chosen; false: the rule has none.
bool Exchange::choose_canary() {
  if (action_->extras->canary == nullptr) return false;
  target_backend_ = action_->extras->canary.get();
  cluster_number_ = target_backend_->cluster;
  worker_.reactor().timers().cancel(request_alarm_);
  if (cluster_number_ != WeightedBackend::kInvalid) arm_request_timeout();
  return true;
}

void Exchange::find_client() {
  client_addr_ = route::find_client(connection_->ends().peer, head_.fields, listener_->limits->forwarded);
  client_known_ = true;
}

/// Who the client is by its certificate: what it says of that itself counts from trusted hops only. Once it stands
/// there another call changes nothing.
void Exchange::tell_identity() {
  constexpr std::string_view kField = "x-forwarded-client-cert";
  auto& fields = head_.fields;
  const auto own = connection_->client_cert();
  const auto is_own = [&](const http::Field& field) { return field.value.data() == own.data(); };
  if (!client_addr_.trusted_peer)
    std::erase_if(fields, [&](const http::Field& field) { return field.name == kField && !is_own(field); });
  if (!own.empty() && std::ranges::none_of(fields, is_own)) fields.push_back({kField, own});
}

/// Filters, and the servers that they ask, see of who calls what backends will be told, and not what an untrusted
/// client says. What a trusted hop says stays as it came until prepare_head() puts our word behind it.
void Exchange::clean_head() {
  const auto& ends = connection_->ends();
  if (!client_addr_.trusted_peer)
    route::set_forwarded(client_addr_, ends.peer, ends.local, listener_->limits->forwarded, head_, arena_);
  tell_identity();
}

/// A trusted hop's name of the request is kept.
void Exchange::name_request() {
  const auto own = std::ranges::find(head_.fields, "x-request-id", &http::Field::name);
  const bool trusted = client_addr_.trusted_peer || listener_->limits->keep_request_id;
  record_.request_id = telemetry::request_id(own == head_.fields.end() ? std::string_view() : own->value, trusted,
                                             telemetry::UuidVersion::kV4, worker_.observer().ids(), 0, arena_);
  if (as_kong() && (own == head_.fields.end() || own->value != record_.request_id)) {  // 32 digits, as Kong's
    std::string digits(record_.request_id);
    std::erase(digits, '-');
    record_.request_id = arena_.copy(digits);
  }
  if (own == head_.fields.end()) {
    head_.fields.push_back({"x-request-id", record_.request_id});
  } else {
    own->value = record_.request_id;
  }
}

/// The head that backends get: who asks, the path as it was matched, and what filters make of both.
void Exchange::prepare_head(std::string_view prefix) {
  const auto& ends = connection_->ends();
  if (!client_known_) find_client();
  client_address_ = client_addr_.address;
  route::set_forwarded(client_addr_, ends.peer, ends.local, listener_->limits->forwarded, head_, arena_);
  if (record_.request_id.empty()) name_request();
  tell_identity();
  if (const auto* tracing = worker_.observer().tracing())
    telemetry::inject(head_.fields, record_.trace, record_.trace.backend_span, tracing->formats, arena_);
  const model::UrlRewrite* rewrite = nullptr;
  for (const auto* filters : {action_->filters, target_backend_->filters}) {
    if (const auto* found = model::find_filter<model::UrlRewrite>(filters)) rewrite = found;
    if (const auto* change = model::find_filter<model::RequestHeaderModifier>(filters)) route::modify(*change, head_);
  }
  if (as_kong()) tell_as_kong(replaces_prefix(rewrite) ? prefix : std::string_view());
  if (!asks_to_connect()) route::rewrite(rewrite, target_, prefix, head_, arena_);
}

/// What Kong's backends are told beside: the path as it came, what of it was taken off (a trusted hop's word of that
/// stays), that Kong is between, and the request's id by its name.
void Exchange::tell_as_kong(std::string_view prefix) {
  constexpr std::string_view kPrefix = "x-forwarded-prefix";
  const bool keeps = client_addr_.trusted_peer && http::find(head_.fields, kPrefix) != nullptr;
  std::erase_if(head_.fields, [&](const http::Field& field) {
    return field.name == "x-kong-request-id" || field.name == "x-forwarded-path" || (!keeps && field.name == kPrefix);
  });
  add_kong_via(head_.fields, head_.version, arena_);
  if (!keeps && !prefix.empty() && prefix != "/") head_.fields.push_back({kPrefix, prefix});
  head_.fields.push_back({"x-kong-request-id", record_.request_id});
  head_.fields.push_back({"x-forwarded-path", record_.target.substr(0, record_.target.find('?'))});
  std::erase_if(head_.fields, [](const http::Field& field) { return field.name == "proxy"; });
  if (client_addr_.trusted_peer) return;
  std::string said;  // by somebody who is not trusted: Kong's backends see it, and count from its end
  for (const auto& field : request_fields_)
    if (field.name == "x-forwarded-for") said.append(field.value).append(", ");
  for (auto& field : head_.fields) {
    if (field.name == "x-forwarded-host") field.value = host_;  // the port stands in a field of its own
    if (field.name == "x-forwarded-for" && !said.empty())
      field.value = arena_.copy(said.append(connection_->ends().peer.address.text()));
  }
}

void Exchange::change_response(http::ResponseHead& head) {
  if (action_->extras->session != nullptr) start_session(head);
  for (const auto* filters : {action_->filters, target_backend_->filters})
    if (const auto* change = model::find_filter<model::ResponseHeaderModifier>(filters))
      route::modify(*change, head.fields);
  if (cors_ != nullptr) route::apply_cors(*cors_, head_, head, arena_);
}

/// A whole answer of ours, without a body.
void Exchange::answer(http::ResponseHead head) {
  record_.details = "direct_response";
  response_started_ = response_ended_ = true;
  if (client_ != nullptr) send_head(head, true);
}

}  // namespace fairlead::proxy
