// SPDX-License-Identifier: Apache-2.0
#pragma once

// Redis' protocol, version 2 (RESP2): https://redis.io/docs/latest/develop/reference/protocol-spec/

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::limit {

/// One value of a reply. A reply is a list of them: an array comes before its elements.
struct RespValue {
  enum class Type : std::uint8_t { kNil, kInteger, kText, kError, kArray };
  Type type = Type::kNil;
  std::int64_t integer = 0;   ///< kArray: how many elements
  std::string_view text{};    ///< into what was parsed
};

enum class RespStatus : std::uint8_t { kComplete, kMore, kBroken };

inline constexpr std::size_t kMostRespBytes = 1 << 20;   ///< of a reply
inline constexpr std::size_t kMostRespValues = 1 << 16;  ///< of a reply

/// Reads one reply from the beginning of `data`; `used`: its bytes, with kComplete. kMore: `data` ends within it; it is
/// read anew when more has come.
[[nodiscard]] RespStatus parse_resp(std::string_view data, std::size_t& used, std::vector<RespValue>& out);

/// Appends "*count" and then each argument by itself.
void append_command(std::string& out, std::size_t arguments);
void append_argument(std::string& out, std::string_view argument);
void append_argument(std::string& out, std::int64_t number);
/// AUTH, with an ACL user where there is one.
void append_auth(std::string& out, std::string_view username, std::string_view password);

}  // namespace fairlead::limit
