// SPDX-License-Identifier: Apache-2.0
#pragma once

// TLS 1.3's records (RFC 8446 section 5) and what may come in them behind the handshake (section 4.6, 6), with the keys
// that OpenSSL's handshake has agreed on. OpenSSL keeps its SSL for each connection as long as it stands; this keeps
// little more than the expanded keys. Pure: bytes in, bytes out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "openssl.hpp"

namespace fairlead::tls {

/// A traffic secret (section 7.1); wiped when it goes.
class Secret {
 public:
  static constexpr std::size_t kMost = 48;  // SHA-384

  Secret() = default;
  explicit Secret(std::span<const std::uint8_t> bytes);
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(size_); }
  /// HKDF-Expand-Label (section 7.1) without a context, of at most the hash's length.
  [[nodiscard]] bool expand(std::string_view label, std::span<std::uint8_t> out) const;

 private:
  std::array<std::uint8_t, kMost> bytes_{};
  std::size_t size_ = 0;
};

/// The keys of one direction.
class RecordKey {
 public:
  enum class Use : std::uint8_t { kSeal, kOpen };

  /// suite: as registered, 0x1301 to 0x1303. sequence: of the next record. Nothing: not one of them.
  static std::optional<RecordKey> create(Use use, std::uint16_t suite, const Secret& secret, std::uint64_t sequence);
  RecordKey(RecordKey&&) = default;
  RecordKey& operator=(RecordKey&&) = default;
  RecordKey(const RecordKey&) = delete;
  RecordKey& operator=(const RecordKey&) = delete;
  ~RecordKey() { OPENSSL_cleanse(iv_.data(), iv_.size()); }

  /// A record of `data` with its type behind it, to `out`: kOverhead more bytes. Data of at most a record's.
  bool seal(std::uint8_t type, std::span<const char> data, char* out);
  /// What a record holds, with type and padding, to `out`; which may be where it stands. False: it was altered.
  bool open(std::span<const char> header, std::span<const char> sealed, char* out);
  /// To the keys that follow a KeyUpdate (section 7.2).
  [[nodiscard]] bool update();
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }

 private:
  RecordKey(Use use, std::uint16_t suite) : use_(use), suite_(suite) {}
  bool expand();
  void next_nonce(std::uint8_t* nonce);

  Use use_;
  std::uint16_t suite_;
  std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>> cipher_;
  Secret secret_;
  std::array<std::uint8_t, 12> iv_{};
  std::uint64_t sequence_ = 0;
};

/// Both directions of a server's connection behind its handshake.
/// Owner: a TlsStream. Thread: its worker's.
class Records {
 public:
  static constexpr std::size_t kHeader = 5;
  static constexpr std::size_t kTag = 16;
  static constexpr std::size_t kMostData = 16384;
  static constexpr std::size_t kMostSealed = kMostData + 256;  // a peer's, with its padding
  static constexpr std::size_t kOverhead = kHeader + 1 + kTag;  // of ours, which have none

  /// written: records that were sealed with the server's secret already. Null: no such suite.
  static std::unique_ptr<Records> create(std::uint16_t suite, const Secret& client, const Secret& server,
                                         std::uint64_t written);

  enum class Opened : std::uint8_t {
    kMore,  ///< no whole record is there: `lacking()` bytes are missing at least
    kData,  ///< `data` are the application's; may be none
    kEnd,  ///< close_notify
    kFailed,  ///< alert() is to be sent, what() says why
  };
  /// Opens the first record of `raw` and takes it off. `data` points into `into` where that has room for all that the
  /// record may hold, else to where the record stood.
  Opened open(std::span<char>& raw, std::span<char> into, std::span<const char>& data);
  [[nodiscard]] std::size_t lacking() const { return lacking_; }
  [[nodiscard]] std::uint8_t alert() const { return alert_; }
  [[nodiscard]] std::string_view what() const { return what_; }
  /// Nothing but an alert from the peer: none is to be sent.
  [[nodiscard]] bool alerted() const { return alerted_; }

  /// A record of application data to `out`, of size + kOverhead bytes.
  bool seal(std::span<const char> data, char* out) { return out_.seal(kData, data, out); }
  [[nodiscard]] std::string seal_alert(std::uint8_t level, std::uint8_t description);
  /// Whether a KeyUpdate of ours is due: asked for by the peer, or by age.
  [[nodiscard]] bool update_due() const { return update_asked_ || out_.sequence() >= kMostSealedByKey; }
  /// It, sealed; what follows it goes by other keys. Empty: failed.
  [[nodiscard]] std::string seal_update();

 private:
  enum Type : std::uint8_t { kAlert = 21, kHandshake = 22, kData = 23 };
  static constexpr std::uint64_t kMostSealedByKey = 1ULL << 24;  // section 5.5: of AES-GCM 2^24.5
  static constexpr unsigned kMostIdle = 32;  // records without data, one behind the other

  Records(RecordKey in, RecordKey out) : in_(std::move(in)), out_(std::move(out)) {}
  Opened fail(std::uint8_t alert, std::string_view what);
  Opened take_alert(std::span<const char> content);
  Opened take_handshake(std::span<const char> content);

  RecordKey in_;
  RecordKey out_;
  std::array<std::uint8_t, 5> message_{};  // a KeyUpdate, as far as it is there
  std::uint8_t message_size_ = 0;
  std::uint8_t alert_ = 0;
  bool alerted_ = false;
  bool update_asked_ = false;
  unsigned idle_ = 0;
  std::size_t lacking_ = 0;
  std::string_view what_;
};

}  // namespace fairlead::tls
