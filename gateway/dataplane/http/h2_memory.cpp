// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h2_memory.hpp"

#include <malloc.h>

#include <cstdlib>

namespace fairlead::http {
namespace {

H2Memory& memory_of(void* self) { return *static_cast<H2Memory*>(self); }

}  // namespace

H2Memory::H2Memory(std::uint64_t& total)
    : hooks_{this, &allocate, &release, &allocate_zeroed, &resize}, total_(total) {}

// The allocator's own size of a block, so that no block needs a header of ours.
void* H2Memory::counted(void* at) {
  const std::size_t size = malloc_usable_size(at);
  bytes_ += size;
  total_ += size;
  return at;
}

void* H2Memory::allocate(std::size_t size, void* self) { return memory_of(self).counted(std::malloc(size)); }

void* H2Memory::allocate_zeroed(std::size_t count, std::size_t size, void* self) {
  return memory_of(self).counted(std::calloc(count, size));
}

void H2Memory::release(void* at, void* self) {
  auto& memory = memory_of(self);
  const std::size_t size = malloc_usable_size(at);
  memory.bytes_ -= size;
  memory.total_ -= size;
  std::free(at);
}

void* H2Memory::resize(void* at, std::size_t size, void* self) {
  auto& memory = memory_of(self);
  const std::size_t before = malloc_usable_size(at);
  void* moved = std::realloc(at, size);
  if (moved == nullptr) return nullptr;
  memory.bytes_ -= before;
  memory.total_ -= before;
  return memory.counted(moved);
}

}  // namespace fairlead::http
