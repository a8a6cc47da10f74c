// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a stored response looks outside of this process, where another gateway reads it.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/cache/entry.hpp"

namespace fairlead::cache {

/// What an encoded response is told apart by.
struct Stamp {
  std::array<std::uint8_t, 32> digest{};  ///< of its key, and of what it varies by: whose answer it is
  std::uint64_t journal = 0;              ///< which journal of purges was read when it was asked for
  std::uint64_t purge = 0;                ///< the last purge of it that was known then
};

/// The same moment by two clocks, in milliseconds: ages are told between gateways by the second.
struct Moment {
  std::int64_t monotonic = 0;  ///< CLOCK_MONOTONIC
  std::int64_t wall = 0;       ///< since 1970
};

inline constexpr std::size_t kMostEncoded = 1'040'000;  ///< bytes; what Redis' client takes in one reply is 1 MiB
inline constexpr std::int64_t kMostAhead = 3'600'000;  ///< ms; what was born later than that from now is not believed

/// Whether Cache-Control lets any cache store a response with these fields: one for which a header that is ours alone
/// says otherwise (RFC 9213) stays in memory, and what else of the kind is read back is not of us. Thread: any.
[[nodiscard]] bool may_be_shared(const http::Fields& fields);

/// Empty: it has too many or too long fields, or is longer than `most` bytes all told. Thread: any.
[[nodiscard]] std::string encode(const Entry& entry, const Stamp& stamp, const Moment& now, std::size_t most);

/// Null: it is none of ours, of another version, damaged, or says what no stored response may. vary_values is left
/// empty: only who knows the request can tell whether the digest is of it. Thread: any.
[[nodiscard]] std::shared_ptr<Entry> decode(std::string_view data, const std::vector<std::string>& tag_fields,
                                            const Moment& now, Stamp& stamp);

}  // namespace fairlead::cache
