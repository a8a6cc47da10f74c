// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace fairlead::test {

/// A folder in bpffs (mounted if it is not), removed with all pins at the end.
/// Owner: the test. Thread: one.
class PinDir {
 public:
  PinDir();
  ~PinDir();
  PinDir(const PinDir&) = delete;
  PinDir& operator=(const PinDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fairlead::test
