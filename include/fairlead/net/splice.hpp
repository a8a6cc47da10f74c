// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "fairlead/net/chunk_pool.hpp"
#include "fairlead/net/output_queue.hpp"
#include "fairlead/net/pipe_pool.hpp"
#include "fairlead/net/stream.hpp"

namespace fairlead::net {

/// Where a direction stands.
enum class Flow : std::uint8_t {
  kDone,         ///< all that was asked for has been taken by the destination's kernel
  kWaitsToRead,  ///< go on at the source's on_readable
  kWaitsToWrite, ///< go on at the destination's on_writable
  kYield,        ///< a turn's share is done: go on at the next turn
  kShort,        ///< the source ended before its bytes; what came has been handed on
  kReadFailed,   ///< error() says why; what came before has been handed on, where the destination took it
  kWriteFailed,
};

/// One direction of raw bytes from one stream to another: so many, or until the source ends. Copies through the
/// worker's scratch buffer; where a read fills that and both streams are raw, splices through a pooled pipe, until
/// little comes. Reads only what the destination can take, so memory is bounded and the source's peer is held back.
/// While it waits with nothing in between it holds neither pipe nor buffer. Owner: whoever relays; it must not outlive
/// the streams. Thread: their reactor's.
class Splice {
 public:
  static constexpr std::uint64_t kUntilEnd = UINT64_MAX;
  static constexpr std::size_t kShare = 2 * 1024 * 1024;  ///< bytes of one run(), so that others have their turn
  static constexpr std::size_t kMuch = 64 * 1024;         ///< a copied round of as much says that more is coming
  static constexpr std::size_t kLittle = 16 * 1024;       ///< a spliced round below it goes back to copying

  Splice(ChunkPool& chunks, PipePool& pipes, Stream& from, Stream& to, std::uint64_t bytes = kUntilEnd)
      : chunks_(chunks), pipes_(pipes), from_(from), to_(to), output_(chunks), left_(bytes) {}
  ~Splice();
  Splice(const Splice&) = delete;
  Splice& operator=(const Splice&) = delete;

  /// For who knows that much is coming: begins by splice, without a copied round that shows it.
  void expect_much() { by_splice_ = from_.is_raw() && to_.takes_raw(); }

  /// To be called at first, and whenever what it waits for has come; spurious calls do no harm.
  Flow run();

  [[nodiscard]] std::uint64_t moved() const { return moved_; }  ///< bytes that the destination's kernel has taken
  [[nodiscard]] std::uint64_t taken() const { return taken_; }  ///< bytes that were read from the source
  [[nodiscard]] std::uint64_t spliced() const { return spliced_; }  ///< of them by splice
  [[nodiscard]] std::uint64_t left() const { return left_; }  ///< bytes to be read yet; kUntilEnd where no end is known
  [[nodiscard]] int error() const { return error_; }

 private:
  Flow copy_once();
  Flow splice_once();
  IoResult fill_pipe();
  Flow drain_pipe();
  Flow at_source_stop(const IoResult& stop);
  void took(std::uint64_t bytes, bool by_splice);
  void give_pipe_back();

  ChunkPool& chunks_;
  PipePool& pipes_;
  Stream& from_;
  Stream& to_;
  OutputQueue output_;  // read and not taken yet, of what was copied
  std::unique_ptr<Pipe> pipe_;
  std::uint64_t left_;
  std::uint64_t taken_ = 0;
  std::uint64_t moved_ = 0;
  std::uint64_t spliced_ = 0;
  std::size_t share_ = 0;
  int error_ = 0;
  bool by_splice_ = false;
  bool ended_ = false;  // nothing more comes from the source; what is in between goes first
  Flow last_ = Flow::kDone;  // what it comes to then
};

}  // namespace fairlead::net
