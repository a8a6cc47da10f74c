// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fairlead/http/message.hpp"

namespace fairlead::http {

/// How a message's end is shown (RFC 9112 6).
enum class H1Framing : std::uint8_t {
  kNothing,  ///< the message cannot have a body, and no length is shown
  kLength,   ///< Content-Length: head.content_length
  kZero,     ///< Content-Length: 0
  kChunked,
  kClose,    ///< a response's end is the connection's
};

/// What a head says of its connection; made by the session.
struct H1Line {
  H1Framing framing = H1Framing::kNothing;
  std::uint16_t status = 0;           ///< instead of a response's own; 0: its own
  bool close = false;                 ///< Connection: close
  bool keep_alive = false;            ///< Connection: keep-alive, for HTTP/1.0
  std::string_view upgrade;           ///< Upgrade, and Connection: upgrade
  std::string_view websocket_key;     ///< of a request
  std::string_view websocket_accept;  ///< of a response
};

/// Bytes of room that the head needs at most, what vectors reach over included.
[[nodiscard]] std::size_t h1_room(const RequestHead& head, const H1Line& line);
[[nodiscard]] std::size_t h1_room(const ResponseHead& head, const H1Line& line);
[[nodiscard]] std::size_t h1_room(const Fields& trailers);

/// Write into h1_room() bytes and give the end. nullptr: a text in it has bytes that cannot stand where it would (CR,
/// LF, NUL, ...), so nothing of it may be sent. Fields of the connection and of framing among head.fields are left out:
/// these are made from the head and the line. Names are written in lower case. Thread: any.
[[nodiscard]] char* write_h1(char* at, const RequestHead& head, const H1Line& line);
[[nodiscard]] char* write_h1(char* at, const ResponseHead& head, const H1Line& line);
/// The last chunk and the trailers; fields that may not be trailers are left out.
[[nodiscard]] char* write_h1_trailers(char* at, const Fields& trailers);

inline constexpr std::size_t kH1ChunkHead = 18;  ///< bytes of write_h1_chunk_head at most

/// Size and CRLF of a chunk that is not empty; its data and CRLF follow.
[[nodiscard]] char* write_h1_chunk_head(char* at, std::uint64_t size);

}  // namespace fairlead::http
