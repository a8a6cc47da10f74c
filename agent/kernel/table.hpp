// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tables that grow with the configuration (bpf/lib/maps.h): an inner map, pinned as fl_X, in a one-element array of
// maps, fl_X_of, through which programs read. Growing makes a larger inner map, fills it and puts it into the outer
// one; that update returns only after programs that may still use the old one have ended.

#include <bit>
#include <cerrno>

#include "agent/kernel/map.hpp"
#include "fairlead/abi/service.h"

namespace fairlead::kernel {

/// The pair of maps of one table.
/// Owner: its table. Thread: the agent's main thread.
class TablePair {
 public:
  TablePair() = default;
  /// pin: where the inner map is pinned; empty: not pinned. What the outer map holds counts, so that an agent killed
  /// between swapping and pinning is followed truly: a pin that leads elsewhere is put right.
  static Result<TablePair> open(Fd inner, Fd outer, std::string pin);

  [[nodiscard]] const RawMap& inner() const { return inner_; }
  /// A larger inner map of the same shape, not in use yet: double the size, or more if `entries` needs it.
  [[nodiscard]] Result<RawMap> make_larger(std::size_t entries) const;
  /// Puts the new inner map into the outer one, waits until no program reads the old one, and repins.
  [[nodiscard]] Result<> publish(RawMap larger);

 private:
  RawMap inner_;
  Fd outer_;
  Fd btf_;  // kept open: opening one by id takes CAP_SYS_ADMIN, which the agent drops after its start
  std::string pin_;
};

/// A growing hash that programs only read.
/// Owner: the agent. Thread: its main thread.
template <class K, class V>
class HashTable {
 public:
  HashTable() = default;
  static Result<HashTable> open(Fd inner, Fd outer, std::string pin = {}) {
    HashTable table;
    FL_TRY(table.pair_, TablePair::open(std::move(inner), std::move(outer), std::move(pin)));
    FL_CHECK(table.pair_.inner().expect_sizes(sizeof(K), sizeof(V)));
    return table;
  }

  /// One that takes every row and keeps none, for who only wants to know what would be written.
  static HashTable dry() {
    HashTable table;
    table.dry_ = true;
    return table;
  }

  /// Grows until `entries` fit.
  [[nodiscard]] Result<> reserve(std::size_t entries) {
    if (dry_ || entries <= capacity()) return {};
    FL_TRY(const auto contents, pair_.inner().dump());
    FL_TRY(auto larger, pair_.make_larger(entries));
    const auto written = larger.update(contents.keys.data(), contents.values.data(), contents.count);
    if (written.error != 0) return fail(larger.error("filling larger", written.error));
    return pair_.publish(std::move(larger));
  }
  [[nodiscard]] Result<> update(std::span<const K> keys, std::span<const V> values) {
    std::size_t done = 0;
    while (!dry_) {
      const auto written = pair_.inner().update(keys.data() + done, values.data() + done, keys.size() - done);
      done += written.count;
      if (written.error == 0) return {};
      if (written.error != E2BIG && written.error != ENOSPC)  // ENOSPC: a full LPM trie
        return fail(pair_.inner().error("updating", written.error));
      FL_CHECK(reserve(capacity() + keys.size() - done));
    }
    return {};
  }
  [[nodiscard]] Result<> update(const K& key, const V& value) {
    return update(std::span(&key, 1), std::span(&value, 1));
  }
  [[nodiscard]] Result<> remove(std::span<const K> keys) {
    return dry_ ? Result<>{} : pair_.inner().remove(keys.data(), keys.size());
  }
  [[nodiscard]] Result<> remove(const K& key) { return remove(std::span(&key, 1)); }
  [[nodiscard]] Result<std::optional<V>> find(const K& key) const {
    V value{};
    FL_TRY(const bool found, pair_.inner().find(&key, &value));
    return found ? std::optional<V>(value) : std::nullopt;
  }
  [[nodiscard]] Result<Rows<K, V>> dump() const {
    FL_TRY(const auto contents, pair_.inner().dump());
    return typed_rows<K, V>(contents);
  }
  [[nodiscard]] std::uint32_t capacity() const { return pair_.inner().shape().max_entries; }
  [[nodiscard]] const RawMap& raw() const { return pair_.inner(); }

 private:
  TablePair pair_;
  bool dry_ = false;
};

/// How a word of a state row is carried into a larger table, where programs may have written the old one meanwhile.
enum class Carry : std::uint8_t { kAdd32, kAdd64, kSet32, kSet64 };
struct CarriedWord {
  std::size_t offset;
  Carry carry;
};

/// The words of a row that programs write; empty: only the agent writes, rows are just copied.
template <class V>
inline constexpr std::span<const CarriedWord> kCarried{};

inline constexpr CarriedWord kBackendStateWords[] = {
    {offsetof(fl_backend_state, generation), Carry::kSet32},
    {offsetof(fl_backend_state, active), Carry::kAdd32},
    {offsetof(fl_backend_state, pending), Carry::kAdd32},
    {offsetof(fl_backend_state, failures), Carry::kAdd32},
    {offsetof(fl_backend_state, ejected_until_ns), Carry::kSet64},
    {offsetof(fl_backend_state, ejections), Carry::kAdd32},
    {offsetof(fl_backend_state, srtt_us), Carry::kSet32},
    {offsetof(fl_backend_state, total), Carry::kAdd64},
    {offsetof(fl_backend_state, connect_failures), Carry::kAdd64},
    {offsetof(fl_backend_state, resets), Carry::kAdd64},
    {offsetof(fl_backend_state, retransmissions), Carry::kAdd64},
};
inline constexpr CarriedWord kServiceStateWords[] = {
    {offsetof(fl_service_state, generation), Carry::kSet32},  {offsetof(fl_service_state, active), Carry::kAdd32},
    {offsetof(fl_service_state, pending), Carry::kAdd32},     {offsetof(fl_service_state, ejected), Carry::kAdd32},
    {offsetof(fl_service_state, round_robin), Carry::kAdd32}, {offsetof(fl_service_state, total), Carry::kAdd64},
    {offsetof(fl_service_state, no_backend), Carry::kAdd64},  {offsetof(fl_service_state, over_limit), Carry::kAdd64},
    {offsetof(fl_service_state, all_ejected), Carry::kAdd64},
};
template <>
inline constexpr std::span<const CarriedWord> kCarried<fl_backend_state>{kBackendStateWords};
template <>
inline constexpr std::span<const CarriedWord> kCarried<fl_service_state>{kServiceStateWords};

/// Copies one row as programs see it, word by word, so that each word of `to` is one that stood in `from`.
void copy_row(void* to, const void* from, std::span<const CarriedWord> words);
/// Adds to `now_used` what changed in `old` since the copy `before`.
void carry_row(void* now_used, const void* old, const void* before, std::span<const CarriedWord> words);

/// A growing mmapped array. Rows keep their numbers; references to rows end with reserve().
/// Owner: the agent. Thread: its main thread.
template <class V>
class ArrayTable {
 public:
  ArrayTable() = default;
  static Result<ArrayTable> open(Fd inner, Fd outer, std::string pin = {}) {
    ArrayTable table;
    FL_TRY(table.pair_, TablePair::open(std::move(inner), std::move(outer), std::move(pin)));
    FL_CHECK(table.pair_.inner().expect_sizes(sizeof(std::uint32_t), sizeof(V)));
    FL_TRY(table.mapping_, Mapping::of(table.pair_.inner()));
    return table;
  }

  /// One whose rows are in no map.
  static ArrayTable dry() {
    ArrayTable table;
    table.dry_ = true;
    return table;
  }

  [[nodiscard]] std::uint32_t size() const { return dry_ ? dry_size_ : pair_.inner().shape().max_entries; }
  [[nodiscard]] V& operator[](std::uint32_t row) const { return *row_of(mapping_, row); }
  [[nodiscard]] const RawMap& raw() const { return pair_.inner(); }

  /// Grows until `entries` rows are there; new rows are zero.
  [[nodiscard]] Result<> reserve(std::size_t entries) {
    if (entries <= size()) return {};
    if (dry_) return reserve_dry(entries);
    const std::uint32_t old_size = size();
    FL_TRY(auto larger, pair_.make_larger(entries));
    FL_TRY(Mapping next, Mapping::of(larger));
    constexpr auto words = kCarried<V>;
    std::vector<V> before(words.empty() ? 0 : old_size);
    if (words.empty()) {
      std::memcpy(next.data(), mapping_.data(), old_size * kStride);
    } else {
      for (std::uint32_t row = 0; row < old_size; ++row) {
        copy_row(&before[row], row_of(mapping_, row), words);
        *row_of(next, row) = before[row];
      }
    }
    FL_CHECK(pair_.publish(std::move(larger)));
    for (std::uint32_t row = 0; row < before.size(); ++row)
      carry_row(row_of(next, row), row_of(mapping_, row), &before[row], words);
    mapping_ = std::move(next);
    return {};
  }

 private:
  static constexpr std::size_t kStride = (sizeof(V) + 7) / 8 * 8;  // the kernel pads values to 8 bytes
  [[nodiscard]] Result<> reserve_dry(std::size_t entries) {
    FL_TRY(Mapping next, Mapping::anonymous(std::bit_ceil(entries) * kStride));
    if (dry_size_ != 0) std::memcpy(next.data(), mapping_.data(), dry_size_ * kStride);
    mapping_ = std::move(next);
    dry_size_ = static_cast<std::uint32_t>(std::bit_ceil(entries));
    return {};
  }
  static V* row_of(const Mapping& mapping, std::uint32_t row) {
    return reinterpret_cast<V*>(static_cast<std::byte*>(mapping.data()) + row * kStride);
  }

  TablePair pair_;
  Mapping mapping_;
  bool dry_ = false;
  std::uint32_t dry_size_ = 0;
};

}  // namespace fairlead::kernel
