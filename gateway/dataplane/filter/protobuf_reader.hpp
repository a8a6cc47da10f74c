// SPDX-License-Identifier: Apache-2.0
#pragma once

// Just enough of protobuf's wire format to read small messages.

#include <cstdint>
#include <string_view>

namespace fairlead::filter {

/// Goes through the fields of one message. Thread: any.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view data) : rest_(data) {}

  /// The next field; false at the end, or where the message is broken.
  bool next() {
    if (rest_.empty()) return false;
    std::uint64_t tag = 0;
    if (!varint(tag) || (tag >> 3) == 0 || (tag >> 3) > 0x1fffffff) return fail();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0: return varint(number_) || fail();
      case 1: return skip(8) || fail();
      case 5: return skip(4) || fail();
      case 2: {
        std::uint64_t length = 0;
        if (!varint(length) || length > rest_.size()) return fail();
        bytes_ = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return true;
      }
      default: return fail();
    }
  }
  [[nodiscard]] std::uint32_t field() const { return field_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }  ///< of a varint
  [[nodiscard]] std::string_view bytes() const { return bytes_; }  ///< of a text or message
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  bool fail() {
    broken_ = true;
    rest_ = {};
    return false;
  }
  bool skip(std::size_t size) {
    if (rest_.size() < size) return false;
    rest_.remove_prefix(size);
    number_ = 0;
    bytes_ = {};
    return true;
  }
  bool varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  std::string_view rest_;
  std::string_view bytes_;
  std::uint64_t number_ = 0;
  std::uint32_t field_ = 0;
  bool broken_ = false;
};

}  // namespace fairlead::filter
