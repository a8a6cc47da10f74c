// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_parser.hpp"
#include "gateway/dataplane/http/h1_fields.hpp"

namespace fairlead::http {

namespace {

using h1::Framing;
using h1::Known;

constexpr std::size_t kMostReason = 512;

/// One call of H1Response::parse.
/// Owner: that call. Thread: its.
class ResponseParser {
 public:
  ResponseParser(H1Response& out, std::span<char> bytes, const H1Limits& limits, H1Asked asked)
      : out_(out), head_(out.head), limits_(limits), asked_(asked), begin_(bytes.data()), end_(begin_ + bytes.size()) {}

  H1Step run();

 private:
  H1Step refuse(H1Refusal why) {
    out_.facts.refusal = why;
    return H1Step::kRefused;
  }
  H1Step status_line(char*& at);
  H1Step status(const char*& at);
  H1Refusal take(const Field& field);
  H1Refusal finish();
  H1Refusal finish_body();
  H1Refusal finish_switch();

  H1Response& out_;
  ResponseHead& head_;
  const H1Limits& limits_;
  H1Asked asked_;
  char* begin_;
  char* end_;
  Framing framing_;
};

H1Step ResponseParser::run() {
  char* at = begin_;
  auto step = status_line(at);
  if (step != H1Step::kDone) return step;
  step = h1::parse_section<h1::Names::kSpaced>(at, end_, limits_.head, out_.facts.refusal,
                                               [this](const Field& field) { return take(field); });
  if (step != H1Step::kDone) return step;
  out_.facts.used = static_cast<std::size_t>(at - begin_);
  if (const auto why = finish(); why != H1Refusal::kNone) return refuse(why);
  return H1Step::kDone;
}

H1Step ResponseParser::status_line(char*& at) {
  const char* from = at;
  auto step = h1::parse_version(from, end_, head_.version, out_.facts.refusal);
  if (step != H1Step::kDone) return step;
  step = status(from);
  if (step != H1Step::kDone) return step;
  const char* to = from;
  while (to != end_ && grammar::is(*to, grammar::kContent)) {
    if (++to - from > static_cast<std::ptrdiff_t>(kMostReason)) return refuse(H1Refusal::kStatusLine);
  }
  if (to == end_) return H1Step::kMore;
  if (*to != '\r') return refuse(H1Refusal::kLineEnd);
  if (to + 1 == end_) return H1Step::kMore;
  if (to[1] != '\n') return refuse(H1Refusal::kLineEnd);
  head_.reason = {from, static_cast<std::size_t>(to - from)};
  at += to + 2 - at;
  return H1Step::kDone;
}

/// SP 3DIGIT SP: the last space belongs there even where the reason is empty (RFC 9112 4), but not all servers send it.
H1Step ResponseParser::status(const char*& at) {
  unsigned status = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    if (at + i == end_) return H1Step::kMore;
    const char c = at[i];
    if (i == 4 && c == '\r') break;
    if (i == 0 || i == 4) {
      if (c != ' ') return refuse(H1Refusal::kStatusLine);
    } else if (!grammar::is(c, grammar::kDigit) || (i == 1 && (c < '1' || c > '5'))) {
      return refuse(H1Refusal::kStatusLine);
    } else {
      status = status * 10 + static_cast<unsigned>(c - '0');
    }
  }
  head_.status = static_cast<std::uint16_t>(status);
  at += at[4] == ' ' ? 5 : 4;
  return H1Step::kDone;
}

H1Refusal ResponseParser::take(const Field& field) {
  switch (h1::known_of(field.name)) {
    case Known::kContentLength: return framing_.take_length(field.value);
    case Known::kTransferEncoding: return framing_.take_coding(field.value);
    case Known::kConnection: return framing_.take_connection(field.value, out_.named);
    case Known::kUpgrade:
      // What else could be spoken is of the connection; but 426 is no answer without it (RFC 9110 15.5.22).
      if (head_.status == 426) head_.fields.push_back(field);
      if (head_.status == 101 && !framing_.upgrade.empty()) return H1Refusal::kUpgrade;
      framing_.upgrade = field.value;
      return H1Refusal::kNone;
    case Known::kDropped:
    case Known::kTe: return H1Refusal::kNone;
    default: head_.fields.push_back(field); return H1Refusal::kNone;
  }
}

H1Refusal ResponseParser::finish() {
  if (const auto why = finish_body(); why != H1Refusal::kNone) return why;
  auto& facts = out_.facts;
  // Behind a 204 that told of a body there may be one.
  const bool surplus = head_.status == 204 && (framing_.has_coding || framing_.length > 0);
  facts.keep_alive = !surplus && !framing_.close && (head_.version == Version::kHttp11 || framing_.keep_alive) &&
                     (head_.body != Body::kStream || facts.chunked) && head_.body != Body::kTunnel;
  if (!out_.named.empty()) h1::remove_named(head_.fields, out_.named);
  return H1Refusal::kNone;
}

// RFC 9112 6.3, in its order.
H1Refusal ResponseParser::finish_body() {
  const auto status = head_.status;
  if (framing_.has_coding && framing_.has_length) return H1Refusal::kAmbiguousLength;
  if (framing_.has_coding && head_.version == Version::kHttp10) return H1Refusal::kTransferEncoding;
  if (status == 101) return finish_switch();
  if (asked_.tunnel && status / 100 == 2) {
    head_.body = Body::kTunnel;  // whatever the fields say of a length is to be ignored
    return H1Refusal::kNone;
  }
  if (status == 204) return H1Refusal::kNone;  // ends with its head, whatever the fields say
  if (status < 200) {
    // Neither may be sent (RFC 9110 8.6, RFC 9112 6.1); a length of 0 says nothing wrong.
    if (framing_.has_coding) return H1Refusal::kTransferEncoding;
    return framing_.has_length && framing_.length > 0 ? H1Refusal::kContentLength : H1Refusal::kNone;
  }
  head_.content_length = framing_.length;
  if (asked_.head || status == 304) {
    head_.has_length = framing_.has_length;
  } else if (framing_.has_coding) {
    out_.facts.chunked = true;
    head_.body = Body::kStream;
  } else {
    head_.body = framing_.has_length ? Body::kLength : Body::kStream;
  }
  return H1Refusal::kNone;
}

H1Refusal ResponseParser::finish_switch() {
  if (!asked_.upgrade || !framing_.names_upgrade || framing_.upgrade.empty()) return H1Refusal::kNotAccepted;
  if (framing_.has_coding || (framing_.has_length && framing_.length > 0)) return H1Refusal::kTransferEncoding;
  out_.facts.upgrade = framing_.upgrade;
  out_.facts.websocket_accept = h1::take_off(head_.fields, "sec-websocket-accept");
  if (find(head_.fields, "sec-websocket-accept") != nullptr) return H1Refusal::kNotAccepted;
  head_.body = Body::kTunnel;
  return H1Refusal::kNone;
}

void clear(ResponseHead& head) {
  auto fields = std::move(head.fields);
  fields.clear();
  if (fields.capacity() == 0) fields.reserve(h1::kUsualFields);
  head = ResponseHead{};
  head.fields = std::move(fields);
}

}  // namespace

H1Step H1Response::parse(std::span<char> bytes, const H1Limits& limits, H1Asked asked) {
  clear(head);
  facts = {};
  named.clear();
  return ResponseParser(*this, bytes, limits, asked).run();
}

}  // namespace fairlead::http
