// SPDX-License-Identifier: Apache-2.0
#pragma once

// Layouts of maps by their BTF, for maps that may be another version's.

#include <cstdint>
#include <string>

#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// Whether the values of two maps are the same struct: members of the same names, places and sizes. False where either
/// has no BTF.
[[nodiscard]] bool same_values(int map, int other);
/// The same for keys and values; such that are no structs are compared by their size.
[[nodiscard]] bool same_rows(int map, int other);

/// Sets a 32-bit member of row 0, found by the map's BTF.
Result<> write_member(int map, const std::string& member, std::uint32_t value);

}  // namespace fairlead::kernel
