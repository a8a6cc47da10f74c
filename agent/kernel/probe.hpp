// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

struct bpf_program;

namespace fairlead::kernel {

/// One optional program, and whether this kernel takes it.
struct Feature {
  std::string name;
  bool available = false;
  std::string reason;  ///< why not: the verifier's or the kernel's last words
};

/// Whether the agent can do without it: everything but the programs that stand at the cgroup at all times.
[[nodiscard]] bool is_optional(const bpf_program* program);

/// While it lives, libbpf's messages on this thread are kept instead of printed.
/// Owner: the function that loads. Thread: one.
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  [[nodiscard]] const std::string& text() const;
  /// The line that says most: the verifier's complaint, else the last warning.
  [[nodiscard]] std::string gist() const;
  /// The program at which loading the object stopped; empty: it was none of them.
  [[nodiscard]] std::string refused_program() const;
};

}  // namespace fairlead::kernel
