// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/gateway_kinds.hpp"

#include <array>

#include "gateway/dataplane/config/kinds.hpp"
#include "gateway/dataplane/config/parse.hpp"

namespace fairlead::config {
namespace {

using model::kGatewayGroup;

/// To the gateway a service is a name of backends, and may stand for a host name.
model::Object read_backend_service(Reader& reader, View root) { return read_service(reader, root, false); }
model::Object read_backend_slice(Reader& reader, View root) { return read_endpoint_slice(reader, root, false); }

constexpr std::array<KnownKind, 21> kGatewayKinds{{
    {"Namespace", "", model::Kind::kNamespace, false, read_as<read_namespace>},
    {"Service", "", model::Kind::kService, true, read_backend_service},
    {"EndpointSlice", "discovery.k8s.io", model::Kind::kEndpointSlice, true, read_backend_slice},
    {"GatewayClass", kGatewayGroup, model::Kind::kGatewayClass, false, read_as<read_gateway_class>},
    {"Gateway", kGatewayGroup, model::Kind::kGateway, true, read_as<read_gateway>},
    {"ListenerSet", kGatewayGroup, model::Kind::kListenerSet, true, read_as<read_listener_set>},
    {"HTTPRoute", kGatewayGroup, model::Kind::kHttpRoute, true, read_as<read_http_route>},
    {"GRPCRoute", kGatewayGroup, model::Kind::kGrpcRoute, true, read_as<read_grpc_route>},
    {"TLSRoute", kGatewayGroup, model::Kind::kTlsRoute, true, read_as<read_tls_route>},
    {"TCPRoute", kGatewayGroup, model::Kind::kTcpRoute, true, read_as<read_tcp_route>},
    {"UDPRoute", kGatewayGroup, model::Kind::kUdpRoute, true, read_as<read_udp_route>},
    {"ReferenceGrant", kGatewayGroup, model::Kind::kReferenceGrant, true, read_as<read_reference_grant>},
    {"BackendTLSPolicy", kGatewayGroup, model::Kind::kBackendTlsPolicy, true, read_as<read_backend_tls_policy>},
    {"Secret", "", model::Kind::kSecret, true, read_as<read_secret>},
    {"ConfigMap", "", model::Kind::kConfigMap, true, read_as<read_config_map>},
    {"BackendPolicy", "fairlead.io", model::Kind::kBackendPolicy, true, read_as<read_backend_policy>},
    {"ClientPolicy", "fairlead.io", model::Kind::kClientPolicy, true, read_as<read_client_policy>},
    {"RequestPolicy", "fairlead.io", model::Kind::kRequestPolicy, true, read_as<read_request_policy>},
    {"Consumer", "fairlead.io", model::Kind::kConsumer, true, read_as<read_consumer>},
    {"RequestAuthentication", "security.istio.io", model::Kind::kRequestAuthentication, true,
     read_as<read_request_authentication>, refused_request_authentication},
    {"AuthorizationPolicy", "security.istio.io", model::Kind::kAuthorizationPolicy, true,
     read_as<read_request_authorization>, refused_authorization_policy},
}};

}  // namespace

const KindTable& gateway_kinds() {
  static constexpr KindTable kTable{kGatewayKinds};
  return kTable;
}

}  // namespace fairlead::config
