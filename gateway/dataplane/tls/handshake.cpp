// SPDX-License-Identifier: Apache-2.0
// TlsStream until it is open, and what TCP tells it.

#include <array>
#include <cerrno>
#include <utility>

#include "failure.hpp"
#include "fairlead/tls/client_hello.hpp"
#include "fairlead/tls/tls_stream.hpp"
#include "identity_names.hpp"
#include "openssl.hpp"
#include "sealed.hpp"
#include "stream_bio.hpp"
#include "traffic_secrets.hpp"

namespace fairlead::tls {

using net::IoResult;
using net::IoStatus;

namespace {

struct HelloRefusal {
  TlsFailure failure;
  std::uint8_t alert;  ///< 0: none
  std::string_view what;
};

HelloRefusal refusal_of(Peek found) {
  using enum TlsFailure;
  switch (found) {
    case Peek::kTooLarge: return {kBadHello, SSL_AD_DECODE_ERROR, "ClientHello too large"};
    case Peek::kMalformed: return {kBadHello, SSL_AD_DECODE_ERROR, "malformed ClientHello"};
    case Peek::kUnexpected: return {kBadHello, SSL_AD_UNEXPECTED_MESSAGE, "no ClientHello, or something amid of it"};
    case Peek::kOverflow: return {kBadHello, SSL_AD_RECORD_OVERFLOW, "a record longer than allowed"};
    case Peek::kFound:
    case Peek::kNeedMore:
    case Peek::kNotTls: break;
  }
  return {kNotTls, 0, "the first bytes are not TLS"};
}

}  // namespace

TlsStream::TlsStream(std::unique_ptr<net::TcpStream> tcp) : tcp_(std::move(tcp)), state_(State::kHello) {
  peer = tcp_->peer;
  local = tcp_->local;
  tcp_->set_handler(this);
}

TlsStream::~TlsStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  close(false);
  // Else OpenSSL would spoil the session, which may be kept for resumption, where the stream was reset.
  X509_free(peer_);
  if (ssl_ != nullptr && failure_ == TlsFailure::kNone)
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
  BIO_free(kernel_);
}

std::unique_ptr<TlsStream> TlsStream::accept(std::unique_ptr<net::TcpStream> tcp,
                                             std::shared_ptr<const ServerContext> context, std::string_view received) {
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(tcp)));
  stream->server_ = std::move(context);
  stream->received_ = received;
  return stream;
}

Result<std::unique_ptr<TlsStream>> TlsStream::connect(std::unique_ptr<net::TcpStream> tcp,
                                                      std::shared_ptr<ClientContext> context,
                                                      std::string_view backend) {
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(tcp)));
  stream->client_ = std::move(context);
  stream->state_ = State::kHandshake;
  if (!stream->attach(stream->client_->connect(backend), stream->client_->ktls())) {
    return fail("TLS to a backend: " + take_openssl_error());
  }
  return stream;
}

bool TlsStream::attach(ssl_st* ssl, bool ktls) {
  if (ssl == nullptr) return false;
  ssl_ = ssl;
  BIO* bio = StreamBio::create(*this);
  if (bio == nullptr) return false;
  SSL_set_bio(ssl_, bio, bio);
  if (ktls) kernel_ = BIO_new_socket(tcp_->fd(), BIO_NOCLOSE);
  holding_ = kernel_ == nullptr;
  if (!server_ || kernel_ != nullptr) return true;
  feeding_ = TrafficSecrets::available();
  if (feeding_) SealedRecords::follow(ssl_, &sealed_records_);
  return true;
}

// False: the handler has destroyed the stream, or closed it.
template <class Call>
bool TlsStream::tell(Call call) {
  if (handler_ == nullptr) return true;
  bool destroyed = false;
  bool* const outer = std::exchange(destroyed_, &destroyed);
  call(*handler_);
  if (destroyed) {
    if (outer != nullptr) *outer = true;
    return false;
  }
  destroyed_ = outer;
  return state_ != State::kClosed;
}

void TlsStream::start() {
  if (state_ == State::kHandshake) return tcp_->connecting() ? void() : handshake();
  if (state_ != State::kHello) return;
  if (!received_.empty() && look_at_hello()) return;
  read_hello();
}

void TlsStream::read_hello() {
  std::array<char, 4096> part;
  while (state_ == State::kHello) {
    const auto result = tcp_->read(part);
    switch (result.status) {
      case IoStatus::kAgain: return;
      case IoStatus::kEnd: return refuse(TlsFailure::kTruncated, 0, "connection ended before a ClientHello");
      case IoStatus::kError: error_ = result.error; return refuse(TlsFailure::kReset, 0, "connection failed");
      case IoStatus::kOk: break;
    }
    received_.append(part.data(), result.bytes);
    if (look_at_hello()) return;
  }
}

// True where the waiting is over; the stream may be gone then.
bool TlsStream::look_at_hello() {
  ClientHello hello;
  const auto found = peek_client_hello(received_, hello);
  if (found == Peek::kNeedMore) return false;
  if (found != Peek::kFound) {
    const auto [failure, alert, what] = refusal_of(found);
    refuse(failure, alert, what);
    return true;
  }
  server_name_ = std::move(hello.server_name);
  if (!attach(server_->accept(server_name_), server_->ktls())) {
    refuse(TlsFailure::kUnknownName, SSL_AD_UNRECOGNIZED_NAME, "no virtual server for this server name");
    return true;
  }
  state_ = State::kHandshake;
  handshake();
  return true;
}

// Before there is an SSL that could say it: an alert of our own (RFC 8446 section 6).
void TlsStream::refuse(TlsFailure failure, std::uint8_t alert, std::string_view what) {
  if (alert != 0) {
    std::array<unsigned char, 7> record{SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, alert};
    const iovec piece{record.data(), record.size()};
    tcp_->write({&piece, 1});
  }
  failure_ = failure;
  what_ = what;
  tell_failure();
}

void TlsStream::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return finish_handshake();
  flush_held();  // our flight, or the alert that says why not
  const int why = SSL_get_error(ssl_, result);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) fail_handshake();
}

void TlsStream::finish_handshake() {
  // TLS 1.3: what is held now are session tickets (server) or our Finished (client). Where there are data at once both
  // go with them, in one segment; TLS 1.2's last message is what the peer waits for.
  holding_ = false;
  if (SSL_version(ssl_) < TLS1_3_VERSION) flush_held();
  fill_facts();
  seal_off();
  server_.reset();
  if (client_) client_->established(ssl_);
  state_ = State::kOpen;
  report_open();
}

void TlsStream::report_open() {
  if (!tell([](net::StreamHandler& handler) { handler.on_writable(); })) return;
  const bool empty = sealed_ ? sealed_->raw.empty() : SSL_has_pending(ssl_) == 0 && received_.empty();
  const bool quiet = empty && tcp_->may_read().status == IoStatus::kAgain;
  if (client_ || quiet) flush_held();  // nothing to say yet, but the peer waits: see read()
  if (quiet) return;
  dry_ = false;
  tell([](net::StreamHandler& handler) { handler.on_readable(); });
}

void TlsStream::fill_facts() {
  const unsigned char* alpn = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &size);
  alpn_.assign(reinterpret_cast<const char*>(alpn), size);
  facts_.alpn = alpn_;
  if (client_) {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    if (name != nullptr) server_name_ = name;
  }
  facts_.server_name = server_name_;
  facts_.version = SSL_get_version(ssl_);
  facts_.cipher = SSL_get_cipher_name(ssl_);
  facts_.resumed = SSL_session_reused(ssl_) == 1;
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK ||
      (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) == 0) {
    return;
  }
  facts_.peer_verified = true;
  peer_names_ = names_of(certificate);
  facts_.peer_names = peer_names_;
  facts_.peer_identity = peer_names_.front();
}

// True where nothing waits any more.
bool TlsStream::flush_held() {
  while (!held_.empty()) {
    const iovec piece{held_.data(), held_.size()};
    const auto result = tcp_->write({&piece, 1});
    if (result.status != IoStatus::kOk) return false;
    held_.erase(0, result.bytes);
  }
  std::string().swap(held_);
  return true;
}

// After a call on ssl_ that failed.
IoResult TlsStream::note_failure() {
  if (error_ != 0) {
    failure_ = TlsFailure::kReset;
    what_ = "connection failed";
    ERR_clear_error();
  } else {
    auto failure = take_failure(ssl_);
    failure_ = failure.kind;
    what_ = std::move(failure.what);
    error_ = EPROTO;
  }
  flush_held();
  state_ = State::kFailed;
  return {IoStatus::kError, 0, error_};
}

void TlsStream::fail_handshake() {
  note_failure();
  tell_failure();
}

void TlsStream::tell_failure() {
  if (error_ == 0) error_ = EPROTO;
  state_ = State::kFailed;
  server_.reset();
  tell([this](net::StreamHandler& handler) { handler.on_failed(error_, what_); });
}

void TlsStream::on_readable() {
  dry_ = false;
  switch (state_) {
    case State::kHello: return read_hello();
    case State::kHandshake: return handshake();
    case State::kOpen: tell([](net::StreamHandler& handler) { handler.on_readable(); }); return;
    case State::kFailed:
    case State::kClosed: return;
  }
}

void TlsStream::on_writable() {
  if (state_ == State::kHandshake) return handshake();
  if (state_ == State::kFailed) flush_held();
  if (state_ != State::kOpen) return;
  const bool flushed = flush_pending() && flush_held();
  if (state_ == State::kFailed) return tell_failure();
  if (!flushed) return;
  if (sealed_) answer_update();
  if (shut_) finish_shutdown();
  if (std::exchange(read_wants_write_, false)) {
    dry_ = false;
    if (!tell([](net::StreamHandler& handler) { handler.on_readable(); })) return;
  }
  if (std::exchange(blocked_, false)) tell([](net::StreamHandler& handler) { handler.on_writable(); });
}

void TlsStream::on_failed(int error, std::string_view what) {
  if (state_ == State::kFailed || state_ == State::kClosed) return;
  error_ = error;
  failure_ = TlsFailure::kReset;
  what_ = what;
  tell_failure();
}

}  // namespace fairlead::tls
