// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/redis_script.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "fairlead/limit/redis_config.hpp"
#include "fairlead/limit/shared_places.hpp"

namespace fairlead::limit {
namespace {

// KEYS: one a limit. ARGV: for each kind, cost, six numbers by kind, and how much more may be taken (a lease: at most
// half of what is left then, so that others find some too), or -1: the cost is taken whatever is left, until a whole
// limit is owed. Values are pairs of doubles (used and when; window and count), or a slice's number and 17 counts;
// whole numbers below 2^53 throughout. Answer: time in microseconds; 1 where all have passed, 0 where not, -1 where a
// calendar's windows do not reach this time; for each limit what is used, when it comes back, and when it would do
// (microseconds from now, where the caller cannot know), or, where all have passed, how much more was taken.
constexpr std::string_view kScript = R"(local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local all, out, values, ttls, mores = 1, {now, 0}, {}, {}, {}
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local function taken(i, cost, more, left)
  mores[i] = 0
  if more < 0 then return min(cost, max(0, left)) end
  if cost > max(0, left) then all = 0 end
  if more > 0 then mores[i] = max(0, min(more, floor((left - cost) / 2))) end
  return cost + mores[i]
end
for i = 1, #KEYS do
  local o, n = i * 9 - 8, i * 3
  local kind, cost, most, b = ARGV[o], tonumber(ARGV[o + 1]), tonumber(ARGV[o + 2]), tonumber(ARGV[o + 3])
  local held = redis.call('GET', KEYS[i])
  local used, reset, retry, more = 0, 0, 0, tonumber(ARGV[o + 8])
  local owed = more < 0 and most or 0
  if kind == 'T' then
    local cap, unit = tonumber(ARGV[o + 4]), tonumber(ARGV[o + 5])
    local at = floor(now / unit)
    if held then
      local last
      used, last = struct.unpack('<dd', held)
      if at > last then used = max(0, used - (at - last) * most)
      elseif last - at <= 5000000 / unit then at = last end
    end
    local room = more < 0 and 2 * cap - used or cap - used
    local after = used + taken(i, cost, more, floor(room / b)) * b
    values[i] = struct.pack('<dd', after, at)
    ttls[i] = ceil(after / most * unit / 1000) + 1000
  elseif kind == 'S' then
    local at = floor(now / b)
    local c = {}
    for j = 1, 17 do c[j] = 0 end
    if held then
      local v = {struct.unpack('<dI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4', held)}
      if v[1] > at and v[1] - at <= 5000000 / b + 1 then at = v[1] end
      local shift = max(0, at - v[1])
      for j = 1, 17 - shift do c[j + shift] = v[j + 1] end
    end
    for j = 17, 1, -1 do
      used = used + c[j]
      if c[j] > 0 then reset = (at + 18 - j) * b - now end
    end
    local left, j = used, 17
    while left + cost > most and j > 0 do
      left = left - c[j]
      retry = (at + 18 - j) * b - now
      j = j - 1
    end
    c[1] = c[1] + taken(i, cost, more, most + owed - used)
    values[i] = struct.pack('<dI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4', at, unpack(c))
    ttls[i] = ceil(b * 17 / 1000) + 1000
  else
    local number, ends
    if kind == 'F' then
      number = floor(now / b)
      ends = (number + 1) * b
    else
      for j = 0, 2 do
        if now >= tonumber(ARGV[o + 4 + j]) then number, ends = b + j, tonumber(ARGV[o + 5 + j] or '0') end
      end
      if not number or now >= ends then return {now, -1} end
    end
    if held then
      local window, count = struct.unpack('<dd', held)
      if window == number then used = count
      elseif window > number then
        used = count
        if window == number + 1 and ends - now <= 5000000 then number = window end
      end
    end
    reset = ends - now
    values[i] = struct.pack('<dd', number, used + taken(i, cost, more, most + owed - used))
    ttls[i] = ceil(reset / 1000) + 6000
  end
  out[n], out[n + 1], out[n + 2] = used, reset, retry
end
out[2] = all
if all == 1 then
  for i = 1, #KEYS do
    out[i * 3 + 2] = mores[i]
    if ARGV[i * 9 - 7] ~= '0' or mores[i] > 0 then redis.call('SET', KEYS[i], values[i], 'PX', ttls[i]) end
  end
end
return out
)";

// KEYS: one. ARGV: kind, count, the unit that the kind counts in, the window's number. Of a sliding window the oldest
// counts go: so no more is free at any time than if those of the lease had gone. Answer: 1, or 0 where nothing is left.
constexpr std::string_view kGiveBack = R"(local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local kind, count, b, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held, ttl = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if not held or ttl <= 0 then return 0 end
local max, min = math.max, math.min
if kind == 'T' then
  local used, at = struct.unpack('<dd', held)
  held = struct.pack('<dd', max(0, used - count * b), at)
elseif kind == 'S' then
  local v = {struct.unpack('<dI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4', held)}
  for j = 17 - max(0, math.floor(now / b) - v[1]), 1, -1 do
    local less = min(count, v[j + 1])
    v[j + 1] = v[j + 1] - less
    count = count - less
  end
  held = struct.pack('<dI4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4', unpack(v, 1, 18))
else
  local number, used = struct.unpack('<dd', held)
  if number ~= window then return 0 end
  held = struct.pack('<dd', number, max(0, used - count))
end
redis.call('SET', KEYS[1], held, 'PX', ttl)
return 1
)";

constexpr std::size_t kArguments = 9;  // of a limit

using Arguments = std::array<std::int64_t, 6>;

/// The kind's letter, and its numbers.
char arguments_of(const Rule& rule, std::int64_t now_us, Arguments& out) {
  out = {static_cast<std::int64_t>(rule.requests)};
  if (rule.algorithm == Algorithm::kTokenBucket) {
    out[1] = static_cast<std::int64_t>(rule.per_units);
    out[2] = static_cast<std::int64_t>(rule.burst * rule.per_units);
    out[3] = rule.unit_us;
    return 'T';
  }
  if (rule.algorithm == Algorithm::kSlidingWindow) {
    out[1] = rule.slice_us();
    return 'S';
  }
  if (rule.calendar == Calendar::kNone) {
    out[1] = rule.per_us;
    return 'F';
  }
  const auto window = calendar_window(rule.calendar, rule.zone.get(), now_us);
  out[1] = window.number - 1;
  out[2] = calendar_begin_us(rule.calendar, rule.zone.get(), window.number - 1);
  out[3] = window.begin_us;
  out[4] = window.end_us;
  out[5] = calendar_begin_us(rule.calendar, rule.zone.get(), window.number + 2);
  return 'C';
}

/// A level by what is used; with all passed, after the request.
Level level_of(const SharedItem& item, std::uint64_t used, std::int64_t reset_us, std::int64_t retry_us, bool all) {
  const auto& rule = *item.rule;
  if (rule.algorithm == Algorithm::kTokenBucket) {
    std::array<std::uint64_t, 2> words{used + (all ? item.cost * rule.per_units : 0), 0};
    return judge(rule, Cell(words), 0, all ? 0 : item.cost);
  }
  Level out{.limit = rule.requests, .remaining = rule.requests - std::min(rule.requests, used), .reset_us = reset_us};
  if (all) {
    out.remaining -= std::min(out.remaining, item.cost);
    if (rule.algorithm == Algorithm::kSlidingWindow && item.cost > 0)
      out.reset_us = rule.slice_us() * static_cast<std::int64_t>(kSlices + 1);
    return out;
  }
  out.allowed = item.cost <= out.remaining;
  if (out.allowed) return out;
  out.retry_us = rule.algorithm == Algorithm::kSlidingWindow ? retry_us : reset_us;
  if (item.cost > rule.requests) out.retry_us = -1;
  return out;
}

std::uint16_t crc16(std::string_view data) {
  std::uint16_t out = 0;  // XMODEM: polynomial 0x1021
  for (const char c : data) {
    out = static_cast<std::uint16_t>(out ^ static_cast<unsigned char>(c) << 8);
    for (int bit = 0; bit < 8; ++bit)
      out = static_cast<std::uint16_t>((out & 0x8000) != 0 ? out << 1 ^ 0x1021 : out << 1);
  }
  return out;
}

}  // namespace

std::string_view redis_script() { return kScript; }

std::span<const std::string_view> limit_scripts() {
  static const std::string_view kScripts[] = {kScript, kGiveBack, places_script()};
  return kScripts;
}

std::string script_sha(std::string_view script) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(script.data(), script.size(), digest, &size, EVP_sha1(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

const std::string& redis_script_sha() {
  static const std::string sha = script_sha(kScript);
  return sha;
}

void append_give_back(std::string& out, const GiveBack& what) {
  static const std::string sha = script_sha(kGiveBack);
  const auto& rule = *what.rule;
  append_command(out, 8);
  append_argument(out, "EVALSHA");
  append_argument(out, sha);
  append_argument(out, std::int64_t{1});
  append_argument(out, what.key);
  const bool bucket = rule.algorithm == Algorithm::kTokenBucket, slices = rule.algorithm == Algorithm::kSlidingWindow;
  append_argument(out, bucket ? "T" : slices ? "S" : "F");
  append_argument(out, static_cast<std::int64_t>(what.count));
  append_argument(out, bucket ? static_cast<std::int64_t>(rule.per_units) : slices ? rule.slice_us() : 0);
  append_argument(out, what.window);
}

std::int64_t window_number(const Rule& rule, std::int64_t redis_us) {
  if (rule.algorithm != Algorithm::kFixedWindow) return 0;
  if (rule.calendar == Calendar::kNone) return redis_us / rule.per_us;
  return calendar_window(rule.calendar, rule.zone.get(), redis_us).number;
}

void append_take(std::string& out, std::span<const SharedItem> items, std::int64_t now_us, bool whole) {
  append_command(out, 3 + items.size() * (1 + kArguments));
  append_argument(out, whole ? "EVAL" : "EVALSHA");
  append_argument(out, whole ? kScript : std::string_view(redis_script_sha()));
  append_argument(out, static_cast<std::int64_t>(items.size()));
  for (const auto& item : items) append_argument(out, item.key);
  for (const auto& item : items) {
    Arguments numbers;
    const char kind = arguments_of(*item.rule, now_us, numbers);
    append_argument(out, std::string_view{&kind, 1});
    append_argument(out, static_cast<std::int64_t>(item.cost));
    for (const auto number : numbers) append_argument(out, number);
    append_argument(out, item.more);
  }
}

TakeStatus read_take(std::span<const RespValue> reply, std::span<SharedItem> items, std::int64_t& redis_us) {
  constexpr std::int64_t kMost = std::int64_t{1} << 53;  // what the script can count to
  const auto is_number = [](const RespValue& value) {
    return value.type == RespValue::Type::kInteger && value.integer > -kMost && value.integer < kMost;
  };
  if (reply.size() < 3 || reply[0].type != RespValue::Type::kArray) return TakeStatus::kBroken;
  if (!std::ranges::all_of(reply.subspan(1), is_number)) return TakeStatus::kBroken;
  redis_us = reply[1].integer;
  if (reply[2].integer < 0) return TakeStatus::kOtherTime;
  if (reply.size() != 3 + items.size() * 3) return TakeStatus::kBroken;
  const bool all = reply[2].integer == 1;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto used = reply[3 + i * 3].integer;
    if (used < 0) return TakeStatus::kBroken;
    const auto last = reply[5 + i * 3].integer;
    items[i].level = level_of(items[i], static_cast<std::uint64_t>(used), reply[4 + i * 3].integer, last, all);
    if (all)
      items[i].leased =
          static_cast<std::uint64_t>(std::clamp<std::int64_t>(last, 0, std::max<std::int64_t>(0, items[i].more)));
  }
  return all ? TakeStatus::kAllowed : TakeStatus::kRefused;
}

std::uint16_t hash_slot(std::string_view key) {
  const auto open = key.find('{');
  if (open != std::string_view::npos) {
    const auto close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return crc16(key) & 16383;
}

}  // namespace fairlead::limit
