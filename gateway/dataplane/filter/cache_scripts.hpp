// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Redis does for caches that share it, in Lua: each is one round trip. Redis 5 or later.

#include <span>
#include <string>
#include <string_view>

namespace fairlead::filter {

/// KEYS: a URL's index. ARGV: the key's name; the most bytes; names of the request's fields, each with that of its
/// values. Answer: the index' token; the value, nil, or -1 where it is longer.
[[nodiscard]] std::string_view cache_read_script();
/// KEYS: a URL's index. ARGV: the key's name, the token that was read, what it varies by, the variant's name, seconds,
/// the value. Answer: 1, or 0 where it was invalidated since the token was read.
[[nodiscard]] std::string_view cache_write_script();
/// KEYS: a URL's index. Answer: 1.
[[nodiscard]] std::string_view cache_invalidate_script();
/// KEYS: the journal and its purges. ARGV: which journal is known, the last purge that is, how many are wanted.
/// Answer: which journal it is, its last purge, the last that it has not any more; then purges with their numbers.
[[nodiscard]] std::string_view journal_read_script();
/// KEYS: the same. ARGV: purges. Answer: which journal it is, its last purge.
[[nodiscard]] std::string_view journal_write_script();

/// All of them.
[[nodiscard]] std::span<const std::string_view> cache_scripts();

/// Appends EVALSHA, or with `whole` EVAL; how many keys there are, the keys and `arguments` in all have to follow.
void append_script(std::string& out, std::string_view script, bool whole, std::size_t arguments);

}  // namespace fairlead::filter
