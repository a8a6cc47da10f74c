// SPDX-License-Identifier: Apache-2.0
#include "gateway/client_settings.hpp"

#include <algorithm>

#include "gateway/backend_settings.hpp"

namespace fairlead::gateway {
namespace {

http::Timeouts timeouts_of(const model::ClientTimeouts& from) {
  const auto count = [](model::milliseconds time) { return static_cast<std::uint32_t>(time.count()); };
  http::Timeouts out;
  out.head = count(from.request_header);
  out.idle = count(from.idle);
  out.body = count(from.body_idle);
  out.write = count(from.write);
  return out;
}

route::ClientField field_of(model::ClientForwarded::Field field) {
  using Field = model::ClientForwarded::Field;
  switch (field) {
    case Field::kForwarded: return route::ClientField::kForwarded;
    case Field::kXRealIp: return route::ClientField::kXRealIp;
    case Field::kXForwardedFor: break;
  }
  return route::ClientField::kXForwardedFor;
}

void take_limits(const model::ClientSettings& from, proxy::ClientLimits& to) {
  to.h1.head = {.target = from.limits.max_request_line_bytes,
                .fields_bytes = from.limits.max_header_bytes,
                .fields = from.limits.max_headers};
  to.h1.timeouts = timeouts_of(from.timeouts);
  to.h1.requests = from.limits.max_requests_per_connection;
  to.h1.allow_connect = from.allow_connect;
  to.h1.upgrades.names = to.h2.upgrades.names = from.http_upgrade;
  to.h1.allow_preface = from.http2.enabled;
  to.h2.streams = from.http2.max_concurrent_streams;
  to.h2.stream_window = from.http2.initial_stream_window;
  to.h2.connection_window = from.http2.initial_connection_window;
  to.h2.header_list = from.limits.max_header_bytes;
  to.h2.fields = from.limits.max_headers;
  to.h2.target = from.limits.max_request_line_bytes;
  to.h2.allow_connect = from.allow_connect;
  to.h2.timeouts = timeouts_of(from.timeouts);
  to.paths.merge_slashes = from.path_merge_slashes;
  if (from.loose_targets) to.take_loose_targets();
  to.keep_request_id = from.forwarded.preserve_request_id;
  to.forwarded.trusted_hops = from.forwarded.trusted_hops;
  to.forwarded.trusted = from.forwarded.trusted_cidrs;
  to.forwarded.field = field_of(from.forwarded.client_field);
  to.forwarded.send_forwarded = from.forwarded.send_forwarded;
  to.tls_handshake = from.timeouts.tls_handshake;
  to.proxy_protocol = from.proxy_protocol;
  to.keep_alive = keep_alive_of(from.tcp_keepalive);
  to.h2.frame = from.http2.max_frame_size;
  to.h2.ping_every_ms = static_cast<std::uint32_t>(from.http2_keepalive.interval.count());
  to.h2.ping_answer_ms = static_cast<std::uint32_t>(from.http2_keepalive.timeout.count());
  to.body_bytes = from.limits.max_body_bytes;
  to.request = from.timeouts.request;
  to.connection = from.timeouts.max_connection_duration;
  to.connections = from.limits.max_connections;
  to.forward_identity = from.tls.forward_identity;
}

}  // namespace

std::shared_ptr<const model::ClientSettings> settings_of(const std::vector<const config::CompiledListener*>& listeners,
                                                         Remarks::Texts& texts) {
  const auto first = std::ranges::find_if(listeners, [](const auto* each) { return each->settings != nullptr; });
  if (first == listeners.end()) return nullptr;
  const auto& settings = (*first)->settings;
  if (std::ranges::any_of(listeners, [&](const auto* each) { return each->settings != settings; }))
    texts.push_back("listeners have different ClientPolicies: limits are those of listener \"" + (*first)->key.name +
                    "\" for the whole port");
  return settings;
}

std::shared_ptr<proxy::ClientLimits> make_limits(const model::ClientSettings* settings,
                                                 const std::shared_ptr<std::atomic<std::uint32_t>>& open_connections) {
  auto limits = std::make_shared<proxy::ClientLimits>();
  if (settings == nullptr) {
    take_limits(model::ClientSettings(), *limits);
    return limits;
  }
  take_limits(*settings, *limits);
  limits->open_connections =
      open_connections != nullptr ? open_connections : std::make_shared<std::atomic<std::uint32_t>>(0);
  return limits;
}

}  // namespace fairlead::gateway
