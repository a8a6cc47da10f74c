// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace fairlead::net {

/// How many bytes of buffers a worker holds. Nobody is refused here: who begins new work asks over() first, and sheds.
/// Owner: a worker. Thread: the worker's.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t limit = SIZE_MAX) : limit_(limit) {}
  void add(std::size_t bytes) {
    used_ += bytes;
    if (used_ > peak_) peak_ = used_;
  }
  void subtract(std::size_t bytes) { used_ -= bytes; }
  void set_limit(std::size_t bytes) { limit_ = bytes; }
  [[nodiscard]] bool over() const { return used_ > limit_; }
  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] std::size_t peak() const { return peak_; }
  [[nodiscard]] std::size_t limit() const { return limit_; }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

/// A piece of pending bytes: [begin, end) of data is in use.
struct Chunk {
  static constexpr std::size_t kSize = 16 * 1024;  ///< bytes of the whole object
  Chunk* next = nullptr;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  char data[kSize - sizeof(Chunk*) - 2 * sizeof(std::uint32_t)];

  [[nodiscard]] std::size_t size() const { return end - begin; }
  [[nodiscard]] std::size_t room() const { return sizeof data - end; }
};
static_assert(sizeof(Chunk) == Chunk::kSize);

/// The chunks of one worker, the last given back first, and its scratch buffer for reading. Chunks in use count in the
/// budget; a few that are not are kept.
/// Owner: a worker, outliving what it serves. Thread: the worker's.
class ChunkPool {
 public:
  static constexpr std::size_t kScratch = 80 * 1024;  ///< bytes: 64 KiB, as clients send at once, and a head
  static constexpr std::size_t kKept = 256;           ///< chunks: 4 MiB

  explicit ChunkPool(MemoryBudget& budget) : budget_(budget), scratch_(new char[kScratch]) {}
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  [[nodiscard]] Chunk* take();  ///< empty
  void give(Chunk* chunk);

  /// Where sessions read into: valid until the next one reads, so what is to stay is copied before the handler returns.
  [[nodiscard]] std::span<char> scratch() { return {scratch_.get(), kScratch}; }
  [[nodiscard]] MemoryBudget& budget() { return budget_; }
  [[nodiscard]] std::size_t in_use() const { return in_use_; }  ///< chunks

 private:
  MemoryBudget& budget_;
  std::unique_ptr<char[]> scratch_;
  Chunk* free_ = nullptr;
  std::size_t kept_ = 0;
  std::size_t in_use_ = 0;
};

}  // namespace fairlead::net
