// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "agent/admin/views.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/redirect.hpp"
#include "agent/settings.hpp"

namespace fairlead::agent {

/// What is on and off, and why. redirect null: not opened yet.
[[nodiscard]] std::vector<admin::FeatureState> feature_states(const Settings& settings, kernel::Datapath& datapath,
                                                              const Redirect* redirect);

/// The programs that this kernel does not take, without those that another one makes needless.
[[nodiscard]] std::vector<admin::Lack> lacks(kernel::Datapath& datapath);

}  // namespace fairlead::agent
