// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/packed.hpp"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zstd.h>

#include <memory>

namespace fairlead::filter {
namespace {

using change::Expanded;
using change::ExpandLimits;

constexpr std::size_t kStep = 16384;
constexpr int kZstdLevel = 3;
constexpr int kZstdWindow = 23;  // bits: 8 MiB
constexpr int kBrotliQuality = 4;
constexpr int kBrotliWindow = 18;  // bits: 256 KiB

template <auto F>
struct Free {
  void operator()(auto* of) const { F(of); }
};
using BrotliDecoder = std::unique_ptr<BrotliDecoderState, Free<BrotliDecoderDestroyInstance>>;
using ZstdDecoder = std::unique_ptr<ZSTD_DCtx, Free<ZSTD_freeDCtx>>;

}  // namespace

Expanded expand_brotli(std::string_view packed, const ExpandLimits& limits, std::string& out) {
  const BrotliDecoder decoder(BrotliDecoderCreateInstance(nullptr, nullptr, nullptr));
  if (decoder == nullptr) return Expanded::kBroken;
  const auto begin = out.size();
  const auto most = change::most_expanded(packed.size(), limits);
  auto left = packed.size();
  const auto* next = reinterpret_cast<const std::uint8_t*>(packed.data());
  for (;;) {
    const auto before = out.size();
    out.resize(before + kStep);
    auto room = kStep;
    auto* to = reinterpret_cast<std::uint8_t*>(out.data() + before);
    const auto result = BrotliDecoderDecompressStream(decoder.get(), &left, &next, &room, &to, nullptr);
    out.resize(before + kStep - room);
    if (out.size() - begin > most) return Expanded::kTooLarge;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) return left == 0 ? Expanded::kWhole : Expanded::kBroken;
    if (result != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) return Expanded::kBroken;
  }
}

Expanded expand_zstd(std::string_view packed, const ExpandLimits& limits, std::string& out) {
  const ZstdDecoder decoder(ZSTD_createDCtx());
  if (decoder == nullptr || packed.empty() ||
      ZSTD_isError(ZSTD_DCtx_setParameter(decoder.get(), ZSTD_d_windowLogMax, kZstdWindow)) != 0)
    return Expanded::kBroken;
  const auto begin = out.size();
  const auto most = change::most_expanded(packed.size(), limits);
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  for (;;) {
    const auto before = out.size();
    out.resize(before + kStep);
    ZSTD_outBuffer piece{out.data() + before, kStep, 0};
    const auto rest =
        ZSTD_decompressStream(decoder.get(), &piece, &in);  // 0: a frame is whole, else more of it follows
    out.resize(before + piece.pos);
    if (ZSTD_isError(rest) != 0) return Expanded::kBroken;
    if (out.size() - begin > most) return Expanded::kTooLarge;
    if (in.pos < in.size) continue;
    if (rest == 0) return Expanded::kWhole;
    if (piece.pos < kStep) return Expanded::kBroken;
  }
}

bool brotli(std::string_view text, std::string& out) {
  const auto begin = out.size();
  auto size = BrotliEncoderMaxCompressedSize(text.size());
  if (size == 0) return false;
  out.resize(begin + size);
  const bool whole = BrotliEncoderCompress(kBrotliQuality, kBrotliWindow, BROTLI_MODE_TEXT, text.size(),
                                           reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                           reinterpret_cast<std::uint8_t*>(out.data() + begin)) != BROTLI_FALSE;
  out.resize(begin + (whole ? size : 0));
  return whole;
}

bool zstd(std::string_view text, std::string& out) {
  const auto begin = out.size();
  out.resize(begin + ZSTD_compressBound(text.size()));
  const auto size = ZSTD_compress(out.data() + begin, out.size() - begin, text.data(), text.size(), kZstdLevel);
  const bool whole = ZSTD_isError(size) == 0;
  out.resize(begin + (whole ? size : 0));
  return whole;
}

}  // namespace fairlead::filter
