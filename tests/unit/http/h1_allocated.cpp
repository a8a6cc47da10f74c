// SPDX-License-Identifier: Apache-2.0
#include "h1_allocated.hpp"

#include <cstdlib>
#include <new>

namespace {
std::size_t bytes_given = 0;
}  // namespace

void* operator new(std::size_t bytes) {
  bytes_given += bytes;
  void* const at = std::malloc(bytes);
  if (at == nullptr) std::abort();
  return at;
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }

namespace fairlead::http::test {

std::size_t allocated() { return bytes_given; }

}  // namespace fairlead::http::test
