// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/net/stream.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/tls/client_context.hpp"
#include "fairlead/tls/identity.hpp"
#include "fairlead/tls/server_context.hpp"

struct bio_st;
struct ssl_st;
struct x509_st;

namespace fairlead::tls {

struct Sealed;

/// Why a stream failed, for counters; text_of() is its label.
enum class TlsFailure : std::uint8_t {
  kNone,
  kNotTls,             ///< the first bytes are no TLS
  kBadHello,           ///< a ClientHello that contradicts itself or is too large, or something else in its place
  kUnknownName,        ///< no virtual server for the SNI, or none without one
  kNoVersion,          ///< no version in common
  kNoCipher,           ///< no cipher, group or signature algorithm in common
  kNoAlpn,             ///< no application protocol in common
  kNoCertificate,      ///< the client gave none
  kBadCertificate,     ///< the peer's did not verify; what() says why
  kPeerAlert,          ///< the peer ended it by an alert
  kTruncated,          ///< the connection ended without close_notify, or within the handshake
  kReset,              ///< TCP failed
  kProtocol,           ///< records or messages that are not TLS' (also: altered, renegotiation)
  kCount,
};
[[nodiscard]] std::string_view text_of(TlsFailure failure);

/// TLS over a TcpStream, either side. Nothing is allocated for the handshake before a whole ClientHello is there, and
/// an idle connection holds no buffer; of TLS 1.3 a server holds, behind the handshake, little more than its keys. A
/// write makes records of up to 16 KiB from whatever pieces it is given. What it does not take has to be offered again,
/// first and unchanged, as a record of it may be sealed already (of at most 16 KiB). An end without close_notify is an
/// error (RFC 8446 section 6.1), renegotiation and early data are refused. Time-outs are the owner's. The handler's
/// on_writable says that the handshake is done; before that, read and write answer kAgain. The handler may destroy the
/// stream within any call. Owner: a session. Thread: its worker's.
class TlsStream final : public net::Stream, private net::StreamHandler {
 public:
  /// The server's side of an accepted connection. `received`: what was read of it already (behind a PROXY header).
  static std::unique_ptr<TlsStream> accept(std::unique_ptr<net::TcpStream> tcp,
                                           std::shared_ptr<const ServerContext> context,
                                           std::string_view received = {});
  /// The client's side of one that connects or is connected. `backend`: whose sessions may be resumed.
  static Result<std::unique_ptr<TlsStream>> connect(std::unique_ptr<net::TcpStream> tcp,
                                                    std::shared_ptr<ClientContext> context, std::string_view backend);
  ~TlsStream() override;

  /// Goes on with what is there already; once, after set_handler(). Calls the handler.
  void start();

  net::IoResult read(std::span<char> into) override;
  net::IoResult write(std::span<const iovec> from) override;
  void shutdown_write() override;
  void close(bool reset) override;

  [[nodiscard]] int fd() const override { return tcp_->fd(); }
  net::IoResult write_from_pipe(int pipe, std::size_t bytes) override;
  /// Never: with kernel TLS, too, control records come between the data, which a splice would stop at.
  [[nodiscard]] bool is_raw() const override { return false; }
  [[nodiscard]] bool takes_raw() const override;  ///< kernel TLS
  [[nodiscard]] const net::TlsFacts* tls() const override { return state_ == State::kOpen ? &facts_ : nullptr; }

  [[nodiscard]] TlsFailure failure() const { return failure_; }
  /// More about failure(): "certificate has expired".
  [[nodiscard]] std::string_view what() const { return what_; }
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate() const;

 private:
  enum class State : std::uint8_t { kHello, kHandshake, kOpen, kFailed, kClosed };
  friend struct StreamBio;

  explicit TlsStream(std::unique_ptr<net::TcpStream> tcp);
  void on_readable() override;
  void on_writable() override;
  void on_failed(int error, std::string_view what) override;

  bool attach(ssl_st* ssl, bool ktls);
  void seal_off();
  net::IoResult read_sealed(std::span<char> into);
  net::IoResult read_raw(std::span<char>& have, std::size_t room);
  std::size_t take_data(std::span<const char> data, std::span<char> into);
  void answer_update();
  int write_sealed(std::span<const char> data);
  bool flush_sealed();
  bool say_close_sealed();
  bool say_close();
  net::IoResult fail_sealed(TlsFailure failure, std::string_view what);
  void read_hello();
  bool look_at_hello();
  void handshake();
  void finish_handshake();
  void fill_facts();
  void report_open();
  void finish_shutdown();
  bool flush_pending();
  net::IoResult blocked();
  bool flush_held();
  int write_record(std::span<const char> data);
  void refuse(TlsFailure failure, std::uint8_t alert, std::string_view what);
  net::IoResult note_failure();
  void fail_handshake();
  void tell_failure();
  template <class Call>
  bool tell(Call call);

  std::unique_ptr<net::TcpStream> tcp_;
  std::shared_ptr<const ServerContext> server_;  // until the handshake is over
  std::shared_ptr<ClientContext> client_;
  ssl_st* ssl_ = nullptr;
  std::unique_ptr<Sealed> sealed_;  // behind a server's handshake of TLS 1.3, in place of ssl_
  x509_st* peer_ = nullptr;  // the client's certificate, where ssl_ is gone
  bio_st* kernel_ = nullptr;  // OpenSSL's own socket BIO, where kernel TLS is asked for
  std::string received_;  // not yet seen by OpenSSL
  std::string held_;  // made by OpenSSL, not yet written: what goes best along with the next record
  std::string server_name_;
  std::string alpn_;
  std::vector<std::string> peer_names_;
  std::string what_;
  net::TlsFacts facts_;
  bool* destroyed_ = nullptr;  // while a handler is called: where to say that it has destroyed us
  int error_ = 0;
  std::uint32_t received_at_ = 0;
  std::uint32_t sealed_records_ = 0;  // by OpenSSL, with our keys for data
  std::uint32_t pending_ = 0;  // bytes of a record that is kept until TCP takes it
  std::uint32_t sent_ahead_ = 0;  // bytes of such a record that has left, to be offered to us once more
  State state_;
  TlsFailure failure_ = TlsFailure::kNone;
  bool feeding_ = false;  // OpenSSL gets what it asks for and no more: see seal_off()
  bool holding_ = false;  // handshake messages are gathered to be written at once
  bool dry_ = false;  // nothing to read until TCP says so
  bool blocked_ = false;  // a write took less than all
  bool read_wants_write_ = false;  // a key update is to be answered first
  bool ended_ = false;  // close_notify has come
  bool tcp_ended_ = false;
  bool shut_ = false;  // shutdown_write() was called
  bool fin_ = false;  // and is done
};

}  // namespace fairlead::tls
