// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace fairlead::http::test {

/// Bytes that operator new has given so far, in the whole program; never counted down.
std::size_t allocated();

}  // namespace fairlead::http::test
