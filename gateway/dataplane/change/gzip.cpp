// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace fairlead::change {
namespace {

constexpr int kWindow = 15;       // bits: 32 KiB
constexpr int kAnyHeader = 32;    // gzip or zlib
constexpr int kGzipHeader = 16;
constexpr std::size_t kStep = 16384;
constexpr std::size_t kNeverRefused = 65536;  // a small body may well be nothing but blanks

struct Inflater {
  z_stream stream{};
  bool open = inflateInit2(&stream, kWindow + kAnyHeader) == Z_OK;
  Inflater() = default;
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (open) inflateEnd(&stream);
  }
};

}  // namespace

std::size_t most_expanded(std::size_t size, const ExpandLimits& limits) {
  return std::min(limits.bytes, std::max(kNeverRefused, size * limits.ratio));
}

Expanded expand(std::string_view packed, const ExpandLimits& limits, std::string& out) {
  Inflater inflater;
  auto& stream = inflater.stream;
  if (!inflater.open || packed.size() > std::numeric_limits<uInt>::max()) return Expanded::kBroken;
  const auto begin = out.size();
  const auto most = most_expanded(packed.size(), limits);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  for (;;) {
    const auto before = out.size();
    out.resize(before + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = kStep;
    const int result = inflate(&stream, Z_NO_FLUSH);
    out.resize(before + kStep - stream.avail_out);
    if (out.size() - begin > most) return Expanded::kTooLarge;
    if (result == Z_STREAM_END && stream.avail_in == 0) return Expanded::kWhole;
    if (result == Z_STREAM_END && inflateReset(&stream) == Z_OK) continue;  // the next member
    if (result != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) return Expanded::kBroken;
  }
}

bool gzip(std::string_view text, std::string& out) {
  z_stream stream{};
  constexpr int kLevel = 4, kMemory = 8;
  if (text.size() > std::numeric_limits<uInt>::max()) return false;
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kWindow + kGzipHeader, kMemory, Z_DEFAULT_STRATEGY) != Z_OK)
    return false;
  const auto begin = out.size();
  out.resize(begin + deflateBound(&stream, static_cast<uLong>(text.size())));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data() + begin);
  stream.avail_out = static_cast<uInt>(out.size() - begin);
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return whole;
}

}  // namespace fairlead::change
