// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/identifiers.hpp"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace fairlead::telemetry {
namespace {

/// Both digits of each byte.
constexpr std::array<std::array<char, 2>, 256> kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
  return pairs;
}();

/// Spreads one number over a state (splitmix64), so that no state is all zero.
std::uint64_t spread(std::uint64_t& seed) {
  seed += 0x9e3779b97f4a7c15;
  auto mixed = seed;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

constexpr std::array<bool, 256> kRequestIdCharacters = [] {
  std::array<bool, 256> allowed{};
  for (const char c : std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=:@"))
    allowed[static_cast<unsigned char>(c)] = true;
  return allowed;
}();

}  // namespace

char* write_hex(char* out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8, out += 2)
    std::memcpy(out, kHexPairs[static_cast<std::uint8_t>(value >> shift)].data(), 2);
  return out;
}

char* write_hex(char* out, const TraceId& id) { return write_hex(write_hex(out, id.high), id.low); }

IdGenerator::IdGenerator() {
  if (getrandom(state_.data(), sizeof state_, 0) == static_cast<ssize_t>(sizeof state_)) return;
  // Only where the system call is forbidden: ids need to be unique, not secret.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  auto seed = static_cast<std::uint64_t>(now.tv_nsec) ^ (static_cast<std::uint64_t>(getpid()) << 32) ^
              static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
  for (auto& word : state_) word = spread(seed);
}

IdGenerator::IdGenerator(std::uint64_t seed) {
  for (auto& word : state_) word = spread(seed);
}

SpanId IdGenerator::span_id() {
  for (;;)
    if (const auto id = next(); id != 0) return id;
}

TraceId IdGenerator::trace_id() { return {next(), span_id()}; }

char* write_uuid(char* out, UuidVersion version, IdGenerator& ids, std::uint64_t unix_ms) {
  auto high = ids.next();
  auto low = ids.next();
  const std::uint64_t number = version == UuidVersion::kV7 ? 7 : 4;
  if (version == UuidVersion::kV7) high = (unix_ms << 16) | (high & 0xffff);
  high = (high & ~std::uint64_t{0xf000}) | (number << 12);
  low = (low & ~(std::uint64_t{3} << 62)) | (std::uint64_t{2} << 62);
  char digits[32];
  write_hex(digits, TraceId{high, low});
  int at = 0;
  for (const int group : {8, 4, 4, 4, 12}) {
    if (at != 0) *out++ = '-';
    std::memcpy(out, digits + at, static_cast<std::size_t>(group));
    out += group;
    at += group;
  }
  return out;
}

bool valid_request_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxRequestId &&
         std::ranges::all_of(id, [](char c) { return kRequestIdCharacters[static_cast<unsigned char>(c)]; });
}

std::string_view request_id(std::string_view sent, bool trusted, UuidVersion version, IdGenerator& ids,
                            std::uint64_t unix_ms, Arena& arena) {
  if (trusted && valid_request_id(sent)) return sent;
  char* made = arena.allocate(kUuidText);
  write_uuid(made, version, ids, unix_ms);
  return {made, kUuidText};
}

}  // namespace fairlead::telemetry
