// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/tls_stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "fairlead/tls/client_hello.hpp"
#include "openssl.hpp"
#include "sealed.hpp"
#include "stream_bio.hpp"

namespace fairlead::tls {

using net::IoResult;
using net::IoStatus;

namespace {

constexpr std::size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;

// For what is gathered and gone within one call: a thread's, of those that serve TLS.
std::array<char, kRecord>& scratch() {
  using Record = std::array<char, kRecord>;
  static thread_local const std::unique_ptr<Record> bytes(new Record);
  return *bytes;
}

// Takes up to a record from the pieces: in place where one piece has it all, else gathered.
class RecordCutter {
 public:
  explicit RecordCutter(std::span<const iovec> pieces) : pieces_(pieces) { skip_empty(); }

  [[nodiscard]] bool done() const { return pieces_.empty(); }
  /// Passes over up to `bytes`; how many it were.
  std::size_t skip(std::size_t bytes) {
    std::size_t skipped = 0;
    while (!done() && skipped < bytes) {
      const auto piece = rest_of_first();
      skipped += advance(piece.first(std::min(piece.size(), bytes - skipped))).size();
    }
    return skipped;
  }
  std::span<const char> next() {
    const auto first = rest_of_first();
    if (first.size() >= kRecord || pieces_.size() == 1) return advance(first.first(std::min(first.size(), kRecord)));
    std::size_t filled = 0;
    while (!done() && filled < kRecord) {
      const auto piece = rest_of_first();
      const auto part = advance(piece.first(std::min(piece.size(), kRecord - filled)));
      std::memcpy(scratch().data() + filled, part.data(), part.size());
      filled += part.size();
    }
    return std::span(scratch()).first(filled);
  }

 private:
  [[nodiscard]] std::span<const char> rest_of_first() const {
    return std::span(static_cast<const char*>(pieces_[0].iov_base), pieces_[0].iov_len).subspan(at_);
  }
  std::span<const char> advance(std::span<const char> part) {
    at_ += part.size();
    skip_empty();
    return part;
  }
  void skip_empty() {
    while (!pieces_.empty() && at_ == pieces_[0].iov_len) {
      pieces_ = pieces_.subspan(1);
      at_ = 0;
    }
  }

  std::span<const iovec> pieces_;
  std::size_t at_ = 0;
};

}  // namespace

IoResult TlsStream::read(std::span<char> into) {
  if (state_ != State::kOpen) {
    return state_ == State::kFailed || state_ == State::kClosed ? IoResult{IoStatus::kError, 0, error_}
                                                                : IoResult{IoStatus::kAgain, 0, 0};
  }
  if (ended_) return {IoStatus::kEnd, 0, 0};
  if (sealed_) return dry_ && sealed_->plain.empty() ? IoResult{IoStatus::kAgain, 0, 0} : read_sealed(into);
  if (dry_) return {IoStatus::kAgain, 0, 0};
  std::size_t filled = 0;
  while (filled < into.size()) {
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, into.data() + filled, into.size() - filled, &got);
    if (result == 1) {
      filled += got;
      // Asking once more would make OpenSSL allocate a buffer to find that there is nothing.
      if (SSL_has_pending(ssl_) == 0 && received_.empty() && tcp_->may_read().status == IoStatus::kAgain) {
        dry_ = true;
        break;
      }
      continue;
    }
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        dry_ = true;
        // A client with Nagle's algorithm (RFC 896) keeps its request until its Finished is acknowledged: by tickets
        // that wait for data no longer, or by the kernel alone 40 ms later.
        if (filled == 0) flush_held();
        break;
      case SSL_ERROR_WANT_WRITE: read_wants_write_ = dry_ = true; break;
      case SSL_ERROR_ZERO_RETURN: ended_ = true; break;
      default:
        if (filled == 0) return note_failure();
        note_failure();  // what came before it is handed out; the next call says it
        return {IoStatus::kOk, filled, 0};
    }
    break;
  }
  if (filled > 0 || into.empty()) return {IoStatus::kOk, filled, 0};
  return {ended_ ? IoStatus::kEnd : IoStatus::kAgain, 0, 0};
}

// Where TCP does not take the record, OpenSSL keeps it, and it has to go before any other.
int TlsStream::write_record(std::span<const char> data) {
  if (sealed_) return write_sealed(data);
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_, data.data(), data.size(), &written);
  if (result == 1) return SSL_ERROR_NONE;
  const int why = SSL_get_error(ssl_, result);
  if (why == SSL_ERROR_WANT_WRITE) pending_ = static_cast<std::uint32_t>(data.size());
  return why;
}

// OpenSSL looks at the length only when a record is to be written again, not at the bytes.
bool TlsStream::flush_pending() {
  if (sealed_) {
    if (flush_sealed()) return true;
    if (error_ != 0) fail_sealed(TlsFailure::kReset, "connection failed");
    return false;
  }
  if (pending_ == 0) return true;
  const auto size = pending_;
  const int why = write_record(std::span(scratch()).first(size));
  if (why == SSL_ERROR_NONE) {
    pending_ = 0;
    sent_ahead_ += size;
    return true;
  }
  if (why != SSL_ERROR_WANT_WRITE) note_failure();
  return false;
}

IoResult TlsStream::blocked() {
  blocked_ = true;
  return {IoStatus::kAgain, 0, 0};
}

// As with TCP, what is taken is the kernel's: so a caller whose bytes were all taken may close. Bytes of a record that
// waited in OpenSSL are taken when they are offered the next time.
IoResult TlsStream::write(std::span<const iovec> from) {
  if (state_ == State::kFailed || state_ == State::kClosed) return {IoStatus::kError, 0, error_};
  if (state_ != State::kOpen) return blocked();
  if (shut_) return {IoStatus::kError, 0, EPIPE};
  if (!flush_pending()) return state_ == State::kFailed ? IoResult{IoStatus::kError, 0, error_} : blocked();
  RecordCutter records(from);
  std::size_t taken = records.skip(sent_ahead_);
  sent_ahead_ -= static_cast<std::uint32_t>(taken);
  while (!records.done()) {
    const auto record = records.next();
    const int why = write_record(record);
    if (why == SSL_ERROR_WANT_WRITE) {
      if (taken == 0) return blocked();
      blocked_ = true;
      break;
    }
    if (why != SSL_ERROR_NONE) return sealed_ ? fail_sealed(TlsFailure::kReset, "connection failed") : note_failure();
    taken += record.size();
  }
  return {IoStatus::kOk, taken, 0};
}

void TlsStream::shutdown_write() {
  if (shut_ || state_ != State::kOpen) return;
  shut_ = true;
  finish_shutdown();
}

// close_notify, then FIN, as soon as what was written before has left.
void TlsStream::finish_shutdown() {
  if (fin_ || state_ != State::kOpen || !flush_pending()) return;
  if (!(sealed_ ? say_close_sealed() : say_close()) || !flush_held()) return;
  fin_ = true;
  tcp_->shutdown_write();
}

bool TlsStream::say_close() {
  ERR_clear_error();
  if ((SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) == 0) {
    const int result = SSL_shutdown(ssl_);
    return result >= 0 || SSL_get_error(ssl_, result) != SSL_ERROR_WANT_WRITE;
  }
  if (!SSL_want_write(ssl_)) return true;
  SSL_shutdown(ssl_);
  return !SSL_want_write(ssl_);
}

void TlsStream::close(bool reset) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kOpen && !reset && !shut_) {
    shut_ = true;
    finish_shutdown();
  }
  state_ = State::kClosed;
  if (error_ == 0) error_ = EBADF;
  tcp_->close(reset);
}

bool TlsStream::takes_raw() const {
  return kernel_ != nullptr && state_ == State::kOpen && BIO_get_ktls_send(SSL_get_wbio(ssl_));
}

/// The kernel seals what the pipe holds, record by record.
IoResult TlsStream::write_from_pipe(int pipe, std::size_t bytes) {
  if (!takes_raw() || shut_) return {IoStatus::kError, 0, shut_ ? EPIPE : EOPNOTSUPP};
  if (!flush_pending()) return state_ == State::kFailed ? IoResult{IoStatus::kError, 0, error_} : blocked();
  const auto put = tcp_->write_from_pipe(pipe, bytes);
  return put.status == IoStatus::kAgain ? blocked() : put;
}

std::optional<PeerCertificate> TlsStream::peer_certificate() const {
  const X509* certificate = ssl_ == nullptr ? peer_ : SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return std::nullopt;
  return describe(certificate);
}

}  // namespace fairlead::tls
