// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

struct bpf_program;
struct btf;

namespace fairlead::kernel {

/// Tells of tracing programs whether this kernel has what they hang on, by its types and a program of two instructions:
/// a refusal met while loading costs a load of everything once more.
/// Owner: the function that loads. Thread: one.
class Foresight {
 public:
  /// without_storage: as if the kernel let no program walk over socket storages.
  explicit Foresight(bool without_storage);
  ~Foresight();
  Foresight(const Foresight&) = delete;
  Foresight& operator=(const Foresight&) = delete;

  /// Why the kernel would not take it; empty: nothing known against it, the verifier judges.
  [[nodiscard]] std::string refusal(const bpf_program* program) const;

 private:
  struct Types;
  [[nodiscard]] std::string function_refusal(const bpf_program* program, const std::string& target) const;
  [[nodiscard]] std::string storage_refusal(const bpf_program* program) const;
  std::unique_ptr<Types> types_;
  bool without_storage_;
};

}  // namespace fairlead::kernel
