// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fairlead::http {

/// Why HTTP/1 refused what it read. Towards a client it is answered with refusal_status(); from a backend each is a
/// 502.
enum class H1Refusal : std::uint8_t {
  kNone,
  kMethod,             ///< not a token, or longer than any method
  kRequestLine,        ///< not three parts with one space between them
  kTarget,             ///< none of the four forms, or bytes that none has
  kTargetTooLong,
  kVersion,            ///< not HTTP/d.d
  kVersionUnsupported,
  kStatusLine,
  kLineEnd,            ///< bare CR, bare LF, NUL or another control character
  kFieldName,          ///< not a token directly before a colon; also white space before the colon
  kFolded,             ///< obs-fold
  kFieldsTooLarge,
  kTooManyFields,
  kHostMissing,
  kHostRepeated,
  kHostInvalid,
  kContentLength,      ///< not digits, or more than 2^63 - 1
  kContentLengthRepeated,
  kTransferEncoding,   ///< chunked is not last, is repeated, or is where none may be (HTTP/1.0, CONNECT, 204)
  kTransferCodingUnknown,
  kAmbiguousLength,    ///< Content-Length beside Transfer-Encoding
  kConnection,         ///< Connection is no list of tokens
  kExpectation,
  kConnectNotAllowed,
  kUpgrade,            ///< a WebSocket handshake that is none
  kUpgradeVersion,     ///< of WebSocket; 13 is the only one
  kChunkSize,
  kChunkExtension,
  kChunkTooLong,       ///< its line, or all extensions together
  kChunkEnd,           ///< no CRLF behind the data
  kTrailerForbidden,
  kNotAccepted,        ///< a 101 that nobody asked for, or with a wrong Sec-WebSocket-Accept
  kTooManyInformational,
  kHeadTimeout,
  kBodyTimeout,
  kCount
};

/// The status that a client gets.
[[nodiscard]] std::uint16_t refusal_status(H1Refusal refusal);
/// A short text for log and answer, "Content-Length beside Transfer-Encoding".
[[nodiscard]] std::string_view refusal_text(H1Refusal refusal);

/// The same as a label of metrics, "ambiguous_length".
[[nodiscard]] std::string_view refusal_label(H1Refusal refusal);

inline constexpr std::size_t kH1Refusals = static_cast<std::size_t>(H1Refusal::kCount);

}  // namespace fairlead::http
