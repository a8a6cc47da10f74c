// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace fairlead::model {

/// Namespace of the mesh's own configuration (rootNamespace by default): policies there reach all namespaces.
inline constexpr const char* kIstioRootNamespace = "istio-system";

/// What all of a mesh has in common, as Istio's MeshConfig names it.
struct Mesh {
  std::string trust_domain = "cluster.local";
  std::vector<std::string> trust_domain_aliases{};  ///< other names of the trust domain in principals
  std::string root_namespace = kIstioRootNamespace;    ///< whose policies and rules count for all namespaces
  std::string cluster_domain = "cluster.local";        ///< the end of services' names: NAME.NAMESPACE.svc.DOMAIN
};

}  // namespace fairlead::model
