// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "fairlead/telemetry/meter.hpp"

namespace fairlead::telemetry {

/// A counter that one thread writes and any may read: an addition, no locked instruction.
class OwnCounter {
 public:
  void add(std::uint64_t by) { value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// What distinguishes outcomes: status, gRPC status, whether gRPC, whether the client was verified, flags.
struct OutcomeKey {
  std::uint16_t status = 0;
  std::int16_t grpc_status = kNoGrpcStatus;
  bool grpc = false;
  bool mutual_tls = false;
  ResponseFlags flags;

  static constexpr std::uint64_t kOther = ~std::uint64_t{0};  ///< outcomes beyond the limit

  [[nodiscard]] std::uint64_t packed() const {
    return std::uint64_t{flags.bits()} | (std::uint64_t{status} << 32) |
           (static_cast<std::uint64_t>(static_cast<std::uint8_t>(grpc_status)) << 48) | (std::uint64_t{grpc} << 56) |
           (std::uint64_t{mutual_tls} << 57);
  }
  static OutcomeKey unpacked(std::uint64_t key) {
    OutcomeKey outcome;
    outcome.flags = ResponseFlags(static_cast<std::uint32_t>(key));
    outcome.status = static_cast<std::uint16_t>(key >> 32);
    outcome.grpc_status = static_cast<std::int8_t>(key >> 48);  // NOLINT(bugprone-signed-char-misuse): -1 is none
    outcome.grpc = (key >> 56 & 1) != 0;
    outcome.mutual_tls = (key >> 57 & 1) != 0;
    return outcome;
  }
};

struct WorkerMeter::Cell {
  std::uint64_t key = 0;
  std::atomic<Cell*> next{nullptr};
  OwnCounter duration_ns;
  OwnCounter request_bytes;
  OwnCounter response_bytes;
  std::array<OwnCounter, kDurationBoundsMs.size() + 1> durations;
  std::array<OwnCounter, kSizeBounds.size() + 1> request_sizes;
  std::array<OwnCounter, kSizeBounds.size() + 1> response_sizes;
};

/// How long backends took, and we, in the requests of a series whose records say so.
struct WorkerMeter::Split {
  OwnCounter backend_ns, own_ns;
  std::array<OwnCounter, kDurationBoundsMs.size() + 1> backend, own;
};

struct WorkerMeter::Slot {
  ~Slot() { delete split.load(std::memory_order_relaxed); }
  std::atomic<Cell*> first{nullptr};
  std::atomic<Split*> split{nullptr};
  std::uint32_t cells = 0;  // the worker's
};

struct WorkerMeter::ListenerRow {
  std::array<OwnCounter, kListenerCounters> counters;
};

/// Rows by number; grown under the meter's lock while the worker reads: chunks never move.
template <class Row>
class WorkerMeter::Table {
 public:
  static constexpr std::size_t kChunk = 256;
  static constexpr std::size_t kChunks = 4096;  // a million rows

  ~Table() {
    for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
  }
  /// Before the number is given to anybody.
  void grow_to(std::size_t rows) {
    for (std::size_t chunk = 0; chunk * kChunk < rows && chunk < kChunks; ++chunk)
      if (chunks_[chunk].load(std::memory_order_relaxed) == nullptr)
        chunks_[chunk].store(new Row[kChunk], std::memory_order_release);
  }
  /// nullptr for numbers that were never given.
  [[nodiscard]] Row* at(std::size_t index) const {
    if (index >= kChunk * kChunks) return nullptr;
    auto* chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : chunk + index % kChunk;
  }

  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
      const auto* rows = chunks_[chunk].load(std::memory_order_acquire);
      if (rows == nullptr) return;  // they are made in their order
      for (std::size_t row = 0; row < kChunk; ++row) visit(rows[row]);
    }
  }

 private:
  std::array<std::atomic<Row*>, kChunks> chunks_{};
};

struct WorkerMeter::Tables {
  Table<Slot> series;
  Table<ListenerRow> listeners;
  Table<OwnCounter> counters;
  std::vector<std::unique_ptr<Cell[]>> cells;  // in runs; the worker's
  std::size_t used = 0;                        // of the last run
  static constexpr std::size_t kRun = 64;
};

}  // namespace fairlead::telemetry
