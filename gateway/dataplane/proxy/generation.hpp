// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>

#include "fairlead/proxy/snapshot.hpp"

namespace fairlead::proxy {

/// One snapshot on one worker. Counted without atomics: a request must not touch a counter that workers share.
/// Owner: its references. Thread: the worker's.
class Generation {
 public:
  explicit Generation(SnapshotPtr snapshot) : snapshot_(std::move(snapshot)) {}
  [[nodiscard]] const Snapshot& snapshot() const { return *snapshot_; }

 private:
  friend class GenerationRef;
  SnapshotPtr snapshot_;
  std::uint32_t users_ = 0;
};

class GenerationRef {
 public:
  GenerationRef() = default;
  explicit GenerationRef(Generation* generation) : generation_(generation) {
    if (generation_ != nullptr) ++generation_->users_;
  }
  GenerationRef(const GenerationRef& other) : GenerationRef(other.generation_) {}
  GenerationRef(GenerationRef&& other) noexcept : generation_(std::exchange(other.generation_, nullptr)) {}
  GenerationRef& operator=(GenerationRef other) noexcept {
    std::swap(generation_, other.generation_);
    return *this;
  }
  ~GenerationRef() {
    if (generation_ != nullptr && --generation_->users_ == 0) delete generation_;
  }

  const Snapshot* operator->() const { return &generation_->snapshot(); }
  explicit operator bool() const { return generation_ != nullptr; }
  friend bool operator==(const GenerationRef&, const GenerationRef&) = default;

 private:
  Generation* generation_ = nullptr;
};

}  // namespace fairlead::proxy
