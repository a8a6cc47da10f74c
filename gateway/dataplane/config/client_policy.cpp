// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/telemetry/log_format.hpp"
#include "gateway/dataplane/config/client_logs.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"
#include "gateway/dataplane/config/gateway_references.hpp"

namespace fairlead::config {
namespace {

using std::chrono::milliseconds;

void read_limits(Reader& reader, View at, model::ClientLimits& out) {
  read_mapping(reader, at, number_field(reader, "maxConnections", out.max_connections),
               number_field(reader, "maxHeaderBytes", out.max_header_bytes, 1024, 1048576),
               number_field(reader, "maxHeaders", out.max_headers, 1, 10000),
               number_field(reader, "maxRequestLineBytes", out.max_request_line_bytes, 256, 1048576),
               number_field(reader, "maxBodyBytes", out.max_body_bytes, 0, std::uint64_t{1} << 50),
               number_field(reader, "maxRequestsPerConnection", out.max_requests_per_connection));
  if (out.max_request_line_bytes > out.max_header_bytes)
    reader.error(at, "a maxRequestLineBytes of at most maxHeaderBytes");
}

void read_timeouts(Reader& reader, View at, model::ClientTimeouts& out) {
  read_mapping(reader, at, time_field(reader, "requestHeader", out.request_header),
               time_field(reader, "request", out.request), time_field(reader, "idle", out.idle),
               time_field(reader, "bodyIdle", out.body_idle), time_field(reader, "write", out.write),
               time_field(reader, "tlsHandshake", out.tls_handshake),
               time_field(reader, "maxConnectionDuration", out.max_connection_duration));
}

void read_forwarded(Reader& reader, View at, model::ClientForwarded& out) {
  read_mapping(reader, at, number_field(reader, "numTrustedHops", out.trusted_hops, 0, 32),
               field("trustedCIDRs",
                     [&](View v) {
                       if (!v.is_sequence() || !v.first()) return reader.error(v, "a list of at least 1 item");
                       reader.items(v, [&](View item) {
                         if (const auto block = reader.cidr(item)) out.trusted_cidrs.push_back(*block);
                       });
                     }),
               field("clientField",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"X-Forwarded-For", "Forwarded", "X-Real-IP"}))
                         out.client_field = static_cast<model::ClientForwarded::Field>(*found);
                     }),
               bool_field(reader, "sendForwarded", out.send_forwarded),
               bool_field(reader, "preserveRequestId", out.preserve_request_id));
  if (out.trusted_hops > 0 && !out.trusted_cidrs.empty())
    reader.error(at.find("trustedCIDRs"), "numTrustedHops or trustedCIDRs, not both");
}

void read_http2(Reader& reader, View at, model::ClientHttp2& out) {
  read_mapping(reader, at, bool_field(reader, "enabled", out.enabled),
               number_field(reader, "maxConcurrentStreams", out.max_concurrent_streams, 1),
               number_field(reader, "initialStreamWindowSize", out.initial_stream_window, 65535),
               number_field(reader, "initialConnectionWindowSize", out.initial_connection_window, 65535),
               number_field(reader, "maxFrameSize", out.max_frame_size, 16384, 16777215));
}

void read_version(Reader& reader, View at, model::ClientTls::Version& out) {
  if (const auto found = reader.one_of(at, {"1.2", "1.3"})) out = static_cast<model::ClientTls::Version>(*found);
}

void read_client_validation(Reader& reader, View at, model::ClientTls& out) {
  using Mode = model::ClientTls::ClientCertificate;
  out.client_certificate = Mode::kRequire;
  read_mapping(reader, at,
               required("caCertificateRefs", "at least one reference",
                        [&](View v) {
                          read_list(reader, v, 1, 8, out.ca_certificates, [&](View item, model::ObjectReference& one) {
                            read_full_ref(reader, item, one, false);
                          });
                        }),
               field("optional",
                     [&](View v) {
                       bool optional = false;
                       reader.read(v, optional);
                       if (optional) out.client_certificate = Mode::kRequest;
                     }),
               bool_field(reader, "forwardIdentity", out.forward_identity));
}

void read_tls(Reader& reader, View at, model::ClientTls& out) {
  const auto cipher = [](std::string_view text) {
    return std::ranges::all_of(text,
                               [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; });
  };
  read_mapping(reader, at, field("minVersion", [&](View v) { read_version(reader, v, out.min_version); }),
               field("maxVersion", [&](View v) { read_version(reader, v, out.max_version); }),
               field("ciphers",
                     [&](View v) {
                       read_list(reader, v, 1, 32, out.ciphers, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 64, cipher,
                                   "a cipher by OpenSSL's name such as ECDHE-RSA-AES128-GCM-SHA256");
                       });
                     }),
               field("alpnProtocols",
                     [&](View v) {
                       read_list(reader, v, 1, 2, out.alpn_protocols, [&](View item, std::string& one) {
                         if (reader.one_of(item, {"h2", "http/1.1"})) one = item.text();
                       });
                     }),
               field("clientValidation", [&](View v) { read_client_validation(reader, v, out); }),
               bool_field(reader, "sessionTickets", out.session_tickets));
  if (out.min_version > out.max_version) reader.error(at, "a minVersion of at most maxVersion");
}

/// Where it is not given, `enabled` is false: the program's own log goes on. A policy that turns it off takes no share
/// of the requests.
void read_access_log(Reader& reader, View at, model::ClientAccessLog& out) {
  using Format = model::ClientAccessLog::Format;
  out.enabled = true;
  const auto absolute = [](std::string_view text) {
    return text.starts_with('/') && text.find('\0') == std::string_view::npos;
  };
  read_mapping(reader, at, bool_field(reader, "enabled", out.enabled),
               field("format",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"JSON", "Common", "Combined", "Template", "Kong"}))
                         out.format = static_cast<Format>(*found);
                     }),
               field("template", [&](View v) { read_text(reader, v, out.text, 1, 4096); }),
               field("path", [&](View v) { read_text(reader, v, out.path, 1, 1024, absolute, "an absolute path"); }),
               number_field(reader, "samplingPercent", out.sampling_percent, 0, 100));
  if (!out.enabled) out.sampling_percent = 0;
  out.enabled = true;
  if (out.format == Format::kTemplate && out.text.empty()) reader.missing(at, "template", "a text, by the format");
  if (out.format != Format::kTemplate && at.find("template"))
    reader.error(at.find("template"), "template only with format Template");
  if (out.format != Format::kTemplate || out.text.empty()) return;
  if (const auto compiled = telemetry::LogFormat::from_template(out.text); !compiled)
    reader.error(at.find("template"),
                 "a template of text and operators such as %RESPONSE_CODE%; " + compiled.error().message);
}

/// A token, and "/" and another; never HTTP/2, which has a preface.
void read_upgrade(Reader& reader, View at, std::string& out) {
  const auto good = [](std::string_view text) {
    const auto slash = text.find('/');
    return is_token(text.substr(0, slash)) && (slash == text.npos || is_token(text.substr(slash + 1))) &&
           lower(text) != "h2c";
  };
  read_text(reader, at, out, 1, 64, good, "a protocol such as websocket or tls/1.0, but h2c");
  out = lower(out);
}

void read_upgrades(Reader& reader, View at, std::vector<std::string>& out) {
  out.clear();
  read_list(reader, at, 0, 16, out, [&](View item, std::string& one) {
    read_mapping(reader, item, required("type", "a protocol", [&](View v) { read_upgrade(reader, v, one); }));
  });
}

bool takes_clients(const model::RefKindName& kind) {
  return kind.kind == model::RefKind::kGateway || kind.kind == model::RefKind::kListenerSet;
}

}  // namespace

model::ClientPolicy read_client_policy(Reader& reader, View root) {
  model::ClientPolicy out;
  out.metadata = read_metadata(reader, root, true);
  auto settings = std::make_shared<model::ClientSettings>();
  auto& s = *settings;
  s.access_log.enabled = false;
  read_spec(reader, root, [&](View spec) {
    read_mapping(
        reader, spec,
        required("targetRefs", "at least one Gateway or ListenerSet",
                 [&](View v) {
                   read_targets(reader, v, out.targets, takes_clients,
                                "Gateway or ListenerSet, of group gateway.networking.k8s.io");
                 }),
        field("limits", [&](View v) { read_limits(reader, v, s.limits); }),
        field("timeouts", [&](View v) { read_timeouts(reader, v, s.timeouts); }),
        field("forwarded", [&](View v) { read_forwarded(reader, v, s.forwarded); }),
        field("http2", [&](View v) { read_http2(reader, v, s.http2); }),
        field("tls", [&](View v) { read_tls(reader, v, s.tls); }),
        field("tcpKeepalive", [&](View v) { read_tcp_keepalive(reader, v, s.tcp_keepalive); }),
        field("http2Keepalive", [&](View v) { read_http2_keepalive(reader, v, s.http2_keepalive); }),
        field("accessLog", [&](View v) { read_access_log(reader, v, s.access_log); }),
        field("logs", [&](View v) { read_client_logs(reader, v, out.metadata.ns, s.logs); }),
        bool_field(reader, "proxyProtocol", s.proxy_protocol), bool_field(reader, "allowConnect", s.allow_connect),
        field("httpUpgrade", [&](View v) { read_upgrades(reader, v, s.http_upgrade); }),
        bool_field(reader, "mergeSlashes", s.path_merge_slashes), bool_field(reader, "looseTargets", s.loose_targets));
  });
  out.settings = std::move(settings);
  return out;
}

}  // namespace fairlead::config
