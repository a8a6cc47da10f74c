// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/model/istio.hpp"
#include "fairlead/model/objects.hpp"

namespace fairlead::config {

/// The providers of external authorization among the extensionProviders of a MeshConfig (istio.mesh.v1alpha1, YAML);
/// others, for traces and logs, are passed over, as is the rest of the MeshConfig. The error names line and field.
/// Thread: any.
[[nodiscard]] Result<std::vector<model::ExtensionProvider>> read_extension_providers(const std::string& mesh);

/// trustDomain of a MeshConfig ("cluster.local" where there is none), and behind it its trustDomainAliases. Thread:
/// any.
[[nodiscard]] Result<std::vector<std::string>> read_trust_domains(const std::string& mesh);

/// Has whole principals (DOMAIN/ns/NAMESPACE/sa/ACCOUNT) of one of these domains, or of "cluster.local", which stands
/// for the mesh's own, mean all of these domains, as Istio does. Thread: any.
void translate_principals(const std::vector<std::string>& domains, model::AuthorizationPolicy& policy);

}  // namespace fairlead::config
