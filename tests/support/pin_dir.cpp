// SPDX-License-Identifier: Apache-2.0
#include "support/pin_dir.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <filesystem>

#include "support/command.hpp"

namespace fairlead::test {

PinDir::PinDir() : path_("/sys/fs/bpf/" + unique_name("pins")) {
  struct statfs info{};
  require(statfs("/sys/fs/bpf", &info) == 0, "statfs /sys/fs/bpf");
  if (info.f_type != BPF_FS_MAGIC) require(mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) == 0, "mounting bpffs");
  require(mkdir(path_.c_str(), 0700) == 0, "mkdir " + path_);
}

PinDir::~PinDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace fairlead::test
