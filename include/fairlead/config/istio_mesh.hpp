// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/model/istio.hpp"

namespace fairlead::config {

/// The providers of external authorization among the extensionProviders of a MeshConfig (istio.mesh.v1alpha1, YAML);
/// others, for traces and logs, are passed over, as is the rest of the MeshConfig. The error names line and field.
/// Thread: any.
[[nodiscard]] Result<std::vector<model::ExtensionProvider>> read_extension_providers(const std::string& mesh);

}  // namespace fairlead::config
