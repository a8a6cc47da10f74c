// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::net {

/// A pipe through which bytes are spliced, non-blocking.
struct Pipe {
  Fd read;
  Fd write;
  std::size_t capacity = 0;  ///< bytes
  std::size_t held = 0;      ///< bytes in it
};

/// The pipes of one worker, the last given back first.
/// Owner: a worker, outliving what it serves. Thread: the worker's.
class PipePool {
 public:
  static constexpr std::size_t kKept = 32;
  /// Bytes that are asked for. The kernel may allow less: an unprivileged user has 64 MiB of pipes
  /// (fs.pipe-user-pages-soft), and fs.pipe-max-size bounds each.
  static constexpr std::size_t kCapacity = 512 * 1024;

  /// `most`: pipes at a time; each takes two descriptors.
  explicit PipePool(std::size_t most = 1024) : most_(most) {}

  /// Empty; nullptr where descriptors or `most` are out: copy then.
  [[nodiscard]] std::unique_ptr<Pipe> take();
  /// A pipe that holds something is closed.
  void give(std::unique_ptr<Pipe> pipe);
  [[nodiscard]] std::uint64_t refused() const { return refused_; }  ///< times that there was none

 private:
  std::vector<std::unique_ptr<Pipe>> free_;
  std::size_t most_;
  std::size_t taken_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace fairlead::net
