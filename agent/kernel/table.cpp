// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/table.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace fairlead::kernel {
namespace {

template <class T>
T load(const void* base, std::size_t offset) {
  return __atomic_load_n(reinterpret_cast<const T*>(static_cast<const std::byte*>(base) + offset), __ATOMIC_RELAXED);
}
template <class T>
T* word_at(void* base, std::size_t offset) {
  return reinterpret_cast<T*>(static_cast<std::byte*>(base) + offset);
}

template <class T>
void carry_word(void* now_used, const void* old, const void* before, std::size_t offset, bool add) {
  const T was = load<T>(before, offset);
  const T is = load<T>(old, offset);
  if (was == is) return;
  T* word = word_at<T>(now_used, offset);
  if (add) {
    // Wraps as the counter itself does: a count that went down is a large delta that brings it down.
    __atomic_fetch_add(word, static_cast<T>(is - was), __ATOMIC_RELAXED);
    return;
  }
  T expected = was;  // a newer value written to the new row stays
  __atomic_compare_exchange_n(word, &expected, is, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool is_wide(Carry carry) { return carry == Carry::kAdd64 || carry == Carry::kSet64; }

}  // namespace

Result<TablePair> TablePair::open(Fd inner, Fd outer, std::string pin) {
  TablePair pair;
  FL_TRY(pair.inner_, RawMap::from_fd(std::move(inner)));
  const std::uint32_t zero = 0;
  std::uint32_t id = 0;
  if (bpf_map_lookup_elem(outer.get(), &zero, &id) != 0)
    return fail(system_error("reading the outer map of " + pair.inner_.shape().name, errno));
  if (id != pair.inner_.shape().id) {
    FL_TRY(pair.inner_, RawMap::from_id(id));
    if (!pin.empty()) FL_CHECK(pair.inner_.pin(pin));
  }
  if (pair.inner_.shape().btf_id != 0) {
    pair.btf_.reset(bpf_btf_get_fd_by_id(pair.inner_.shape().btf_id));
    if (!pair.btf_) return fail(system_error("opening the BTF of map " + pair.inner_.shape().name, errno));
  }
  pair.outer_ = std::move(outer);
  pair.pin_ = std::move(pin);
  return pair;
}

Result<RawMap> TablePair::make_larger(std::size_t entries) const {
  constexpr std::size_t kMost = std::size_t{1} << 31;
  const MapShape& shape = inner_.shape();
  const std::size_t size = std::max(std::size_t{shape.max_entries} * 2, std::bit_ceil(entries));
  if (size > kMost)
    return fail("map " + shape.name + ": " + std::to_string(entries) + " entries wanted, the most is 2^31");
  return RawMap::create_like(shape, static_cast<std::uint32_t>(size), btf_ ? btf_.get() : -1);
}

Result<> TablePair::publish(RawMap larger) {
  const std::uint32_t zero = 0;
  const int fd = larger.fd();
  if (bpf_map_update_elem(outer_.get(), &zero, &fd, BPF_ANY) != 0)
    return fail(larger.error("putting into its outer map", errno));
  inner_ = std::move(larger);
  // In use whether or not it can be pinned: open() mends a pin that leads to the old one.
  return pin_.empty() ? Result<>{} : inner_.pin(pin_);
}

void copy_row(void* to, const void* from, std::span<const CarriedWord> words) {
  for (const CarriedWord& word : words) {
    if (is_wide(word.carry)) *word_at<std::uint64_t>(to, word.offset) = load<std::uint64_t>(from, word.offset);
    else *word_at<std::uint32_t>(to, word.offset) = load<std::uint32_t>(from, word.offset);
  }
}

void carry_row(void* now_used, const void* old, const void* before, std::span<const CarriedWord> words) {
  for (const CarriedWord& word : words) {
    const bool add = word.carry == Carry::kAdd32 || word.carry == Carry::kAdd64;
    if (is_wide(word.carry)) carry_word<std::uint64_t>(now_used, old, before, word.offset, add);
    else carry_word<std::uint32_t>(now_used, old, before, word.offset, add);
  }
}

}  // namespace fairlead::kernel
