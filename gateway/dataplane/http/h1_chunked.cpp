// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_chunked.hpp"

#include <algorithm>

#include "gateway/dataplane/http/grammar.hpp"

namespace fairlead::http {

namespace {

constexpr unsigned kMostDigits = 15;  // so that no size overflows; leading zeros count

std::uint64_t hex_value(char c) {
  if (c <= '9') return static_cast<std::uint64_t>(c - '0');
  return static_cast<std::uint64_t>((c | 0x20) - 'a') + 10;
}

bool is_white(char c) { return c == ' ' || c == '\t'; }

}  // namespace

H1Chunked::Next H1Chunked::next(std::string_view bytes, const H1Limits& limits) {
  Next next;
  const auto refuse = [&](H1Refusal why) {
    next.step = Step::kRefused;
    next.refusal = why;
    return next;
  };
  while (next.used < bytes.size()) {
    if (state_ == State::kData) {
      const auto part = std::min<std::uint64_t>(remaining_, bytes.size() - next.used);
      next.data = bytes.substr(next.used, part);
      next.used += part;
      remaining_ -= part;
      if (remaining_ == 0) state_ = State::kDataCr;
      next.step = Step::kData;
      return next;
    }
    const char c = bytes[next.used];
    if (state_ == State::kDataCr || state_ == State::kDataLf) {
      if (c != (state_ == State::kDataCr ? '\r' : '\n')) return refuse(H1Refusal::kChunkEnd);
      state_ = state_ == State::kDataCr ? State::kDataLf : State::kSizeStart;
      ++next.used;
      continue;
    }
    if (++line_ > limits.chunk_line) return refuse(H1Refusal::kChunkTooLong);
    if (state_ > State::kSize && ++extensions_ > limits.chunk_extensions) return refuse(H1Refusal::kChunkTooLong);
    const bool end = state_ == State::kLineEnd;
    if (const auto why = line_byte(c); why != H1Refusal::kNone) return refuse(why);
    ++next.used;
    if (end) {
      line_ = 0;
      digits_ = 0;
      state_ = remaining_ == 0 ? State::kSizeStart : State::kData;
      if (remaining_ == 0) {
        next.step = Step::kTrailers;
        return next;
      }
    }
  }
  return next;
}

H1Refusal H1Chunked::line_byte(char c) {
  switch (state_) {
    case State::kSizeStart:
    case State::kSize: return size_byte(c);
    case State::kLineEnd: return c == '\n' ? H1Refusal::kNone : H1Refusal::kChunkSize;
    default: return extension_byte(c);
  }
}

H1Refusal H1Chunked::size_byte(char c) {
  if (grammar::is(c, grammar::kHex)) {
    if (++digits_ > kMostDigits) return H1Refusal::kChunkSize;
    remaining_ = (state_ == State::kSizeStart ? 0 : remaining_ << 4U) | hex_value(c);
    return go(State::kSize);
  }
  if (state_ == State::kSizeStart) return H1Refusal::kChunkSize;
  if (c == '\r') return go(State::kLineEnd);
  if (c == ';') return go(State::kNameStart);
  if (is_white(c)) return go(State::kBeforeExtension);
  return H1Refusal::kChunkSize;
}

/// chunk-ext = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ), RFC 9112 7.1.1
H1Refusal H1Chunked::extension_byte(char c) {
  const bool token = grammar::is(c, grammar::kToken);
  switch (state_) {
    case State::kBeforeExtension:
      if (is_white(c)) return H1Refusal::kNone;
      if (c == ';') return go(State::kNameStart);
      break;
    case State::kNameStart:
      if (is_white(c)) return H1Refusal::kNone;
      if (token) return go(State::kName);
      break;
    case State::kName:
      if (token) return H1Refusal::kNone;
      if (is_white(c)) return go(State::kAfterName);
      if (c == '\r') return go(State::kLineEnd);
      [[fallthrough]];
    case State::kAfterName:
      if (is_white(c)) return H1Refusal::kNone;
      if (c == '=') return go(State::kValueStart);
      if (c == ';') return go(State::kNameStart);
      break;
    case State::kValueStart:
      if (is_white(c)) return H1Refusal::kNone;
      if (c == '"') return go(State::kQuoted);
      if (token) return go(State::kValue);
      break;
    case State::kValue:
      if (token) return H1Refusal::kNone;
      [[fallthrough]];
    case State::kQuotedEnd:
      if (is_white(c)) return go(State::kBeforeExtension);
      if (c == ';') return go(State::kNameStart);
      if (c == '\r') return go(State::kLineEnd);
      break;
    case State::kQuoted:
      if (c == '"') return go(State::kQuotedEnd);
      if (c == '\\') return go(State::kEscaped);
      if (grammar::is(c, grammar::kContent)) return H1Refusal::kNone;
      break;
    case State::kEscaped:
      if (grammar::is(c, grammar::kContent)) return go(State::kQuoted);
      break;
    default: break;
  }
  return H1Refusal::kChunkExtension;
}

}  // namespace fairlead::http
