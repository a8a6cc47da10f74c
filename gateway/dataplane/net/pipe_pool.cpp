// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace fairlead::net {
namespace {

constexpr std::size_t kLeastCapacity = 64 * 1024;

/// As much as is allowed, by halves.
void enlarge(Pipe& pipe) {
  for (std::size_t size = PipePool::kCapacity; size > kLeastCapacity; size /= 2)
    if (::fcntl(pipe.write.get(), F_SETPIPE_SZ, static_cast<int>(size)) >= 0) break;
  const int capacity = ::fcntl(pipe.write.get(), F_GETPIPE_SZ);
  pipe.capacity = capacity > 0 ? static_cast<std::size_t>(capacity) : 4096;
}

}  // namespace

std::unique_ptr<Pipe> PipePool::take() {
  if (!free_.empty()) {
    auto pipe = std::move(free_.back());
    free_.pop_back();
    ++taken_;
    return pipe;
  }
  std::array<int, 2> ends{};
  if (taken_ >= most_ || ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
    ++refused_;
    return nullptr;
  }
  ++taken_;
  auto pipe = std::make_unique<Pipe>(Fd(ends[0]), Fd(ends[1]));
  enlarge(*pipe);
  return pipe;
}

void PipePool::give(std::unique_ptr<Pipe> pipe) {
  --taken_;
  if (pipe->held == 0 && free_.size() < kKept) free_.push_back(std::move(pipe));
}

}  // namespace fairlead::net
