// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "fairlead/http/h1_parser.hpp"
#include "fairlead/net/chunk_pool.hpp"

namespace fairlead::http {

/// Bytes that were read and could not be used yet, in one piece with the parser's slack behind them. A pooled chunk
/// holds what is usual, memory of its own what is more. Empty it holds nothing. Owner: a session. Thread: its worker's.
class H1Input {
 public:
  explicit H1Input(net::ChunkPool& pool) : pool_(pool) {}
  ~H1Input() { clear(); }
  H1Input(const H1Input&) = delete;
  H1Input& operator=(const H1Input&) = delete;

  [[nodiscard]] bool empty() const { return begin_ == end_; }
  [[nodiscard]] std::span<char> bytes() { return {data() + begin_, end_ - begin_}; }

  /// Copies; only while empty.
  void keep(std::span<const char> rest) {
    if (rest.empty()) return;
    clear();
    allocate(rest.size());
    std::memcpy(data(), rest.data(), rest.size());
    end_ = static_cast<std::uint32_t>(rest.size());
  }

  /// Where more can be read to, behind what is there; never empty.
  [[nodiscard]] std::span<char> room() {
    if (capacity_ - end_ < kLeastRoom) {
      if (begin_ > 0) {
        std::memmove(data(), data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
      }
      if (capacity_ - end_ < kLeastRoom) grow();
    }
    return {data() + end_, capacity_ - end_};
  }
  void added(std::size_t bytes) { end_ += static_cast<std::uint32_t>(bytes); }

  void drop(std::size_t bytes) {
    begin_ += static_cast<std::uint32_t>(bytes);
    if (empty()) clear();
  }

  void clear() {
    if (chunk_ != nullptr) pool_.give(std::exchange(chunk_, nullptr));
    if (big_ != nullptr) {
      pool_.budget().subtract(capacity_);
      big_.reset();
    }
    begin_ = end_ = capacity_ = 0;
  }

 private:
  static constexpr std::size_t kLeastRoom = 2048;
  static constexpr std::size_t kChunkRoom = sizeof net::Chunk::data - kH1Slack;

  [[nodiscard]] char* data() { return big_ != nullptr ? big_.get() : chunk_->data; }

  void allocate(std::size_t bytes) {
    if (bytes + kLeastRoom <= kChunkRoom) {
      chunk_ = pool_.take();
      capacity_ = kChunkRoom;
    } else {
      capacity_ = static_cast<std::uint32_t>(bytes + kLeastRoom);
      big_ = std::make_unique<char[]>(capacity_ + kH1Slack);
      pool_.budget().add(capacity_);
    }
  }

  void grow() {
    auto bigger = std::make_unique<char[]>(2 * std::size_t{capacity_} + kH1Slack);
    const auto size = end_ - begin_;
    const auto capacity = 2 * capacity_;
    std::memcpy(bigger.get(), data() + begin_, size);
    clear();
    big_ = std::move(bigger);
    capacity_ = capacity;
    end_ = size;
    pool_.budget().add(capacity_);
  }

  net::ChunkPool& pool_;
  net::Chunk* chunk_ = nullptr;
  std::unique_ptr<char[]> big_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace fairlead::http
