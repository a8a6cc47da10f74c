// SPDX-License-Identifier: Apache-2.0
#pragma once

// What HTTP/1 has to refuse: bytes, the reason, and the status that a client gets.

#include <string>
#include <vector>

#include "fairlead/http/h1_refusal.hpp"

namespace fairlead::http::rows {

struct Row {
  std::string name;
  std::string bytes;
  H1Refusal why;
  int status;
};

inline std::string get(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
inline std::string line(const std::string& request_line) { return request_line + "\r\nHost: a\r\n\r\n"; }
inline std::string host(const std::string& value) { return "GET / HTTP/1.1\r\nHost: " + value + "\r\n\r\n"; }
inline std::string post(const std::string& fields) { return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }
inline std::string zero(const std::string& before, const std::string& behind) {
  return before + std::string(1, '\0') + behind;
}
inline std::string repeat(const std::string& text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

/// Heads of requests.
inline std::vector<Row> requests() {
  using enum H1Refusal;
  return {
      // Request line, RFC 9112 3
      {"empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n", kMethod, 400},
      {"method with a colon", line("GE:T / HTTP/1.1"), kMethod, 400},
      {"method with obs-text", line("G\xc3\x89T / HTTP/1.1"), kMethod, 400},
      {"method with NUL", zero("G", "ET / HTTP/1.1\r\nHost: a\r\n\r\n"), kMethod, 400},
      {"method of 33 letters", line(std::string(33, 'A') + " / HTTP/1.1"), kMethod, 400},
      {"TLS to a plain port", std::string("\x16\x03\x01\x02", 4), kMethod, 400},
      {"tab behind the method", line("GET\t/ HTTP/1.1"), kMethod, 400},
      {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", kMethod, 400},
      {"bare LF before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", kMethod, 400},
      {"bare CR before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", kLineEnd, 400},
      {"HTTP/0.9", "GET /\r\n", kRequestLine, 400},
      {"method alone", "GET\r\n", kRequestLine, 400},
      {"two spaces before the target", line("GET  / HTTP/1.1"), kRequestLine, 400},
      {"two spaces before the version", line("GET /  HTTP/1.1"), kVersion, 400},
      {"space behind the version", line("GET / HTTP/1.1 "), kRequestLine, 400},
      {"four parts", line("GET / x HTTP/1.1"), kVersion, 400},
      {"request line ends with LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", kLineEnd, 400},
      {"request line ends with bare CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", kLineEnd, 400},
      {"lower-case version name", line("GET / http/1.1"), kVersion, 400},
      {"version without a dot", line("GET / HTTP/11"), kVersion, 400},
      {"version with letters", line("GET / HTTP/x.y"), kVersion, 400},
      {"version of two digits", line("GET / HTTP/1.10"), kRequestLine, 400},
      {"other protocol", line("GET / RTSP/1.0"), kVersion, 400},
      {"version 2.0", line("GET / HTTP/2.0"), kVersionUnsupported, 505},
      {"version 0.9", line("GET / HTTP/0.9"), kVersionUnsupported, 505},
      {"version 3.1", line("GET / HTTP/3.1"), kVersionUnsupported, 505},
      {"HTTP/2 preface unasked", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", kTarget, 400},
      // Targets, RFC 9112 3.2 and RFC 3986
      {"relative target", line("GET a HTTP/1.1"), kTarget, 400},
      {"target with a control character", line("GET /\x01 HTTP/1.1"), kTarget, 400},
      {"target with NUL", zero("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n"), kTarget, 400},
      {"target with DEL", line("GET /\x7f HTTP/1.1"), kTarget, 400},
      {"target with tab", line("GET /\ta HTTP/1.1"), kTarget, 400},
      {"target with UTF-8", line("GET /\xc3\xa4 HTTP/1.1"), kTarget, 400},
      {"target with a fragment", line("GET /a#b HTTP/1.1"), kTarget, 400},
      {"target with a quote", line("GET /\" HTTP/1.1"), kTarget, 400},
      {"target with angle brackets", line("GET /<a> HTTP/1.1"), kTarget, 400},
      {"target with a backslash", line("GET /\\a HTTP/1.1"), kTarget, 400},
      {"target with braces", line("GET /{a} HTTP/1.1"), kTarget, 400},
      {"target with brackets", line("GET /?a[]=1 HTTP/1.1"), kTarget, 400},
      {"target with a caret", line("GET /^ HTTP/1.1"), kTarget, 400},
      {"half a triplet", line("GET /%4 HTTP/1.1"), kTarget, 400},
      {"triplet without digits", line("GET /%zz HTTP/1.1"), kTarget, 400},
      {"target of 8193 bytes", line("GET /" + std::string(8192, 'a') + " HTTP/1.1"), kTargetTooLong, 414},
      {"endless target", "GET /" + std::string(8192, 'a'), kTargetTooLong, 414},
      {"endless absolute target", "GET http://a/" + std::string(8192, 'a'), kTargetTooLong, 414},
      {"asterisk with GET", line("GET * HTTP/1.1"), kTarget, 400},
      {"asterisk and more", line("OPTIONS *a HTTP/1.1"), kTarget, 400},
      {"absolute-form of another scheme", line("GET ftp://a/ HTTP/1.1"), kTarget, 400},
      {"absolute-form without a host", line("GET http:///a HTTP/1.1"), kTarget, 400},
      {"absolute-form with user information", line("GET http://u:p@a/ HTTP/1.1"), kTarget, 400},
      {"absolute-form with a bad port", line("GET http://a:b/ HTTP/1.1"), kTarget, 400},
      {"absolute-form with one slash", line("GET http:/a HTTP/1.1"), kTarget, 400},
      {"absolute-form with a bad triplet", line("GET http://a/%g1 HTTP/1.1"), kTarget, 400},
      {"authority-form with GET", line("GET a:80 HTTP/1.1"), kTarget, 400},
      {"CONNECT to a path", line("CONNECT /a HTTP/1.1"), kTarget, 400},
      {"CONNECT without a port", line("CONNECT a HTTP/1.1"), kTarget, 400},
      {"CONNECT with an empty port", line("CONNECT a: HTTP/1.1"), kTarget, 400},
      {"CONNECT", line("CONNECT a:443 HTTP/1.1"), kConnectNotAllowed, 501},
      // Host, RFC 9112 3.2
      {"no Host", "GET / HTTP/1.1\r\n\r\n", kHostMissing, 400},
      {"no Host with absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n", kHostMissing, 400},
      {"Host twice", get("Host: a\r\n"), kHostRepeated, 400},
      {"Host twice in other case", get("HOST: b\r\n"), kHostRepeated, 400},
      {"empty Host", host(""), kHostInvalid, 400},
      {"Host of a port alone", host(":80"), kHostInvalid, 400},
      {"Host list", host("a, b"), kHostInvalid, 400},
      {"Host with a path", host("a/b"), kHostInvalid, 400},
      {"Host with user information", host("u@a"), kHostInvalid, 400},
      {"Host with a space", host("a b"), kHostInvalid, 400},
      {"Host with UTF-8", host("\xc3\xa4"), kHostInvalid, 400},
      {"Host with a scheme", host("http://a"), kHostInvalid, 400},
      {"Host with a port too large", host("a:65536"), kHostInvalid, 400},
      {"Host with a port of letters", host("a:http"), kHostInvalid, 400},
      {"Host with two ports", host("a:1:2"), kHostInvalid, 400},
      {"IPv6 without brackets", host("::1"), kHostInvalid, 400},
      {"IPv6 not closed", host("[::1"), kHostInvalid, 400},
      {"IPv6 that is none", host("[::g]"), kHostInvalid, 400},
      {"IPv4 in brackets", host("[127.0.0.1]"), kHostInvalid, 400},
      {"text behind the brackets", host("[::1]a"), kHostInvalid, 400},
      {"Host with a bad triplet", host("a%2"), kHostInvalid, 400},
      {"Host with brackets within", host("a[b]"), kHostInvalid, 400},
      // Field lines, RFC 9112 5
      {"space before the colon", get("A : b\r\n"), kFieldName, 400},
      {"tab before the colon", get("A\t: b\r\n"), kFieldName, 400},
      {"empty name", get(": b\r\n"), kFieldName, 400},
      {"no colon", get("abc\r\n"), kLineEnd, 400},
      {"name with a space", get("a b: c\r\n"), kFieldName, 400},
      {"name with UTF-8", get("\xc3\xa4: c\r\n"), kFieldName, 400},
      {"name with a bracket", get("a(b): c\r\n"), kFieldName, 400},
      {"name with NUL", zero("GET / HTTP/1.1\r\nHost: a\r\nA", "B: c\r\n\r\n"), kLineEnd, 400},
      {"folded value", get("A: b\r\n c\r\n"), kFolded, 400},
      {"folded by a tab", get("A: b\r\n\tc\r\n"), kFolded, 400},
      {"space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", kFolded, 400},
      {"line ends with LF", get("A: b\n"), kLineEnd, 400},
      {"bare LF in a value", get("A: b\nC: d\r\n"), kLineEnd, 400},
      {"bare CR in a value", get("A: b\rC: d\r\n"), kLineEnd, 400},
      {"CR CR LF", get("A: b\r\r\n"), kLineEnd, 400},
      {"NUL in a value", zero("GET / HTTP/1.1\r\nHost: a\r\nA: b", "c\r\n\r\n"), kLineEnd, 400},
      {"escape in a value", get("A: \x1b[0m\r\n"), kLineEnd, 400},
      {"DEL in a value", get("A: \x7f\r\n"), kLineEnd, 400},
      {"head ends with LF LF", "GET / HTTP/1.1\r\nHost: a\r\n\n", kLineEnd, 400},
      {"head ends with a bare CR", "GET / HTTP/1.1\r\nHost: a\r\n\rX", kLineEnd, 400},
      {"129 fields", get(repeat("A: b\r\n", 128)), kTooManyFields, 431},
      {"fields of more than 64 KiB", get("A: " + std::string(66000, 'b') + "\r\n"), kFieldsTooLarge, 431},
      {"endless field", "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(70000, 'b'), kFieldsTooLarge, 431},
      {"endless name", "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(70000, 'b'), kFieldsTooLarge, 431},
      // Content-Length, RFC 9112 6.2
      {"negative length", post("Content-Length: -1\r\n"), kContentLength, 400},
      {"length with a plus", post("Content-Length: +1\r\n"), kContentLength, 400},
      {"hexadecimal length", post("Content-Length: 0x1\r\n"), kContentLength, 400},
      {"empty length", post("Content-Length: \r\n"), kContentLength, 400},
      {"list of equal lengths", post("Content-Length: 1, 1\r\n"), kContentLength, 400},
      {"list of lengths", post("Content-Length: 1, 2\r\n"), kContentLength, 400},
      {"length with a space", post("Content-Length: 1 2\r\n"), kContentLength, 400},
      {"length with a fraction", post("Content-Length: 1.0\r\n"), kContentLength, 400},
      {"length of 2^63", post("Content-Length: 9223372036854775808\r\n"), kContentLength, 400},
      {"length of 2^64", post("Content-Length: 18446744073709551616\r\n"), kContentLength, 400},
      {"length of 20 zeros", post("Content-Length: 00000000000000000000\r\n"), kContentLength, 400},
      {"length in a quote", post("Content-Length: \"1\"\r\n"), kContentLength, 400},
      {"equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n"), kContentLengthRepeated, 400},
      {"differing lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n"), kContentLengthRepeated, 400},
      // Transfer-Encoding, RFC 9112 6.1 and 6.3
      {"length, then chunked", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), kAmbiguousLength, 400},
      {"chunked, then length", post("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), kAmbiguousLength, 400},
      {"chunked and length 0", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), kAmbiguousLength, 400},
      {"chunked twice in a list", post("Transfer-Encoding: chunked, chunked\r\n"), kTransferEncoding, 400},
      {"chunked in two lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), kTransferEncoding,
       400},
      {"identity, then chunked in lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       kTransferEncoding, 400},
      {"chunked not last", post("Transfer-Encoding: chunked, gzip\r\n"), kTransferEncoding, 400},
      {"identity", post("Transfer-Encoding: identity\r\n"), kTransferEncoding, 400},
      {"gzip alone", post("Transfer-Encoding: gzip\r\n"), kTransferEncoding, 400},
      {"empty coding", post("Transfer-Encoding: \r\n"), kTransferEncoding, 400},
      {"comma before chunked", post("Transfer-Encoding: , chunked\r\n"), kTransferEncoding, 400},
      {"comma behind chunked", post("Transfer-Encoding: chunked,\r\n"), kTransferEncoding, 400},
      {"chunked with a parameter", post("Transfer-Encoding: chunked;a=b\r\n"), kTransferEncoding, 400},
      {"chunked in a quote", post("Transfer-Encoding: \"chunked\"\r\n"), kTransferEncoding, 400},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n"), kTransferEncoding, 400},
      {"chunked with a vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       kLineEnd, 400},
      {"space before the colon of Transfer-Encoding", post("Transfer-Encoding : chunked\r\n"), kFieldName, 400},
      {"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"), kTransferCodingUnknown, 501},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", kTransferEncoding, 400},
      // Connection, Expect, Upgrade
      {"Connection that is no token", get("Connection: a b\r\n"), kConnection, 400},
      {"Connection in a quote", get("Connection: \"close\"\r\n"), kConnection, 400},
      {"Connection that names 33 fields", get("Connection: " + repeat("a,", 33) + "\r\n"), kConnection, 400},
      {"other expectation", post("Expect: 200-ok\r\n"), kExpectation, 417},
      {"two protocols", get("Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n"), kUpgrade, 400},
      {"WebSocket without a key", get("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
       kUpgrade, 400},
      {"WebSocket with a short key",
       get("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n"),
       kUpgrade, 400},
      {"WebSocket without a version",
       get("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), kUpgrade,
       400},
      {"WebSocket of version 8",
       get("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: "
           "dGhlIHNhbXBsZSBub25jZQ==\r\n"),
       kUpgradeVersion, 426},
      {"WebSocket by POST",
       post("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
            "dGhlIHNhbXBsZSBub25jZQ==\r\n"),
       kUpgrade, 400},
  };
}

/// Bodies behind a good head: chunks and trailers, RFC 9112 7.1.
inline std::vector<Row> chunked_bodies() {
  using enum H1Refusal;
  return {
      {"no size", "\r\n", kChunkSize, 400},
      {"no hexadecimal size", "g\r\n", kChunkSize, 400},
      {"negative size", "-1\r\n", kChunkSize, 400},
      {"size with 0x", "0x5\r\nhello\r\n", kChunkSize, 400},
      {"space before the size", " 5\r\nhello\r\n", kChunkSize, 400},
      {"size that overflows", "10000000000000000\r\n", kChunkSize, 400},
      {"size of 16 digits", "0000000000000005\r\nhello\r\n", kChunkSize, 400},
      {"size ends with LF", "5\nhello\r\n", kChunkSize, 400},
      {"size ends with bare CR", "5\rXhello\r\n", kChunkSize, 400},
      {"space behind the size", "5 \r\nhello\r\n", kChunkExtension, 400},
      {"NUL behind the size", zero("5", "\r\nhello\r\n"), kChunkSize, 400},
      {"extension without a name", "5;\r\nhello\r\n", kChunkExtension, 400},
      {"extension without a value", "5;a=\r\nhello\r\n", kChunkExtension, 400},
      {"extension with LF", "5;a\nhello\r\n", kChunkExtension, 400},
      {"extension with a bare CR", "5;a\rb\r\nhello\r\n", kChunkSize, 400},
      {"extension with LF in a quote", "5;a=\"b\n\"\r\nhello\r\n", kChunkExtension, 400},
      {"extension with two values", "5;a=b=c\r\nhello\r\n", kChunkExtension, 400},
      {"extension with a space at its end", "5;a \r\nhello\r\n", kChunkExtension, 400},
      {"text behind a quote", "5;a=\"b\"c\r\nhello\r\n", kChunkExtension, 400},
      {"line of 300 bytes", "5;" + std::string(300, 'a') + "\r\nhello\r\n", kChunkTooLong, 400},
      {"extensions of 20 KiB in all", repeat("1;" + std::string(200, 'a') + "\r\nx\r\n", 100) + "0\r\n\r\n",
       kChunkTooLong, 400},
      {"data longer than its size", "4\r\nhello\r\n", kChunkEnd, 400},
      {"data ends with LF", "5\r\nhello\n0\r\n\r\n", kChunkEnd, 400},
      {"data ends with a bare CR", "5\r\nhello\rX", kChunkEnd, 400},
      {"trailer without a name", "0\r\n: a\r\n\r\n", kFieldName, 400},
      {"trailer folded", "0\r\nA: b\r\n c\r\n\r\n", kFolded, 400},
      {"trailer with a space before the colon", "0\r\nA : b\r\n\r\n", kFieldName, 400},
      {"trailer with NUL", zero("0\r\nA: ", "\r\n\r\n"), kLineEnd, 400},
      {"trailers end with LF", "0\r\nA: b\r\n\n", kLineEnd, 400},
      {"Content-Length as a trailer", "0\r\nContent-Length: 5\r\n\r\n", kTrailerForbidden, 400},
      {"Transfer-Encoding as a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n", kTrailerForbidden, 400},
      {"Host as a trailer", "0\r\nHost: b\r\n\r\n", kTrailerForbidden, 400},
      {"Authorization as a trailer", "0\r\nAUTHORIZATION: b\r\n\r\n", kTrailerForbidden, 400},
      {"129 trailers", "0\r\n" + repeat("A: b\r\n", 129) + "\r\n", kTooManyFields, 431},
      {"trailers of more than 64 KiB", "0\r\nA: " + std::string(66000, 'b') + "\r\n\r\n", kFieldsTooLarge, 431},
  };
}

/// Heads of responses; the status is what a client gets for it.
inline std::vector<Row> responses() {
  using enum H1Refusal;
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  return {
      {"garbage", "hello\r\n\r\n", kVersion, 502},
      {"lower-case name", "http/1.1 200 OK\r\n\r\n", kVersion, 502},
      {"other protocol", "ICY 200 OK\r\n\r\n", kVersion, 502},
      {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", kVersionUnsupported, 502},
      {"no space behind the version", "HTTP/1.1200 OK\r\n\r\n", kStatusLine, 502},
      {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", kStatusLine, 502},
      {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", kStatusLine, 502},
      {"status 099", "HTTP/1.1 099 OK\r\n\r\n", kStatusLine, 502},
      {"status 600", "HTTP/1.1 600 OK\r\n\r\n", kStatusLine, 502},
      {"status of letters", "HTTP/1.1 abc OK\r\n\r\n", kStatusLine, 502},
      {"letter behind the status", "HTTP/1.1 200x\r\n\r\n", kStatusLine, 502},
      {"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", kStatusLine, 502},
      {"endless reason", "HTTP/1.1 200 " + std::string(600, 'a'), kStatusLine, 502},
      {"NUL in the reason", zero("HTTP/1.1 200 O", "K\r\n\r\n"), kLineEnd, 502},
      {"status line ends with LF", "HTTP/1.1 200 OK\n\r\n", kLineEnd, 502},
      {"bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", kLineEnd, 502},
      {"space in a name", ok + "A b: c\r\n\r\n", kFieldName, 502},
      {"space without a name", ok + "A: b\r\n : c\r\n\r\n", kFolded, 502},
      {"space and no colon", ok + "A \r\n\r\n", kLineEnd, 502},
      {"folded value", ok + "A: b\r\n c\r\n\r\n", kFolded, 502},
      {"bare LF in a value", ok + "A: b\nC: d\r\n\r\n", kLineEnd, 502},
      {"NUL in a value", zero(ok + "A: ", "\r\n\r\n"), kLineEnd, 502},
      {"too many fields", ok + repeat("A: b\r\n", 129) + "\r\n", kTooManyFields, 502},
      {"endless field", ok + "A: " + std::string(66000, 'b'), kFieldsTooLarge, 502},
      {"length and chunked", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", kAmbiguousLength, 502},
      {"differing lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", kContentLengthRepeated, 502},
      {"list of lengths", ok + "Content-Length: 5, 5\r\n\r\n", kContentLength, 502},
      {"negative length", ok + "Content-Length: -5\r\n\r\n", kContentLength, 502},
      {"chunked twice", ok + "Transfer-Encoding: chunked, chunked\r\n\r\n", kTransferEncoding, 502},
      {"gzip alone", ok + "Transfer-Encoding: gzip\r\n\r\n", kTransferEncoding, 502},
      {"gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", kTransferCodingUnknown, 502},
      {"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", kTransferEncoding, 502},
      {"bad length in 204", "HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n", kContentLength, 502},
      {"length in 103", "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n", kContentLength, 502},
      {"101 unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
       kNotAccepted, 502},
      {"bad Connection", ok + "Connection: a b\r\n\r\n", kConnection, 502},
  };
}

}  // namespace fairlead::http::rows
