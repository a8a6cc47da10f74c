// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"

namespace fairlead {

/// The whole of a regular file of at most `most` bytes. The error says what was found, without the path: "No such file
/// or directory", "a directory", "more than 4096 bytes". `flags`: of open(2), beside reading; never waits for a FIFO.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t most, int flags = 0);

/// Writes all of it, in as many pieces as it takes. 0, or the errno of what failed.
[[nodiscard]] int write_all(int fd, std::string_view text);

}  // namespace fairlead
