// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// A BPF iterator program bound to what it walks over. Each run() is one walk.
/// Owner: whoever holds it. Thread: any, one at a time.
class Iterator {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  /// Over the elements of a map.
  static Result<Iterator> over_map(int program, int map);
  /// Over the sockets of a network namespace: that in which the thread is at run().
  static Result<Iterator> over_sockets(int program);

  /// One that was pinned.
  static Iterator of_link(Fd link) { return Iterator(std::move(link)); }
  [[nodiscard]] int link() const { return link_.get(); }

  /// Walks, and hands over what the program wrote, in pieces of any size.
  [[nodiscard]] Result<> run(const Sink& sink) const;

 private:
  explicit Iterator(Fd link) : link_(std::move(link)) {}
  Fd link_;
};

}  // namespace fairlead::kernel
