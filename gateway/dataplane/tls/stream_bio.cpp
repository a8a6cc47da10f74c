// SPDX-License-Identifier: Apache-2.0
#include "stream_bio.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fairlead::tls {

using net::IoStatus;

const BIO_METHOD* StreamBio::method() {
  static const BIO_METHOD* const made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "fairlead stream");
    BIO_meth_set_read(fresh, read);
    BIO_meth_set_write(fresh, write);
    BIO_meth_set_ctrl(fresh, control);
    return fresh;
  }();
  return made;
}

BIO* StreamBio::create(TlsStream& stream) {
  BIO* bio = BIO_new(method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, &stream);
  BIO_set_init(bio, 1);
  return bio;
}

int StreamBio::read(BIO* bio, char* out, int size) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (stream.feeding_ && stream.received_.empty() && !receive(bio, stream)) return stream.tcp_ended_ ? 0 : -1;
  if (!stream.received_.empty()) {
    const auto part = std::min(static_cast<std::size_t>(size), stream.received_.size() - stream.received_at_);
    // NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes
    std::memcpy(out, stream.received_.data() + stream.received_at_, part);
    stream.received_at_ += static_cast<std::uint32_t>(part);
    if (stream.received_at_ == stream.received_.size()) {
      std::string().swap(stream.received_);
      stream.received_at_ = 0;
    }
    return static_cast<int>(part);
  }
  if (stream.kernel_ != nullptr) return read_kernel(bio, stream, out, size);
  const auto result = stream.tcp_->read({out, static_cast<std::size_t>(size)});
  switch (result.status) {
    case IoStatus::kOk: return static_cast<int>(result.bytes);
    case IoStatus::kAgain: BIO_set_retry_read(bio); return -1;
    case IoStatus::kEnd: stream.tcp_ended_ = true; return 0;
    case IoStatus::kError: stream.error_ = result.error; return -1;
  }
  return -1;
}

/// During a server's handshake OpenSSL is given what it asks for and no more: what follows may not be for it.
bool StreamBio::receive(BIO* bio, TlsStream& stream) {
  std::array<char, 4096> part;
  const auto result = stream.tcp_->read(part);
  if (result.status == IoStatus::kOk) stream.received_.assign(part.data(), result.bytes);
  if (result.status == IoStatus::kAgain) BIO_set_retry_read(bio);
  if (result.status == IoStatus::kEnd) stream.tcp_ended_ = true;
  if (result.status == IoStatus::kError) stream.error_ = result.error;
  return result.status == IoStatus::kOk;
}

int StreamBio::write(BIO* bio, const char* data, int size) {
  auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (stream.kernel_ != nullptr) return write_kernel(bio, stream, data, size);
  if (stream.holding_) {
    stream.held_.append(data, static_cast<std::size_t>(size));
    return size;
  }
  const int written = write_with_held(stream, data, static_cast<std::size_t>(size));
  if (written < 0 && stream.error_ == 0) BIO_set_retry_write(bio);
  return written;
}

// -1: nothing of `data` was taken.
int StreamBio::write_with_held(TlsStream& stream, const char* data, std::size_t size) {
  const std::array<iovec, 2> both{iovec{stream.held_.data(), stream.held_.size()},
                                  iovec{const_cast<char*>(data), size}};
  const std::size_t held = stream.held_.size();
  const auto result = stream.tcp_->write(std::span(both).subspan(held == 0 ? 1 : 0));
  if (result.status == IoStatus::kError) stream.error_ = result.error;
  if (result.status != IoStatus::kOk) return -1;
  if (result.bytes < held) {
    stream.held_.erase(0, result.bytes);
    return -1;
  }
  if (held != 0) std::string().swap(stream.held_);
  return result.bytes == held ? -1 : static_cast<int>(result.bytes - held);
}

int StreamBio::read_kernel(BIO* bio, TlsStream& stream, char* out, int size) {
  const int got = BIO_read(stream.kernel_, out, size);
  if (got > 0) return got;
  if (BIO_should_retry(stream.kernel_)) {
    stream.tcp_->drained();
    BIO_set_retry_read(bio);
  } else if (got == 0) {
    stream.tcp_ended_ = true;
  } else {
    stream.error_ = errno;
  }
  return got;
}

int StreamBio::write_kernel(BIO* bio, TlsStream& stream, const char* data, int size) {
  const int written = BIO_write(stream.kernel_, data, size);
  if (written > 0) return written;
  if (BIO_should_retry(stream.kernel_)) {
    stream.tcp_->filled();
    BIO_set_retry_write(bio);
  } else {
    stream.error_ = errno;
  }
  return written;
}

long StreamBio::control(BIO* bio, int command, long number, void* pointer) {
  const auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return stream.tcp_ended_ ? 1 : 0;
    case BIO_CTRL_PUSH:
    case BIO_CTRL_POP:
    case BIO_CTRL_DUP: return 0;
    // OpenSSL hands keys to the kernel by commands to the BIO that has the socket.
    default: return stream.kernel_ == nullptr ? 0 : BIO_ctrl(stream.kernel_, command, number, pointer);
  }
}

}  // namespace fairlead::tls
