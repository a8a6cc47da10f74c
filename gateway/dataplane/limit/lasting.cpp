// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/lasting.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "fairlead/limit/key.hpp"

namespace fairlead::limit {
namespace {

// A text: kMagic, the secret (16 bytes), how many sections (4), then of each the length of its name (4), the name, its
// window (8), that one's end (8), how many cells (8) and these (hash, count); last SHA-256 of all that. Little-endian.
constexpr std::string_view kMagic = "fairlead counts 1\n";
constexpr std::size_t kDigest = 32, kSecret = 16;
constexpr std::int64_t kLeastPer = 60'000'000;  // microseconds

std::string digest_of(std::string_view text) {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(), nullptr);
  out.resize(size);
  return out;
}

template <class T>
void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Takes from the beginning; false: there is not as much.
template <class T>
bool take(std::string_view& from, T& out) {
  if (from.size() < sizeof out) return false;
  std::memcpy(&out, from.data(), sizeof out);
  from.remove_prefix(sizeof out);
  return true;
}

/// What is between the magic and the digest.
Result<std::string_view> body_of(std::string_view text) {
  if (!text.starts_with(kMagic)) return fail("found another format, expected \"fairlead counts 1\"");
  if (text.size() < kMagic.size() + kSecret + kDigest) return fail("it ends early");
  const auto signed_part = text.substr(0, text.size() - kDigest);
  if (digest_of(signed_part) != text.substr(signed_part.size()))
    return fail("its checksum is not that of its content: it was cut off or changed");
  return signed_part.substr(kMagic.size());
}

CalendarWindow window_of(const Rule& rule, std::int64_t now_us) {
  if (rule.calendar != Calendar::kNone) return calendar_window(rule.calendar, rule.zone.get(), now_us);
  const auto number = now_us / rule.per_us;
  return {.number = number, .begin_us = number * rule.per_us, .end_us = (number + 1) * rule.per_us};
}

}  // namespace

bool lasts(const Rule& rule) { return rule.algorithm == Algorithm::kFixedWindow && rule.per_us >= kLeastPer; }

LastingCounts& LastingCounts::of_process() {
  static LastingCounts all;
  return all;
}

void LastingCounts::enable() {
  const std::scoped_lock lock(mutex_);
  enabled_ = true;
}

bool LastingCounts::enabled() const {
  const std::scoped_lock lock(mutex_);
  return enabled_;
}

std::size_t LastingCounts::limits() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(kept_, [](const auto& entry) { return !entry.second.counts.expired(); }));
}

void LastingCounts::keep(const std::string& name, const Rule& rule, const std::shared_ptr<Counts>& counts,
                         std::int64_t now_us) {
  const std::scoped_lock lock(mutex_);
  if (!enabled_ || !lasts(rule)) return;
  auto& kept = kept_[name];
  const bool fresh = kept.counts.lock() != counts;
  kept = {.rule = rule, .counts = counts};
  const auto found = waiting_.find(name);
  if (!fresh || found == waiting_.end()) return;
  add(found->second, rule, *counts, now_us);
  waiting_.erase(found);
}

void LastingCounts::add(const Section& section, const Rule& rule, Counts& counts, std::int64_t now_us) {
  if (window_of(rule, now_us).number != section.window) return;
  auto& table = counts.table();
  for (const auto& one : section.cells) {
    auto& shard = table.shard(one.hash);
    const std::scoped_lock lock(shard.lock);
    auto cell = table.find(shard, one.hash);
    if (cell.empty())
      cell = table.insert(shard, one.hash, kFull,
                          [&](std::span<std::uint64_t> held) { return fullness(rule, held, now_us); });
    if (cell.empty()) continue;  // no memory
    static_cast<void>(judge(rule, cell, now_us, 0));
    if (cell[0] == static_cast<std::uint64_t>(section.window)) cell[1] += one.count;
  }
}

LastingCounts::Section LastingCounts::section_of(const Rule& rule, Counts& counts, std::int64_t now_us) {
  const auto window = window_of(rule, now_us);
  Section out{.window = window.number, .until_us = window.end_us, .cells = {}};
  counts.table().visit([&] { return out.cells.size(); }, [&](std::size_t size) { out.cells.resize(size); },
                       [&](std::uint64_t hash, std::span<const std::uint64_t> cell) {
                         if (cell[0] == static_cast<std::uint64_t>(window.number) && cell[1] > 0)
                           out.cells.push_back({hash, cell[1]});
                       });
  return out;
}

std::string LastingCounts::encode(std::int64_t now_us) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(kept_, [](const auto& entry) { return entry.second.counts.expired(); });
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second.until_us <= now_us; });
  std::string out(kMagic);
  append(out, hash_secret());
  append(out, static_cast<std::uint32_t>(kept_.size() + waiting_.size()));
  const auto put = [&](const std::string& name, const Section& section) {
    append(out, static_cast<std::uint32_t>(name.size()));
    out += name;
    append(out, section.window);
    append(out, section.until_us);
    append(out, static_cast<std::uint64_t>(section.cells.size()));
    out.append(reinterpret_cast<const char*>(section.cells.data()), section.cells.size() * sizeof(Cell));
  };
  for (const auto& [name, kept] : kept_) {
    const auto counts = kept.counts.lock();
    put(name, counts ? section_of(kept.rule, *counts, now_us) : Section{});
  }
  for (const auto& [name, section] : waiting_) put(name, section);
  return out + digest_of(out);
}

Result<LastingCounts::Sections> LastingCounts::decode(std::string_view text) {
  FL_TRY(auto body, body_of(text));
  body.remove_prefix(kSecret);
  std::uint32_t count = 0;
  if (!take(body, count)) return fail("it ends early");
  Sections out;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t length = 0;
    std::uint64_t cells = 0;
    if (!take(body, length) || body.size() < length) return fail("a section ends early");
    auto& section = out[std::string(body.substr(0, length))];
    body.remove_prefix(length);
    if (!take(body, section.window) || !take(body, section.until_us) || !take(body, cells) ||
        body.size() / sizeof(Cell) < cells)
      return fail("a section ends early");
    section.cells.resize(cells);
    if (cells > 0) std::memcpy(section.cells.data(), body.data(), cells * sizeof(Cell));
    body.remove_prefix(cells * sizeof(Cell));
  }
  if (!body.empty()) return fail("something follows its last section");
  return out;
}

Result<> LastingCounts::adopt_secret(std::string_view text) {
  FL_TRY(const auto body, body_of(text));
  std::array<std::uint64_t, 2> secret{};
  std::memcpy(secret.data(), body.data(), kSecret);
  set_hash_secret(secret);
  return {};
}

Result<> LastingCounts::load(std::string_view text, std::int64_t now_us) {
  FL_TRY(auto sections, decode(text));
  std::array<std::uint64_t, 2> secret{};
  std::memcpy(secret.data(), text.data() + kMagic.size(), kSecret);
  if (secret != hash_secret()) return fail("its keys are hashed by another secret than this process'");
  const std::scoped_lock lock(mutex_);
  for (auto& [name, section] : sections) {
    const auto kept = kept_.find(name);
    const auto counts = kept == kept_.end() ? nullptr : kept->second.counts.lock();
    if (counts) add(section, kept->second.rule, *counts, now_us);
    else if (section.until_us > now_us) waiting_[name] = std::move(section);
  }
  return {};
}

}  // namespace fairlead::limit
