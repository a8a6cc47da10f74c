// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counts what a program has on the heap. It replaces operator new and delete: for programs of one source.
#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {
std::size_t heap_bytes = 0;  // with what malloc keeps of each block
constexpr std::size_t kHead = 8;
}  // namespace

void* operator new(std::size_t bytes) {
  void* const at = std::malloc(bytes);
  if (at == nullptr) std::abort();
  heap_bytes += malloc_usable_size(at) + kHead;
  return at;
}
void operator delete(void* at) noexcept {
  if (at != nullptr) heap_bytes -= malloc_usable_size(at) + kHead;
  std::free(at);
}
void operator delete(void* at, std::size_t) noexcept { operator delete(at); }
