// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/output_queue.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fairlead::net {

Chunk& OutputQueue::last_with_room() {
  if (last_ != nullptr && last_->room() > 0) return *last_;
  Chunk* made = pool_.take();
  (last_ == nullptr ? first_ : last_->next) = made;
  last_ = made;
  return *made;
}

void OutputQueue::append(std::string_view data) {
  size_ += data.size();
  while (!data.empty()) {
    Chunk& chunk = last_with_room();
    const std::size_t part = std::min(data.size(), chunk.room());
    std::memcpy(chunk.data + chunk.end, data.data(), part);
    chunk.end += static_cast<std::uint32_t>(part);
    data.remove_prefix(part);
  }
}

char* OutputQueue::reserve(std::size_t bytes) {
  if (last_ == nullptr || last_->room() < bytes) {
    Chunk* made = pool_.take();
    (last_ == nullptr ? first_ : last_->next) = made;
    last_ = made;
  }
  return last_->data + last_->end;
}

void OutputQueue::commit(std::size_t bytes) {
  last_->end += static_cast<std::uint32_t>(bytes);
  size_ += bytes;
  if (size_ == 0) clear();
}

IoResult OutputQueue::send(Stream& stream, std::string_view data) {
  if (data.size() < kLarge) {
    append(data);
    return {};
  }
  const IoResult result = write_all(stream, data);
  if (result.status != IoStatus::kError) append(data);
  return result;
}

IoResult OutputQueue::flush(Stream& stream) {
  std::string_view nothing;
  return write_all(stream, nothing);
}

/// Takes from `behind` what was written of it.
IoResult OutputQueue::write_all(Stream& stream, std::string_view& behind) {
  std::size_t written = 0;
  while (size_ > 0 || !behind.empty()) {
    std::array<iovec, kPieces + 1> pieces;
    std::size_t count = 0;
    Chunk* chunk = first_;
    for (; chunk != nullptr && count < kPieces; chunk = chunk->next)
      if (chunk->size() > 0) pieces[count++] = {chunk->data + chunk->begin, chunk->size()};
    if (chunk == nullptr && !behind.empty()) pieces[count++] = {const_cast<char*>(behind.data()), behind.size()};
    const IoResult result = stream.write(std::span(pieces).first(count));
    if (result.status != IoStatus::kOk) return {result.status, written, result.error};
    written += result.bytes;
    const std::size_t queued = std::min(result.bytes, size_);
    consume(queued);
    behind.remove_prefix(result.bytes - queued);
  }
  return {IoStatus::kOk, written, 0};
}

void OutputQueue::consume(std::size_t bytes) {
  size_ -= bytes;
  while (first_ != nullptr) {
    const std::size_t part = std::min(bytes, first_->size());
    first_->begin += static_cast<std::uint32_t>(part);
    bytes -= part;
    if (first_->size() > 0) return;
    Chunk* empty = first_;
    first_ = empty->next;
    if (first_ == nullptr) last_ = nullptr;
    pool_.give(empty);
  }
}

void OutputQueue::clear() {
  size_ = 0;
  while (first_ != nullptr) {
    Chunk* next = first_->next;
    pool_.give(first_);
    first_ = next;
  }
  last_ = nullptr;
}

}  // namespace fairlead::net
