// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "fairlead/base/fd.hpp"

namespace fairlead::fuzz {

/// A file in memory for readers that want a path; written anew for each input.
/// Owner: the fuzzer. Thread: one.
class InputFile {
 public:
  explicit InputFile(const char* suffix) {
    path_ = std::string("/dev/shm/fairlead-fuzz-XXXXXX") + suffix;
    file_.reset(::mkstemps(path_.data(), static_cast<int>(std::string_view(suffix).size())));
    if (!file_) std::abort();
  }
  ~InputFile() { ::unlink(path_.c_str()); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& write(std::string_view text) {
    if (::ftruncate(file_.get(), 0) != 0) std::abort();
    if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) std::abort();
    return path_;
  }

 private:
  std::string path_;
  Fd file_;
};

}  // namespace fairlead::fuzz
