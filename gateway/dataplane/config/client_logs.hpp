// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/model/client_logs.hpp"
#include "gateway/dataplane/config/reader.hpp"

namespace fairlead::config {

/// `logs` of a ClientPolicy in `ns`.
void read_client_logs(Reader& reader, View at, const std::string& ns, std::vector<model::ClientLog>& out);

}  // namespace fairlead::config
