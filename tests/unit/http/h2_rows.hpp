// SPDX-License-Identifier: Apache-2.0
#pragma once

// What HTTP/2 has to refuse of a client: RFC 9113, 7541 and 8441.

#include <string>
#include <string_view>
#include <vector>

#include "unit/http/h2_frames.hpp"

namespace fairlead::http::h2_rows {

using namespace frames;

/// What a client sends, and what it gets for it.
struct ProtocolCase {
  const char* what;
  std::string bytes;    // behind preface and SETTINGS
  std::uint8_t answer;  // kRstStream of stream 1, or kGoaway
  std::uint32_t code;
};

/// A GET with that field's value changed, or without it.
inline List changed(std::string_view name, std::string_view value) {
  List list = get();
  for (auto& field : list)
    if (field.first == name) field.second = value;
  return list;
}
inline List without(std::string_view name) {
  List list = get();
  std::erase_if(list, [&](const auto& field) { return field.first == name; });
  return list;
}
inline ProtocolCase malformed(const char* what, const List& list) {
  return {what, headers(1, list, true), kRstStream, kProtocolError};
}
inline List post(std::string_view length) { return with(changed(":method", "POST"), {{"content-length", length}}); }

inline std::vector<ProtocolCase> malformed_requests() {
  return {
      malformed("8.3.1 no :method", without(":method")),
      malformed("8.3.1 no :scheme", without(":scheme")),
      malformed("8.3.1 no :path", without(":path")),
      malformed("8.3.1 neither :authority nor Host", without(":authority")),
      malformed("8.3.1 empty :path", changed(":path", "")),
      malformed("8.3.1 :path without slash", changed(":path", "a")),
      malformed("8.3.1 :path with fragment", changed(":path", "/a#b")),
      malformed("8.3.1 :path with space", changed(":path", "/a b")),
      malformed("8.3.1 :path with CR LF", changed(":path", "/a\r\nx: y")),
      malformed("8.3.1 :path with half a triplet", changed(":path", "/%4")),
      malformed("8.3.1 * for GET", changed(":path", "*")),
      malformed("8.3.1 unknown :scheme", changed(":scheme", "ftp")),
      malformed("8.3.1 :method with space", changed(":method", "GET /x")),
      malformed("8.3.1 empty :method", changed(":method", "")),
      malformed("8.3.1 :authority with user information", changed(":authority", "u@a.example")),
      malformed("8.3.1 :authority with path", changed(":authority", "a.example/x")),
      malformed("8.3.1 :authority with CR LF", changed(":authority", "a\r\nb: c")),
      malformed("8.3.1 Host differs", with(get(), {{"host", "b.example"}})),
      malformed("8.3.1 Host twice", with(without(":authority"), {{"host", "a"}, {"host", "a"}})),
      malformed("8.3 repeated :path", with(get(), {{":path", "/"}})),
      malformed("8.3 unknown pseudo-header field", with(get(), {{":status", "200"}})),
      malformed("8.3 pseudo-header field behind others",
                {{":method", "GET"}, {"a", "b"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}),
      malformed("8.2 upper case", with(get(), {{"Abc", "d"}})),
      malformed("8.2.1 name with space", with(get(), {{"a b", "d"}})),
      malformed("8.2.1 name with colon", with(get(), {{"a:b", "d"}})),
      malformed("8.2.1 empty name", with(get(), {{"", "d"}})),
      malformed("8.2.1 value with LF", with(get(), {{"a", "b\nc"}})),
      malformed("8.2.1 value with CR", with(get(), {{"a", "b\rc"}})),
      malformed("8.2.1 value with NUL", with(get(), {{"a", std::string_view("b\0c", 3)}})),
      malformed("8.2.1 value with DEL", with(get(), {{"a", "b\x7f"}})),
      malformed("8.2.1 leading space", with(get(), {{"a", " b"}})),
      malformed("8.2.1 trailing tab", with(get(), {{"a", "b\t"}})),
      malformed("8.2.2 connection", with(get(), {{"connection", "close"}})),
      malformed("8.2.2 keep-alive", with(get(), {{"keep-alive", "1"}})),
      malformed("8.2.2 proxy-connection", with(get(), {{"proxy-connection", "close"}})),
      malformed("8.2.2 transfer-encoding", with(get(), {{"transfer-encoding", "chunked"}})),
      malformed("8.2.2 upgrade", with(get(), {{"upgrade", "h2c"}})),
      malformed("8.2.2 te: gzip", with(get(), {{"te", "gzip"}})),
      malformed("8.1.1 Content-Length without a body", post("1")),
      malformed("8.1.1 Content-Length of no digits", post("1x")),
      malformed("8.1.1 Content-Length with a sign", post("+0")),
      malformed("8.1.1 Content-Length beyond 2^63", post("9223372036854775808")),
      malformed("8.1.1 Content-Length twice", with(post("0"), {{"content-length", "0"}})),
      malformed("8441 4 :protocol for GET", with(get(), {{":protocol", "websocket"}})),
      malformed("8.5 CONNECT with :path", changed(":method", "CONNECT")),
      malformed("8.5 CONNECT without port", {{":method", "CONNECT"}, {":authority", "a"}}),
      {"8.1.1 less DATA than Content-Length", headers(1, post("3"), false) + data(1, "ab", true), kRstStream,
       kProtocolError},
      {"8.1.1 more DATA than Content-Length", headers(1, post("1"), false) + data(1, "ab", false), kRstStream,
       kProtocolError},
      {"8.1 a second field section without end", headers(1, post("1"), false) + headers(1, {{"a", "b"}}, false),
       kRstStream, kProtocolError},
      {"8.1 pseudo-header field in trailers", headers(1, post("0"), false) + headers(1, {{":path", "/"}}, true),
       kRstStream, kProtocolError},
      {"9110 6.5.1 Content-Length in trailers",
       headers(1, post("0"), false) + headers(1, {{"content-length", "0"}}, true), kRstStream, kProtocolError},
      {"8.1.1 trailers before DATA is whole", headers(1, post("3"), false) + headers(1, {{"a", "b"}}, true), kRstStream,
       kProtocolError},
  };
}

inline std::vector<ProtocolCase> broken_connections() {
  const std::string open = headers(1, changed(":method", "POST"), false);
  const std::string half = frame(kHeaders, kEndStream, 1, block(get()));
  return {
      {"4.2 a frame beyond SETTINGS_MAX_FRAME_SIZE", open + data(1, std::string(16385, 'x'), false), kGoaway,
       kFrameSizeError},
      {"4.3 bad HPACK", frame(kHeaders, kEndHeaders | kEndStream, 1, "\xff\xff\xff\xff\xff\xff\xff"), kGoaway,
       kCompressionError},
      {"4.3 something within a field section", half + ping(), kGoaway, kProtocolError},
      {"4.3 CONTINUATION of another stream", half + frame(kContinuation, kEndHeaders, 3, ""), kGoaway, kProtocolError},
      {"5.1 DATA for an idle stream", data(1, "x", false), kGoaway, kProtocolError},
      {"5.1 WINDOW_UPDATE for an idle stream", window_update(1, 1), kGoaway, kProtocolError},
      {"5.1 RST_STREAM for an idle stream", frames::reset(1, kCancel), kGoaway, kProtocolError},
      {"5.1 DATA behind END_STREAM", headers(1, get(), true) + data(1, "x", false), kGoaway, kStreamClosed},
      {"5.1 DATA behind RST_STREAM", open + frames::reset(1, kCancel) + data(1, "x", false), kGoaway, kStreamClosed},
      {"5.1.1 an even stream", headers(2, get(), true), kGoaway, kProtocolError},
      {"5.1.1 a smaller stream", headers(3, get(), true) + frames::reset(3, kCancel) + headers(1, get(), true), kGoaway,
       kProtocolError},
      {"5.3.1 PRIORITY upon itself", frame(kPriority, 0, 3, number(3, 4) + "x"), kGoaway, kProtocolError},
      {"6.1 DATA of stream 0", data(0, "x", false), kGoaway, kProtocolError},
      {"6.1 padding beyond the frame", open + frame(kData, kPadded, 1, "\x05x"), kGoaway, kProtocolError},
      {"6.2 HEADERS of stream 0", headers(0, get(), true), kGoaway, kProtocolError},
      {"6.4 RST_STREAM of 3 bytes", open + frame(kRstStream, 0, 1, "abc"), kGoaway, kFrameSizeError},
      {"6.5 SETTINGS of a stream", frame(kSettings, 0, 1, ""), kGoaway, kProtocolError},
      {"6.5 SETTINGS of 5 bytes", frame(kSettings, 0, 0, "abcde"), kGoaway, kFrameSizeError},
      {"6.5 acknowledgement with content", frame(kSettings, kAck, 0, "abcdef"), kGoaway, kFrameSizeError},
      {"6.5.2 window beyond 2^31 - 1", settings({{4, 0x80000000}}), kGoaway, kFlowControlError},
      {"6.5.2 frame size below 16384", settings({{5, 16383}}), kGoaway, kProtocolError},
      {"6.6 PUSH_PROMISE from a client", frame(kPushPromise, kEndHeaders, 1, number(2, 4) + block(get())), kGoaway,
       kProtocolError},
      {"6.7 PING of 7 bytes", frame(kPing, 0, 0, "1234567"), kGoaway, kFrameSizeError},
      {"6.7 PING of a stream", frame(kPing, 0, 1, "12345678"), kGoaway, kProtocolError},
      {"6.9 WINDOW_UPDATE by 0", window_update(0, 0), kGoaway, kProtocolError},
      {"6.9.1 window beyond 2^31 - 1", window_update(0, 0x7fffffff), kGoaway, kFlowControlError},
      {"6.10 CONTINUATION alone", frame(kContinuation, kEndHeaders, 1, ""), kGoaway, kProtocolError},
  };
}

}  // namespace fairlead::http::h2_rows
