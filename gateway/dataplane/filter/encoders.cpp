// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/encoders.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

namespace fairlead::filter {
namespace {

using Encoding = model::Compression::Encoding;

constexpr std::size_t kStep = 16 * 1024;  // bytes of output at a time

/// Windows of 128 and 256 KiB: a context stays below 1 MiB, and what a gateway compresses gains little from more.
constexpr int kZstdWindow = 17;
constexpr std::uint32_t kBrotliWindow = 18;

/// Lets `fill(to, room)` append to `out`: it answers how much it wrote.
template <class F>
void append(std::string& out, F&& fill) {
  const auto at = out.size();
  out.resize(at + kStep);
  out.resize(at + fill(out.data() + at, kStep));
}

class Gzip final : public Encoder {
 public:
  ~Gzip() override { deflateEnd(&stream_); }
  [[nodiscard]] bool open(int level) {
    constexpr int kGzipFormat = 15 + 16;  // the largest window, with gzip's head
    return deflateInit2(&stream_, level, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  bool write(std::string_view data, bool end, std::string& out) override {
    // zlib takes 32 bits of length; bodies come in pieces that are far shorter.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream_.avail_in = static_cast<uInt>(data.size());
    int status = Z_OK;
    do {
      append(out, [&](char* to, std::size_t room) {
        stream_.next_out = reinterpret_cast<Bytef*>(to);
        stream_.avail_out = static_cast<uInt>(room);
        status = deflate(&stream_, end ? Z_FINISH : Z_SYNC_FLUSH);
        return room - stream_.avail_out;
      });
    } while (stream_.avail_out == 0 && status == Z_OK);
    // Z_BUF_ERROR: nothing was left to flush, which happens where output filled its room exactly.
    return end ? status == Z_STREAM_END : status == Z_OK || status == Z_BUF_ERROR;
  }
  bool reset() override { return deflateReset(&stream_) == Z_OK; }

 private:
  z_stream stream_{};
};

class Brotli final : public Encoder {
 public:
  ~Brotli() override {
    if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
  }
  [[nodiscard]] bool open(int quality) {
    state_ = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
    return state_ != nullptr &&
           BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, static_cast<std::uint32_t>(quality)) !=
               BROTLI_FALSE &&
           BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, kBrotliWindow) != BROTLI_FALSE;
  }
  bool write(std::string_view data, bool end, std::string& out) override {
    auto left = data.size();
    const auto* next = reinterpret_cast<const std::uint8_t*>(data.data());
    const auto operation = end ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH;
    bool good = true;
    do {
      append(out, [&](char* to, std::size_t room) {
        auto rest = room;
        auto* at = reinterpret_cast<std::uint8_t*>(to);
        good = BrotliEncoderCompressStream(state_, operation, &left, &next, &rest, &at, nullptr) != BROTLI_FALSE;
        return room - rest;
      });
    } while (good && (left > 0 || BrotliEncoderHasMoreOutput(state_) != BROTLI_FALSE));
    return good && (!end || BrotliEncoderIsFinished(state_) != BROTLI_FALSE);
  }
  bool reset() override { return false; }  // the library cannot

 private:
  BrotliEncoderState* state_ = nullptr;
};

class Zstd final : public Encoder {
 public:
  ~Zstd() override { ZSTD_freeCCtx(context_); }
  [[nodiscard]] bool open(int level) {
    context_ = ZSTD_createCCtx();
    return context_ != nullptr && ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level)) == 0 &&
           ZSTD_isError(ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kZstdWindow)) == 0;
  }
  bool write(std::string_view data, bool end, std::string& out) override {
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    std::size_t left = 0;  // to flush, or an error
    do {
      append(out, [&](char* to, std::size_t room) {
        ZSTD_outBuffer piece{to, room, 0};
        left = ZSTD_compressStream2(context_, &piece, &in, end ? ZSTD_e_end : ZSTD_e_flush);
        return piece.pos;
      });
    } while (ZSTD_isError(left) == 0 && left > 0);
    return ZSTD_isError(left) == 0;
  }
  bool reset() override { return ZSTD_isError(ZSTD_CCtx_reset(context_, ZSTD_reset_session_only)) == 0; }

 private:
  ZSTD_CCtx* context_ = nullptr;
};

template <class T>
std::unique_ptr<Encoder> open(int level) {
  auto out = std::make_unique<T>();
  return out->open(level) ? std::unique_ptr<Encoder>(std::move(out)) : nullptr;
}

}  // namespace

std::unique_ptr<Encoder> make_encoder(const model::Compression::One& settings) {
  switch (settings.encoding) {
    case Encoding::kGzip: return open<Gzip>(settings.level);
    case Encoding::kBrotli: return open<Brotli>(settings.level);
    default: return open<Zstd>(settings.level);
  }
}

std::unique_ptr<Encoder> EncoderPool::take(const model::Compression::One& settings) {
  if (in_use_ == kMostInUse) return nullptr;
  auto& kept = kept_[static_cast<std::size_t>(settings.encoding)];
  std::unique_ptr<Encoder> out;
  if (!kept.empty()) {
    out = std::move(kept.back());
    kept.pop_back();
  } else {
    out = make_encoder(settings);
  }
  if (out != nullptr) ++in_use_;
  return out;
}

void EncoderPool::give_back(Encoding encoding, std::unique_ptr<Encoder> encoder) {
  --in_use_;
  auto& kept = kept_[static_cast<std::size_t>(encoding)];
  if (kept.size() < kMostKept && encoder->reset()) kept.push_back(std::move(encoder));
}

}  // namespace fairlead::filter
