// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace fairlead::config {

/// How long a change of one file waits for others that may belong to it. Once a second one has come, the change is over
/// after a quiet of 100 ms, 2 s after its beginning at the latest.
struct Pace {
  std::chrono::milliseconds moved{1};  ///< after a file was moved into place
  std::chrono::milliseconds closed{50};  ///< after it was written where it stands
};

}  // namespace fairlead::config
