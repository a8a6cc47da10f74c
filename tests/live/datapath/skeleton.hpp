// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "agent/kernel/map.hpp"
#include "datapath.skel.h"
#include "fairlead/base/result.hpp"

namespace fairlead::test {

/// The maps of the real skeleton, in the kernel, without any program.
class Maps {
 public:
  static Result<std::unique_ptr<Maps>> load() {
    std::unique_ptr<Maps> maps(new Maps);
    maps->skeleton_ = ::datapath::open();
    if (maps->skeleton_ == nullptr) return fail("opening the skeleton", errno);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, maps->skeleton_->obj) bpf_program__set_autoload(program, false);
    if (::datapath::load(maps->skeleton_) != 0) return fail(system_error("loading maps", errno));
    return maps;
  }
  ~Maps() { ::datapath::destroy(skeleton_); }
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;

  [[nodiscard]] Fd fd(const std::string& name) const {
    auto copy = kernel::duplicate(bpf_object__find_map_fd_by_name(skeleton_->obj, name.c_str()));
    return copy ? std::move(*copy) : Fd{};
  }

 private:
  Maps() = default;
  ::datapath* skeleton_ = nullptr;
};

}  // namespace fairlead::test
