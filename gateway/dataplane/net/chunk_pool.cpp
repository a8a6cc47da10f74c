// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/chunk_pool.hpp"

namespace fairlead::net {

ChunkPool::~ChunkPool() {
  while (free_ != nullptr) {
    Chunk* chunk = free_;
    free_ = chunk->next;
    delete chunk;
  }
}

Chunk* ChunkPool::take() {
  ++in_use_;
  budget_.add(sizeof(Chunk));
  if (free_ == nullptr) return new Chunk;  // data stays uninitialized
  Chunk* chunk = free_;
  free_ = chunk->next;
  --kept_;
  chunk->next = nullptr;
  chunk->begin = chunk->end = 0;
  return chunk;
}

void ChunkPool::give(Chunk* chunk) {
  --in_use_;
  budget_.subtract(sizeof(Chunk));
  if (kept_ == kKept) {
    delete chunk;
    return;
  }
  chunk->next = free_;
  free_ = chunk;
  ++kept_;
}

}  // namespace fairlead::net
