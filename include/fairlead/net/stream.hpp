// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "fairlead/base/address.hpp"

namespace fairlead::net {

struct Endpoint {
  Address address;
  std::uint16_t port = 0;
};

enum class IoStatus : std::uint8_t {
  kOk,     ///< bytes > 0 were moved
  kAgain,  ///< nothing now; the handler is called when it may go on
  kEnd,    ///< read: the peer has ended its direction
  kError,  ///< the stream is of no more use; `error` says why
};

struct IoResult {
  IoStatus status = IoStatus::kOk;
  std::size_t bytes = 0;
  int error = 0;  ///< errno; EPROTO where TLS failed
};

/// What a TLS handshake agreed on; views live as long as the stream.
struct TlsFacts {
  std::string_view alpn;           ///< "h2", "http/1.1"; empty where none
  std::string_view server_name;    ///< SNI
  std::string_view version;        ///< "TLSv1.3"
  std::string_view cipher;
  std::string_view peer_identity;  ///< URI SAN, else DNS SAN, else subject of a verified client certificate
  /// All that a verified client certificate says of who it is, from the most to the least special: its URIs, its DNS
  /// names, its subject, that one's common name.
  std::span<const std::string> peer_names{};
  bool peer_verified = false;
  bool resumed = false;
};

class StreamHandler {
 public:
  /// The stream may be read (edge: read until kAgain) or has ended.
  virtual void on_readable() = 0;
  /// What answered kAgain may be written again; also once, when a stream that connects is established.
  virtual void on_writable() = 0;
  /// The handshake or connect failed, or the connection was reset. No other call follows.
  virtual void on_failed(int error, std::string_view what) = 0;

 protected:
  ~StreamHandler() = default;
};

/// An ordered, reliable stream of bytes: TCP, or TLS on it. Non-blocking.
/// Owner: a session. Thread: its worker's.
class Stream {
 public:
  virtual ~Stream() = default;
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void set_handler(StreamHandler* handler) { handler_ = handler; }

  virtual IoResult read(std::span<char> into) = 0;
  /// Gathers; may take less than all.
  virtual IoResult write(std::span<const iovec> from) = 0;
  /// Moves at most `bytes` into a pipe where is_raw(), out of one where takes_raw(); else EOPNOTSUPP. `empty`: the pipe
  /// holds nothing, so that kAgain can only mean that the stream has nothing.
  virtual IoResult read_into_pipe(int /*pipe*/, std::size_t /*bytes*/, bool /*empty*/) {
    return {IoStatus::kError, 0, EOPNOTSUPP};
  }
  virtual IoResult write_from_pipe(int /*pipe*/, std::size_t /*bytes*/) { return {IoStatus::kError, 0, EOPNOTSUPP}; }
  /// Ends our direction once what was written is on its way (FIN; close_notify before it).
  virtual void shutdown_write() = 0;
  /// Ends both at once, with RST where `reset`.
  virtual void close(bool reset) = 0;

  [[nodiscard]] virtual int fd() const = 0;
  /// True where what the descriptor gives is the stream's, so that it may be spliced out of it: plain TCP.
  [[nodiscard]] virtual bool is_raw() const = 0;
  /// True where what the descriptor is given is the stream's: plain TCP, or TLS whose records the kernel makes.
  [[nodiscard]] virtual bool takes_raw() const { return false; }
  [[nodiscard]] virtual const TlsFacts* tls() const { return nullptr; }  ///< after the handshake

  Endpoint peer;  ///< as the PROXY protocol says, where it is accepted
  Endpoint local;  ///< the same

 protected:
  StreamHandler* handler_ = nullptr;
};

}  // namespace fairlead::net
