// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::net {

/// When a sender has to stop and may go on, in bytes that wait.
struct WaterMarks {
  std::size_t high = 128 * 1024;
  std::size_t low = 32 * 1024;
};

/// What a session has to write and the kernel has not taken. Empty it holds no memory.
/// Small pieces are copied behind what waits and leave by one gathered write at flush(); large ones are written at
/// once, behind what waits, in the same call, and only what the kernel did not take is copied. Owner: a session.
/// Thread: its worker's.
class OutputQueue {
 public:
  static constexpr std::size_t kLarge = 4 * 1024;  ///< bytes from which a copy costs more than keeping a gathered write

  explicit OutputQueue(ChunkPool& pool, const WaterMarks& marks = {}) : pool_(pool), marks_(marks) {}
  ~OutputQueue() { clear(); }
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;

  /// Copies; never writes.
  void append(std::string_view data);
  /// Room for `bytes` (at most kMostReserved) in one piece behind what waits, to be written to and then committed in
  /// part or in whole, with no other call between.
  [[nodiscard]] char* reserve(std::size_t bytes);
  void commit(std::size_t bytes);
  static constexpr std::size_t kMostReserved = sizeof Chunk::data;

  /// Takes all of data: copies what is small, for a later flush(), and writes what is large. kOk: data may still wait,
  /// as size() says; kAgain: the stream's handler is called when flush() may go on; kError: the stream is of no more
  /// use.
  IoResult send(Stream& stream, std::string_view data);
  /// Writes until nothing waits or the kernel takes no more. bytes: what it took.
  IoResult flush(Stream& stream);
  void clear();

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool above_high() const { return size_ > marks_.high; }
  [[nodiscard]] bool below_low() const { return size_ <= marks_.low; }

 private:
  static constexpr std::size_t kPieces = 16;  // chunks of one gathered write

  IoResult write_all(Stream& stream, std::string_view& behind);
  void consume(std::size_t bytes);
  Chunk& last_with_room();

  ChunkPool& pool_;
  WaterMarks marks_;
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fairlead::net
