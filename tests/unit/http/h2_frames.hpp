// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Frames made and read by hand (RFC 9113 4 and 6), so that a test can say what no library would.
namespace fairlead::http::frames {

enum Type : std::uint8_t {
  kData,
  kHeaders,
  kPriority,
  kRstStream,
  kSettings,
  kPushPromise,
  kPing,
  kGoaway,
  kWindowUpdate,
  kContinuation
};
enum Flag : std::uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8, kHasPriority = 32 };
enum Code : std::uint32_t {
  kNoError,
  kProtocolError,
  kInternalError,
  kFlowControlError,
  kSettingsTimeout,
  kStreamClosed,
  kFrameSizeError,
  kRefusedStream,
  kCancel,
  kCompressionError,
  kConnectError,
  kEnhanceYourCalm
};

inline std::string number(std::uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t id, std::string_view payload) {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(id, 4) + std::string(payload);
}

/// HPACK (RFC 7541 6.2.2) without table and Huffman code.
inline std::string length(std::size_t value) {
  if (value < 127) return number(value, 1);
  std::string text = "\x7f";
  for (value -= 127; value >= 128; value /= 128) text += static_cast<char>(value % 128 + 128);
  return text + static_cast<char>(value);
}
inline std::string field(std::string_view name, std::string_view value) {
  return std::string(1, '\0') + length(name.size()) + std::string(name) + length(value.size()) + std::string(value);
}
using List = std::vector<std::pair<std::string_view, std::string_view>>;
inline std::string block(const List& fields) {
  std::string text;
  for (const auto& [name, value] : fields) text += field(name, value);
  return text;
}

inline std::string headers(std::uint32_t id, const List& fields, bool end) {
  return frame(kHeaders, static_cast<std::uint8_t>(kEndHeaders | (end ? kEndStream : 0)), id, block(fields));
}
inline List get(std::string_view path = "/") {
  return {{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "a.example"}};
}
inline List with(List fields, const List& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}
inline std::string data(std::uint32_t id, std::string_view bytes, bool end) {
  return frame(kData, end ? kEndStream : 0, id, bytes);
}
inline std::string settings(const std::vector<std::pair<std::uint16_t, std::uint32_t>>& entries = {}) {
  std::string payload;
  for (const auto& [id, value] : entries) payload += number(id, 2) + number(value, 4);
  return frame(kSettings, 0, 0, payload);
}
inline std::string reset(std::uint32_t id, std::uint32_t code) { return frame(kRstStream, 0, id, number(code, 4)); }
inline std::string window_update(std::uint32_t id, std::uint32_t by) {
  return frame(kWindowUpdate, 0, id, number(by, 4));
}
inline std::string ping(std::string_view eight = "12345678", bool ack = false) {
  return frame(kPing, ack ? kAck : 0, 0, eight);
}
inline std::string goaway(std::uint32_t last, std::uint32_t code) {
  return frame(kGoaway, 0, 0, number(last, 4) + number(code, 4));
}
inline std::string times(std::size_t count, std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

struct Frame {
  std::uint8_t type;
  std::uint8_t flags;
  std::uint32_t id;
  std::string payload;

  [[nodiscard]] std::uint32_t word(std::size_t at) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(payload.at(at + i));
    return value;
  }
  /// Of RST_STREAM and GOAWAY.
  [[nodiscard]] std::uint32_t code() const { return word(type == kGoaway ? 4 : 0); }
};

/// Whole frames at the beginning of `bytes`, which they are taken off.
inline std::vector<Frame> parse(std::string& bytes) {
  std::vector<Frame> all;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at])); };
  while (bytes.size() >= 9) {
    const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes.size() < 9 + size) break;
    const std::uint32_t id = (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
    all.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)), id, bytes.substr(9, size)});
    bytes.erase(0, 9 + size);
  }
  return all;
}

}  // namespace fairlead::http::frames
