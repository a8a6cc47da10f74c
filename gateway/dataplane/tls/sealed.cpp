// SPDX-License-Identifier: Apache-2.0
// TlsStream once a handshake of TLS 1.3 is over: it goes on without OpenSSL's SSL.
#include "sealed.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fairlead/tls/tls_stream.hpp"
#include "traffic_secrets.hpp"

namespace fairlead::tls {

using net::IoResult;
using net::IoStatus;

namespace {

/// What is received and sealed within one call: a thread's, of those that serve TLS.
struct Buffers {
  std::array<char, 2 * (Records::kHeader + Records::kMostSealed)> in;
  std::array<char, Records::kMostData + Records::kOverhead> out;
};
Buffers& buffers() {
  static thread_local const std::unique_ptr<Buffers> bytes(new Buffers);
  return *bytes;
}

int count_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void note_message(int written, int, int type, const void* bytes, std::size_t size, SSL* ssl, void*) {
  auto* const count = written == 1 ? static_cast<std::uint32_t*>(SSL_get_ex_data(ssl, count_index())) : nullptr;
  if (count == nullptr) return;
  if (type == SSL3_RT_HEADER) ++*count;
  // What follows our Finished goes by the keys for data.
  const bool finished = type == SSL3_RT_HANDSHAKE && size > 0 && *static_cast<const char*>(bytes) == SSL3_MT_FINISHED;
  if (finished) *count = 0;
}

}  // namespace

void SealedRecords::watch(SSL_CTX* context) {
  SSL_CTX_set_msg_callback(context, note_message);
  SSL_CTX_set_read_ahead(context, 0);  // what follows the handshake may not be OpenSSL's
}

void SealedRecords::follow(SSL* ssl, std::uint32_t* count) { SSL_set_ex_data(ssl, count_index(), count); }

std::size_t Sealed::take_plain(std::span<char> into) {
  const auto part = std::min(into.size(), plain.size() - plain_at);
  std::memcpy(into.data(), plain.data() + plain_at, part);
  plain_at += part;
  if (plain_at == plain.size()) {
    std::string().swap(plain);
    plain_at = 0;
  }
  return part;
}

void Sealed::keep_raw(std::span<const char> bytes) {
  if (bytes.empty()) std::string().swap(raw);
  else raw.assign(bytes.data(), bytes.size());
}

/// OpenSSL's part is over where nothing of what follows has reached it: records are left to us then.
void TlsStream::seal_off() {
  if (!std::exchange(feeding_, false)) return;
  SealedRecords::follow(ssl_, nullptr);
  const auto rest = std::string_view(received_).substr(std::min<std::size_t>(received_at_, received_.size()));
  const auto secrets = TrafficSecrets::of(ssl_);
  if (secrets && SSL_has_pending(ssl_) == 0 && rest.size() <= buffers().in.size()) {
    const auto suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl_));
    if (auto records = Records::create(suite, secrets->client, secrets->server, sealed_records_)) {
      sealed_ = std::make_unique<Sealed>(Sealed{.records = std::move(records), .raw = {}, .plain = {}, .unsent = {}});
      sealed_->raw = rest;
      std::string().swap(received_);
      peer_ = SSL_get1_peer_certificate(ssl_);
      SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      SSL_free(std::exchange(ssl_, nullptr));
      return;
    }
    ERR_clear_error();
  }
  SSL_set_read_ahead(ssl_, 1);  // header and body of a record by one call
}

IoResult TlsStream::fail_sealed(TlsFailure failure, std::string_view what) {
  auto& records = *sealed_->records;
  failure_ = failure;
  what_ = what;
  if (error_ == 0) error_ = EPROTO;
  if (failure == TlsFailure::kProtocol && sealed_->unsent.empty()) {
    sealed_->unsent = records.seal_alert(SSL3_AL_FATAL, records.alert());
    flush_sealed();
  }
  state_ = State::kFailed;
  return {IoStatus::kError, 0, error_};
}

IoResult TlsStream::read_sealed(std::span<char> into) {
  auto& sealed = *sealed_;
  std::size_t filled = sealed.take_plain(into);
  auto& input = buffers().in;
  std::memcpy(input.data(), sealed.raw.data(), sealed.raw.size());
  std::span<char> have(input.data(), sealed.raw.size());
  IoResult failed{};
  while (filled < into.size() && !ended_ && !dry_ && failed.status == IoStatus::kOk) {
    std::span<const char> data;
    switch (sealed.records->open(have, into.subspan(filled), data)) {
      case Records::Opened::kMore: failed = read_raw(have, into.size() - filled); break;
      case Records::Opened::kData: filled += take_data(data, into.subspan(filled)); break;
      case Records::Opened::kEnd: ended_ = true; break;
      case Records::Opened::kFailed:
        failed = fail_sealed(sealed.records->alerted() ? TlsFailure::kPeerAlert : TlsFailure::kProtocol,
                             sealed.records->what());
        break;
    }
  }
  sealed.keep_raw(have);
  if (filled > 0 || into.empty()) return {IoStatus::kOk, filled, 0};  // a failure is said by the next call
  if (failed.status != IoStatus::kOk) return failed;
  if (ended_) return {IoStatus::kEnd, 0, 0};
  flush_held();  // see read()
  return {IoStatus::kAgain, 0, 0};
}

/// More of a record, from TCP behind `have`, which moves to the begin of the scratch.
IoResult TlsStream::read_raw(std::span<char>& have, std::size_t room) {
  auto& input = buffers().in;
  std::memmove(input.data(), have.data(), have.size());
  const auto wanted = std::max(sealed_->records->lacking(), room + 2 * Records::kOverhead);
  const auto rest = std::span(input).subspan(have.size());
  const auto result = tcp_->read(rest.first(std::min(rest.size(), wanted)));
  have = std::span(input).first(have.size());
  switch (result.status) {
    case IoStatus::kOk: have = std::span(input).first(have.size() + result.bytes); return {};
    case IoStatus::kAgain: dry_ = true; return {};
    case IoStatus::kEnd: return fail_sealed(TlsFailure::kTruncated, "unexpected eof while reading");
    case IoStatus::kError: break;
  }
  error_ = result.error;
  return fail_sealed(TlsFailure::kReset, "connection failed");
}

/// Data that were opened, to where they are wanted, if they do not stand there already.
std::size_t TlsStream::take_data(std::span<const char> data, std::span<char> into) {
  answer_update();
  if (data.empty() || data.data() == into.data()) return data.size();
  const auto part = std::min(data.size(), into.size());
  std::memcpy(into.data(), data.data(), part);
  sealed_->plain.assign(data.data() + part, data.size() - part);
  return part;
}

/// One for all that were asked for while another waits for TCP: a peer that never reads cannot make us gather them.
void TlsStream::answer_update() {
  if (!sealed_->records->update_due() || !sealed_->unsent.empty() || sealed_->said_close) return;
  sealed_->unsent = sealed_->records->seal_update();
  flush_sealed();
}

/// False: TCP does not take it all, or failed.
bool TlsStream::flush_sealed() {
  if (!flush_held()) return false;
  auto& unsent = sealed_->unsent;
  while (!unsent.empty()) {
    const iovec piece{unsent.data(), unsent.size()};
    const auto result = tcp_->write({&piece, 1});
    if (result.status == IoStatus::kError && error_ == 0) error_ = result.error;
    if (result.status != IoStatus::kOk) return false;
    unsent.erase(0, result.bytes);
  }
  std::string().swap(unsent);
  sent_ahead_ += std::exchange(pending_, 0);
  return true;
}

/// What write_record() does, with SSL's words for it.
int TlsStream::write_sealed(std::span<const char> data) {
  answer_update();
  if (!sealed_->unsent.empty()) return SSL_ERROR_WANT_WRITE;
  auto& out = buffers().out;
  const auto size = data.size() + Records::kOverhead;
  if (!sealed_->records->seal(data, out.data())) return SSL_ERROR_SSL;
  const std::array<iovec, 2> both{iovec{held_.data(), held_.size()}, iovec{out.data(), size}};
  const auto held = held_.size();
  const auto result = tcp_->write(std::span(both).subspan(held == 0 ? 1 : 0));
  if (result.status == IoStatus::kError) {
    error_ = result.error;
    return SSL_ERROR_SYSCALL;
  }
  const auto went = result.status == IoStatus::kOk ? result.bytes : 0;
  if (held != 0) held_.erase(0, went);
  if (held_.empty()) std::string().swap(held_);
  const auto gone = went - std::min(went, held);
  if (gone == size) return SSL_ERROR_NONE;
  sealed_->unsent.assign(out.data() + gone, size - gone);
  pending_ = static_cast<std::uint32_t>(data.size());
  return SSL_ERROR_WANT_WRITE;
}

/// Whether close_notify has left.
bool TlsStream::say_close_sealed() {
  if (!std::exchange(sealed_->said_close, true))
    sealed_->unsent = sealed_->records->seal_alert(SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
  return flush_sealed();
}

}  // namespace fairlead::tls
