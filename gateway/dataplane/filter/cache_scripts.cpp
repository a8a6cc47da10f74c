// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_scripts.hpp"

#include <algorithm>
#include <array>

#include "fairlead/limit/redis_script.hpp"

namespace fairlead::filter {
namespace {

// An index: g, the token in its values' keys; p, when it was invalidated last (seconds), as long as that is known; and
// for each key's name the fields that it varies by. Where Redis evicts an index its values are found no more.
constexpr std::string_view kRead = R"(local index = redis.call('HMGET', KEYS[1], 'g', ARGV[1])
if not index[1] or not index[2] then return {index[1] or '', false} end
local given = {}
for i = 3, #ARGV, 2 do given[ARGV[i]] = ARGV[i + 1] end
local variant = ARGV[1]
for name in string.gmatch(index[2], '[^,]+') do variant = variant .. ',' .. (given[name] or '-') end
local key = KEYS[1] .. ':' .. index[1] .. ':' .. redis.sha1hex(variant)
if redis.call('STRLEN', key) > tonumber(ARGV[2]) then return {index[1], -1} end
return {index[1], redis.call('GET', key)}
)";

// Whoever has read no token may write where the index was not invalidated for as long as a fetch may take, twice.
constexpr std::string_view kWrite = R"(local index = redis.call('HMGET', KEYS[1], 'g', 'p')
local token, purged, time = index[1], index[2], redis.call('TIME')
if ARGV[2] ~= '' and ARGV[2] ~= token then return 0 end
if ARGV[2] == '' and purged and tonumber(time[1]) - tonumber(purged) < 600 then return 0 end
if not token or redis.call('HLEN', KEYS[1]) > 4096 then
  if token then redis.call('DEL', KEYS[1]) end
  token = time[1] .. '.' .. time[2]
  redis.call('HSET', KEYS[1], 'g', token)
  if purged then redis.call('HSET', KEYS[1], 'p', purged) end
end
local ttl = tonumber(ARGV[5])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if redis.call('TTL', KEYS[1]) < ttl then redis.call('EXPIRE', KEYS[1], ttl) end
redis.call('SET', KEYS[1] .. ':' .. token .. ':' .. redis.sha1hex(ARGV[4]), ARGV[6], 'EX', ttl)
return 1
)";

constexpr std::string_view kInvalidate = R"(local time = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'g', time[1] .. '.' .. time[2])
redis.call('HSET', KEYS[1], 'p', time[1])
redis.call('EXPIRE', KEYS[1], 600)
return 1
)";

// A journal: a hash of e, which one it is; s, the number of the last purge; f, the last that was cut off; n, how many
// there are. The purges are a sorted set by their numbers: one that comes again takes a new number. Where Redis has
// lost one of the two, both begin anew, and whatever was written with the old one is found no more.
constexpr std::string_view kBegin = R"(local journal, purges = KEYS[1], KEYS[2]
local epoch = redis.call('HGET', journal, 'e')
if not epoch or redis.call('ZCARD', purges) ~= tonumber(redis.call('HGET', journal, 'n') or '0') then
  local time = redis.call('TIME')
  epoch = time[1] .. string.format('%06d', time[2])
  redis.call('DEL', journal, purges)
  redis.call('HSET', journal, 'e', epoch)
end
)";

constexpr std::string_view kJournalRead = R"(local state = redis.call('HMGET', journal, 's', 'f')
local out = {epoch, state[1] or '0', state[2] or '0'}
local from = epoch == ARGV[1] and ARGV[2] or '0'
local rows = redis.call('ZRANGEBYSCORE', purges, '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #rows do out[i + 3] = rows[i] end
return out
)";

// What needs no room comes first: a script that has begun to write goes on where Redis is full, so that purges, unlike
// values, are not turned down then.
constexpr std::string_view kJournalWrite = R"(local number
redis.call('ZREM', purges, unpack(ARGV))
for i = 1, #ARGV do
  number = redis.call('HINCRBY', journal, 's', 1)
  redis.call('ZADD', purges, number, ARGV[i])
end
local over = redis.call('ZCARD', purges) - 16384
if over > 0 then
  local last = redis.call('ZRANGE', purges, over - 1, over - 1, 'WITHSCORES')
  redis.call('HSET', journal, 'f', last[2])
  redis.call('ZREMRANGEBYRANK', purges, 0, over - 1)
end
redis.call('HSET', journal, 'n', redis.call('ZCARD', purges))
return {epoch, tostring(number)}
)";

const std::string& journal_read() {
  static const std::string text = std::string(kBegin).append(kJournalRead);
  return text;
}

const std::string& journal_write() {
  static const std::string text = std::string(kBegin).append(kJournalWrite);
  return text;
}

struct Named {
  std::string_view script;
  std::string sha;
};

const std::array<Named, 5>& all_named() {
  static const auto all = [] {
    std::array<Named, 5> out;
    const auto scripts = cache_scripts();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = {scripts[i], limit::script_sha(scripts[i])};
    return out;
  }();
  return all;
}

}  // namespace

std::string_view cache_read_script() { return kRead; }
std::string_view cache_write_script() { return kWrite; }
std::string_view cache_invalidate_script() { return kInvalidate; }
std::string_view journal_read_script() { return journal_read(); }
std::string_view journal_write_script() { return journal_write(); }

std::span<const std::string_view> cache_scripts() {
  static const std::array<std::string_view, 5> all = {kRead, kWrite, kInvalidate, journal_read(), journal_write()};
  return all;
}

void append_script(std::string& out, std::string_view script, bool whole, std::size_t arguments) {
  const auto& all = all_named();
  const auto& found = *std::ranges::find(all, script.data(), [](const auto& one) { return one.script.data(); });
  limit::append_command(out, 3 + arguments);
  limit::append_argument(out, whole ? "EVAL" : "EVALSHA");
  limit::append_argument(out, whole ? script : std::string_view(found.sha));
}

}  // namespace fairlead::filter
