// SPDX-License-Identifier: Apache-2.0
#pragma once

// Just enough of protobuf's wire format to write OTLP. The caller's memory suffices.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "gateway/dataplane/telemetry/text.hpp"

namespace fairlead::telemetry::protobuf {

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

inline char* varint(char* out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

inline char* tag(char* out, std::uint32_t field, Wire wire) {
  return varint(out, (std::uint64_t{field} << 3) | static_cast<std::uint64_t>(wire));
}

inline char* number(char* out, std::uint32_t field, std::uint64_t value) {
  return varint(tag(out, field, Wire::kVarint), value);
}

inline char* fixed64(char* out, std::uint32_t field, std::uint64_t value) {
  out = tag(out, field, Wire::kFixed64);
  for (int i = 0; i < 8; ++i) *out++ = static_cast<char>(value >> (8 * i));
  return out;
}

inline char* fixed32(char* out, std::uint32_t field, std::uint32_t value) {
  out = tag(out, field, Wire::kFixed32);
  for (int i = 0; i < 4; ++i) *out++ = static_cast<char>(value >> (8 * i));
  return out;
}

/// Bytes of lengths that are known only afterwards: a varint may be longer than it has to be.
inline constexpr std::size_t kLengthBytes = 3;
inline constexpr std::size_t kMaxLength = (std::size_t{1} << (7 * kLengthBytes)) - 1;

/// A field of bytes, text, or a message that `body(out)` writes.
template <class Body>
char* message(char* out, std::uint32_t field, Body body) {
  out = tag(out, field, Wire::kBytes);
  char* const length = out;
  char* const end = body(out + kLengthBytes);
  const auto size = static_cast<std::size_t>(end - length) - kLengthBytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    length[i] = static_cast<char>(((size >> (7 * i)) & 0x7f) | (i + 1 < kLengthBytes ? 0x80 : 0));
  return end;
}

inline char* bytes(char* out, std::uint32_t field, std::string_view value) {
  return text::put(varint(tag(out, field, Wire::kBytes), value.size()), value);
}

}  // namespace fairlead::telemetry::protobuf
