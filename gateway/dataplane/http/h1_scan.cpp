// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/http/h1_scan.hpp"

#include <algorithm>

#include "gateway/dataplane/http/grammar.hpp"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace fairlead::http {

namespace {

using grammar::is;

FieldScan scalar_field(char* at, char* end) {
  FieldScan scan{};
  for (; at < end && is(*at, grammar::kToken); ++at) *at = grammar::lower(*at);
  scan.colon = at;
  scan.value = skip_white(std::min(at + 1, end), end);
  for (at = scan.value; at < end && is(*at, grammar::kContent); ++at) {
  }
  scan.value_end = at;
  return scan;
}

const char* scalar_target(const char* at, const char* end) {
  while (at < end && is(*at, grammar::kTarget)) ++at;
  return at;
}

#ifdef __x86_64__

#define FL_AVX2 __attribute__((target("avx2,bmi")))
#define FL_AVX2_INLINE __attribute__((target("avx2,bmi"), always_inline)) inline

/// A set of ASCII characters as two tables of 16: c is in it if low[c & 15] has the bit of c >> 4.
struct NibbleSet {
  alignas(16) std::array<std::uint8_t, 16> low{};
};

constexpr NibbleSet nibbles_of(grammar::Class wanted) {
  NibbleSet set;
  for (unsigned byte = 0; byte < 128; ++byte) {
    if (is(static_cast<char>(byte), wanted)) set.low[byte & 15] |= static_cast<std::uint8_t>(1U << (byte >> 4));
  }
  return set;
}

constexpr NibbleSet kTokenSet = nibbles_of(grammar::kToken);
constexpr NibbleSet kTargetSet = nibbles_of(grammar::kTarget);
alignas(16) constexpr std::array<std::uint8_t, 16> kBitOfHigh = {1, 2, 4, 8, 16, 32, 64, 128};

FL_AVX2_INLINE __m256i load(const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }

FL_AVX2_INLINE __m256i table(const std::array<std::uint8_t, 16>& bytes) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(bytes.data())));
}

/// One bit for each byte that is not in the set. Bytes from 128 on: the shuffle gives 0 for them, so they are not.
FL_AVX2_INLINE unsigned outside(__m256i bytes, const NibbleSet& set) {
  const __m256i low = _mm256_shuffle_epi8(table(set.low), bytes);
  const __m256i high_nibbles = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
  const __m256i high = _mm256_shuffle_epi8(table(kBitOfHigh), high_nibbles);
  const __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
  return static_cast<unsigned>(_mm256_movemask_epi8(none));
}

/// One bit for each byte below SP but HTAB, and for DEL.
FL_AVX2_INLINE unsigned controls(__m256i bytes) {
  const __m256i below = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, _mm256_set1_epi8(0x1f)), _mm256_set1_epi8(0x1f));
  const __m256i tab = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t'));
  const __m256i del = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f));
  return static_cast<unsigned>(_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, below), del)));
}

/// Upper-case letters among the first `count` bytes become lower-case; all others are written back as they were.
FL_AVX2_INLINE void lower_first(char* at, __m256i bytes, unsigned count) {
  alignas(32) static constexpr std::array<char, 32> kPlaces = [] {
    std::array<char, 32> places{};
    for (unsigned i = 0; i < 32; ++i) places[i] = static_cast<char>(i);
    return places;
  }();
  const __m256i places = _mm256_load_si256(reinterpret_cast<const __m256i*>(kPlaces.data()));
  const __m256i first = _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(count)), places);
  const __m256i upper = _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('A' - 1)),
                                         _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), bytes));
  const __m256i bit = _mm256_and_si256(_mm256_and_si256(upper, first), _mm256_set1_epi8(0x20));
  const __m256i lowered = _mm256_or_si256(bytes, bit);
  if (count <= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_castsi256_si128(lowered));
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), lowered);
  }
}

FL_AVX2_INLINE void scan_value(FieldScan& scan, char* end) {
  scan.value = skip_white(std::min(scan.colon + 1, end), end);
  char* at = scan.value;
  for (; at < end; at += 32) {
    if (const unsigned mask = controls(load(at)); mask != 0) {
      at += __builtin_ctz(mask);
      break;
    }
  }
  scan.value_end = std::min(at, end);
}

/// A name that goes over one vector.
FL_AVX2 FieldScan avx2_long_field(char* at, char* end) {
  for (;; at += 32) {
    if (at >= end) {
      at = end;
      break;
    }
    const __m256i bytes = load(at);
    const unsigned mask = outside(bytes, kTokenSet);
    const auto left = static_cast<unsigned>(std::min<std::ptrdiff_t>(end - at, 32));
    const unsigned count = std::min(mask == 0 ? 32U : static_cast<unsigned>(__builtin_ctz(mask)), left);
    lower_first(at, bytes, count);
    if (count < 32) {
      at += count;
      break;
    }
  }
  FieldScan scan{.colon = at, .value = nullptr, .value_end = nullptr};
  scan_value(scan, end);
  return scan;
}

FL_AVX2 FieldScan avx2_field(char* at, char* end) {
  const __m256i bytes = load(at);
  const unsigned mask = outside(bytes, kTokenSet);
  if (mask == 0 || end - at < 32) return avx2_long_field(at, end);
  const auto count = static_cast<unsigned>(__builtin_ctz(mask));
  FieldScan scan{.colon = at + count, .value = nullptr, .value_end = nullptr};
  scan_value(scan, end);
  // The name is stored last: a load of bytes that a store before it has only in part waits for that store.
  lower_first(at, bytes, count);
  return scan;
}

FL_AVX2 const char* avx2_target(const char* at, const char* end) {
  for (; at < end; at += 32) {
    if (const unsigned mask = outside(load(at), kTargetSet); mask != 0) {
      at += __builtin_ctz(mask);
      break;
    }
  }
  return std::min(at, end);
}

constexpr ScanKernels kAvx2Scan{avx2_field, avx2_target};

#endif

}  // namespace

const ScanKernels kScalarScan{scalar_field, scalar_target};

const ScanKernels& best_scan() {
#ifdef __x86_64__
  static const ScanKernels& best = __builtin_cpu_supports("avx2") != 0 ? kAvx2Scan : kScalarScan;
  return best;
#else
  return kScalarScan;
#endif
}

}  // namespace fairlead::http
