// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/upstream/persistence.hpp"

namespace fairlead::gateway {

/// The secrets of session persistence. `path`: a file of them, one a line of at least 16 characters, the newest first:
/// gateways with the same file read each other's sessions. Empty: a new one, so that sessions end with this process.
/// Thread: any.
Result<std::shared_ptr<const upstream::SessionReferences>> make_session_references(const std::string& path);

}  // namespace fairlead::gateway
