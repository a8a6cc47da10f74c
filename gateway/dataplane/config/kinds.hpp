// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/objects.hpp"
#include "gateway/dataplane/config/reader.hpp"

// One function a kind: reads the object below `root`; what is wrong is noted in the reader, and the object is used
// only where nothing failed.
namespace fairlead::config {

model::Namespace read_namespace(Reader& reader, View root);
model::Node read_node(Reader& reader, View root);
model::Pod read_pod(Reader& reader, View root);
/// serves_addresses: whether a service without an address is worth a remark.
model::Service read_service(Reader& reader, View root, bool serves_addresses);
/// from_pods: whether clients ask from network namespaces of their own, each with a loopback of its own.
model::EndpointSlice read_endpoint_slice(Reader& reader, View root, bool from_pods);
model::DestinationRule read_destination_rule(Reader& reader, View root);
model::NetworkPolicy read_network_policy(Reader& reader, View root);
model::AuthorizationPolicy read_authorization_policy(Reader& reader, View root);
/// With what only requests have, and targetRefs.
model::AuthorizationPolicy read_request_authorization(Reader& reader, View root);
/// Istio's targetRefs or targetRef; false where `field` is neither.
bool read_istio_targets(Reader& reader, View field, std::vector<model::PolicyTarget>& out);
/// A path as operations have it: exact, with a '*' at one end, or a template of whole segments.
[[nodiscard]] bool is_authorization_path(std::string_view text);

/// What closes the workloads of a policy that was refused; nothing where leaving it out opens nothing (AUDIT).
/// Whatever of its selector cannot be read is left out, so that it selects more rather than less.
std::optional<model::RefusedPolicy> refused_network_policy(View root, const std::string& reason);
std::optional<model::RefusedPolicy> refused_authorization_policy(View root, const std::string& reason);

/// Only the name and namespace, "default" where a namespaced kind has none; without remarks.
model::Metadata read_identity(View root, bool namespaced);
model::Metadata read_metadata(Reader& reader, View root, bool namespaced);
/// A map of strings, sorted by key.
model::Labels read_labels(Reader& reader, View at);
model::Selector read_selector(Reader& reader, View at);
void read_strings(Reader& reader, View at, std::vector<std::string>& out);
void read_addresses(Reader& reader, View at, std::vector<Address>& out);
/// An error for what Kubernetes takes neither for an endpoint nor for an external address: unspecified, link-local,
/// link-local multicast. Loopback, which it does not take either, is left to the caller.
bool is_reachable(Reader& reader, View at, const Address& address);
/// TCP or UDP; nothing for SCTP (warned of) and for what is no protocol (error).
std::optional<model::Protocol> read_protocol(Reader& reader, View at);
/// A port number or an IANA service name.
model::IntOrName read_int_or_name(Reader& reader, View at);
bool is_dns_label(std::string_view text);
bool is_dns_subdomain(std::string_view text);

}  // namespace fairlead::config
