// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>

namespace fairlead::http {

/// Counts what nghttp2 allocates for one connection. Owner: an H2Connection, at a fixed address. Thread: its worker's.
class H2Memory {
 public:
  explicit H2Memory(std::uint64_t& total);
  H2Memory(const H2Memory&) = delete;
  H2Memory& operator=(const H2Memory&) = delete;

  [[nodiscard]] nghttp2_mem* hooks() { return &hooks_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static void* allocate(std::size_t size, void* self);
  static void release(void* at, void* self);
  static void* allocate_zeroed(std::size_t count, std::size_t size, void* self);
  static void* resize(void* at, std::size_t size, void* self);
  void* counted(void* at);

  nghttp2_mem hooks_;
  std::uint64_t& total_;  // of all connections
  std::size_t bytes_ = 0;
};

}  // namespace fairlead::http
