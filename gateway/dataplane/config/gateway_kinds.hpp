// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/objects.hpp"
#include "gateway/dataplane/config/reader.hpp"

// The kinds that only the gateway serves; as kinds.hpp. Lengths, patterns, enumerations, counts and cross-field rules
// are those of the CRDs of Gateway API v1.6 (experimental channel), so that what an API server refuses is refused here.
namespace fairlead::config {

model::GatewayClass read_gateway_class(Reader& reader, View root);
model::Gateway read_gateway(Reader& reader, View root);
model::ListenerSet read_listener_set(Reader& reader, View root);
model::HttpRoute read_http_route(Reader& reader, View root);
model::GrpcRoute read_grpc_route(Reader& reader, View root);
model::TlsRoute read_tls_route(Reader& reader, View root);
model::TcpRoute read_tcp_route(Reader& reader, View root);
model::UdpRoute read_udp_route(Reader& reader, View root);
model::ReferenceGrant read_reference_grant(Reader& reader, View root);
model::BackendTlsPolicy read_backend_tls_policy(Reader& reader, View root);
model::Secret read_secret(Reader& reader, View root);
model::ConfigMap read_config_map(Reader& reader, View root);
model::BackendPolicy read_backend_policy(Reader& reader, View root);
model::ClientPolicy read_client_policy(Reader& reader, View root);
model::RequestPolicy read_request_policy(Reader& reader, View root);
model::Consumer read_consumer(Reader& reader, View root);
model::RequestAuthentication read_request_authentication(Reader& reader, View root);
/// As refused_authorization_policy().
std::optional<model::RefusedPolicy> refused_request_authentication(View root, const std::string& reason);

}  // namespace fairlead::config
