// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <utility>

#include "bench/relay_load.hpp"

/// The relay on io_uring: multishot recv into provided buffers, which a send of the other end gives back. One message
/// is under way in a direction at a time, so it is for requests and short answers.
namespace fairlead::bench {

class UringRelay {
 public:
  /// False where the kernel, or a seccomp filter, does not let us.
  static bool usable() {
    io_uring ring{};
    if (io_uring_queue_init(8, &ring, kFlags) != 0) return false;
    io_uring_queue_exit(&ring);
    return true;
  }

  [[noreturn]] void serve(const Fd& listener, std::uint16_t backend) {
    if (io_uring_queue_init(1024, &ring_, kFlags) != 0 || !provide_buffers()) std::_Exit(1);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_multishot_accept(sqe, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(kAccept, 0, 0));
    for (;;) {
      io_uring_submit_and_wait(&ring_, 1);
      unsigned head = 0;
      unsigned count = 0;
      io_uring_cqe* cqe = nullptr;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++count;
        handle(*cqe, backend);
      }
      io_uring_cq_advance(&ring_, count);
    }
  }

 private:
  static constexpr unsigned kFlags =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
  static constexpr unsigned kBuffers = 512;
  static constexpr unsigned kSize = 16 * 1024;
  enum Op : std::uint64_t { kAccept, kReceive, kSend };

  static std::uint64_t tag(Op op, std::uint64_t index, std::uint64_t buffer) { return op | index << 8 | buffer << 40; }
  char* buffer(std::uint64_t id) { return memory_ + id * kSize; }

  bool provide_buffers() {
    const std::size_t size = kBuffers * sizeof(io_uring_buf);
    void* at = ::mmap(nullptr, size + std::size_t{kBuffers} * kSize, PROT_READ | PROT_WRITE,
                      MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (at == MAP_FAILED) return false;
    pool_ = static_cast<io_uring_buf_ring*>(at);
    memory_ = static_cast<char*>(at) + size;
    io_uring_buf_reg reg{};
    reg.ring_addr = reinterpret_cast<std::uint64_t>(at);
    reg.ring_entries = kBuffers;
    if (io_uring_register_buf_ring(&ring_, &reg, 0) != 0) return false;
    io_uring_buf_ring_init(pool_);
    for (unsigned id = 0; id < kBuffers; ++id) give_back(id);
    return true;
  }
  void give_back(std::uint64_t id) {
    io_uring_buf_ring_add(pool_, buffer(id), kSize, static_cast<unsigned short>(id), io_uring_buf_ring_mask(kBuffers),
                          0);
    io_uring_buf_ring_advance(pool_, 1);
  }
  void receive(std::uint64_t index) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_recv_multishot(sqe, ends_[index].get(), nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    io_uring_sqe_set_data64(sqe, tag(kReceive, index, 0));
  }
  void handle(const io_uring_cqe& cqe, std::uint16_t backend) {
    const auto op = static_cast<Op>(cqe.user_data & 0xff);
    const std::uint64_t index = cqe.user_data >> 8 & 0xffff'ffff;
    if (op == kSend) return give_back(cqe.user_data >> 40);
    if (op == kAccept) {
      if (cqe.res < 0) std::_Exit(1);
      ends_.emplace_back(cqe.res);
      ends_.push_back(connect_to(backend));
      receive(ends_.size() - 2);
      receive(ends_.size() - 1);
      return;
    }
    if (cqe.res == 0) std::_Exit(0);
    if (cqe.res > 0) {
      const std::uint64_t id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      // The ends of a connection are neighbours.
      io_uring_prep_send(sqe, ends_[index ^ 1].get(), buffer(id), static_cast<std::size_t>(cqe.res), MSG_WAITALL);
      io_uring_sqe_set_data64(sqe, tag(kSend, index, id));
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) receive(index);
  }

  io_uring ring_{};
  io_uring_buf_ring* pool_ = nullptr;
  char* memory_ = nullptr;
  std::deque<Fd> ends_;
};

}  // namespace fairlead::bench
