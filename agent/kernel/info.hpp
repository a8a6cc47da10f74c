// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <optional>

namespace fairlead::kernel {

/// What the kernel says of a map, program or link (bpf_map_info, ...); nothing: `fd` is none of these.
template <class Info>
[[nodiscard]] std::optional<Info> info_of(int fd) {
  Info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return std::nullopt;
  return info;
}

}  // namespace fairlead::kernel
