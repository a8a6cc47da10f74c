// SPDX-License-Identifier: Apache-2.0
// The filter `compression`: what is chosen, what is left alone, and that each piece can be read as it comes.
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "fairlead/filter/make.hpp"
#include "fairlead/model/request_cache.hpp"
#include "gateway/dataplane/filter/encoders.hpp"
#include "gateway/dataplane/filter/encoding_choice.hpp"
#include "tests/unit/filter/recorded_request.hpp"

namespace fairlead::filter {
namespace {

using Encoding = model::Compression::Encoding;
using Pairs = RecordedRequest::Pairs;

TEST(EncodingChoice, FollowsAcceptEncoding) {
  const model::Compression settings;  // zstd, br, gzip
  struct {
    std::optional<const char*> accept;
    const char* chosen;
  } const rows[] = {
      {std::nullopt, "-"},
      {"", "-"},
      {"gzip", "gzip"},
      {"GZIP", "gzip"},
      {"x-gzip", "gzip"},
      {"br", "br"},
      {"zstd", "zstd"},
      {"deflate", "-"},
      {"gzip, deflate, br", "br"},
      {"gzip, deflate, br, zstd", "zstd"},
      {"gzip;q=1.0, br;q=0.5", "gzip"},
      {"gzip ; q=0.2 , br ;q=0.3", "br"},
      {"br;Q=0.5, gzip;q=0.6", "gzip"},
      {"*", "zstd"},
      {"*;q=0.5, br", "br"},
      {"zstd;q=0, *", "br"},
      {"gzip;q=0", "-"},
      {"*;q=0", "-"},
      {"gzip;q=0.000", "-"},
      {"identity", "-"},
      {"identity, gzip;q=0.5", "-"},
      {"identity;q=0.5, gzip", "gzip"},
      {"identity;q=0", "-"},
      {"gzip;q=2", "-"},       // no qvalue: not wanted
      {"gzip;q=0.1234", "-"},
      {"gzip;q=x", "-"},
      {"gzip;q=", "-"},
      {"gzip;level=1", "gzip"},
      {",,gzip,,", "gzip"},
      {"gzipped", "-"},
  };
  for (const auto& row : rows) {
    http::Fields fields;
    if (row.accept) fields.push_back({"accept-encoding", *row.accept});
    const auto* chosen = choose_encoding(fields, settings.encodings);
    EXPECT_EQ(chosen == nullptr ? "-" : name_of(chosen->encoding), row.chosen) << row.accept.value_or("nothing");
  }
  EXPECT_EQ(choose_encoding({{"accept-encoding", "br"}}, {{Encoding::kGzip, 6}}), nullptr);
}

TEST(EncodingChoice, MatchesMediaTypes) {
  const std::vector<std::string> patterns = {"text/*", "application/json", "*+json"};
  for (const char* good : {"text/html", "TEXT/html; charset=utf-8", "application/json", "application/ld+json ;a=b"})
    EXPECT_TRUE(matches_type(good, patterns)) << good;
  for (const char* bad : {"", "text", "text/", "image/png", "application/jsonx", "+json", "xtext/html"})
    EXPECT_FALSE(matches_type(bad, patterns)) << bad;
}

/// Decompresses what has come so far.
class Decoder {
 public:
  explicit Decoder(Encoding encoding) : encoding_(encoding) {
    inflateInit2(&stream_, 15 + 16);
    zstd_ = ZSTD_createDCtx();
  }
  ~Decoder() {
    inflateEnd(&stream_);
    ZSTD_freeDCtx(zstd_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  std::string decode(std::string in) {
    std::string out(1 << 20, '\0');
    if (encoding_ == Encoding::kGzip) {
      stream_.next_in = reinterpret_cast<Bytef*>(in.data());
      stream_.avail_in = static_cast<uInt>(in.size());
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(out.size());
      inflate(&stream_, Z_SYNC_FLUSH);
      out.resize(out.size() - stream_.avail_out);
    } else {
      ZSTD_inBuffer from{in.data(), in.size(), 0};
      ZSTD_outBuffer to{out.data(), out.size(), 0};
      while (from.pos < from.size && ZSTD_isError(ZSTD_decompressStream(zstd_, &to, &from)) == 0) continue;
      out.resize(to.pos);
    }
    return out;
  }

 private:
  Encoding encoding_;
  z_stream stream_{};
  ZSTD_DCtx* zstd_;
};

class Compressing : public testing::Test {
 protected:
  Compressing() {
    auto made = event::Reactor::create();
    if (!made) std::abort();
    reactor_ = std::move(*made);
  }
  void use(const model::Compression& settings) {
    Context context{.policy = "RequestPolicy default/p",
                    .ns = "default",
                    .stores = stores_,
                    .cluster = {},
                    .grpc_cluster = {},
                    .secret = {},
                    .config_map = {},
                    .faults = faults_,
                    .remarks = faults_};
    filter_ = make_compression(settings, context);
  }
  /// Shows it a response.
  RecordedRequest& show(http::ResponseHead& head, Pairs asks = {{"accept-encoding", "gzip"}},
                        http::Method method = http::Method::kGet) {
    if (filter_ == nullptr) use({});
    auto& request = *asked_.emplace_back(std::make_unique<RecordedRequest>(*reactor_, "/", std::move(asks), method));
    EXPECT_EQ(filter_->on_response(request, head), Verdict::kContinue);
    return request;
  }
  static http::ResponseHead text(std::uint64_t length = 5000) {
    http::ResponseHead head;
    head.body = http::Body::kLength;
    head.content_length = length;
    head.fields = {{"content-type", "text/html"}};
    return head;
  }
  static std::string_view value(const http::ResponseHead& head, std::string_view name) {
    const auto* field = http::find(head.fields, name);
    return field == nullptr ? "-" : field->value;
  }

  std::unique_ptr<event::Reactor> reactor_;
  Stores stores_;
  std::vector<std::string> faults_;
  FilterPtr filter_;
  std::vector<std::unique_ptr<RecordedRequest>> asked_;
};

TEST_F(Compressing, ChangesTheHead) {
  auto head = text();
  for (const auto& field :
       http::Fields{{"etag", "\"a\""}, {"accept-ranges", "bytes"}, {"content-digest", "sha-256=:x:"}})
    head.fields.push_back(field);
  auto& request = show(head);
  EXPECT_EQ(head.body, http::Body::kStream);
  EXPECT_EQ(value(head, "content-encoding"), "gzip");
  EXPECT_EQ(value(head, "vary"), "accept-encoding");
  EXPECT_EQ(value(head, "etag"), "W/\"a\"");
  EXPECT_EQ(value(head, "accept-ranges"), "-");
  EXPECT_EQ(value(head, "content-digest"), "-");
  EXPECT_EQ(request.filters.size(), 1U);
}

TEST_F(Compressing, LeavesAlone) {
  struct {
    const char* what;
    std::uint16_t status = 200;
    http::Fields fields = {{"content-type", "text/html"}};
    Pairs asks = {{"accept-encoding", "gzip"}};
    std::uint64_t length = 5000;
    bool varies = false;
  } const rows[] = {
      {"short", 200, {{"content-type", "text/html"}}, {{"accept-encoding", "gzip"}}, 1023},
      {"204", 204},
      {"206", 206},
      {"304", 304},
      {"a part", 200, {{"content-type", "text/html"}, {"content-range", "bytes 0-1/2"}}},
      {"encoded", 200, {{"content-type", "text/html"}, {"content-encoding", "br"}}},
      {"no-transform", 200, {{"content-type", "text/html"}, {"cache-control", "public, No-Transform"}}},
      {"the request's no-transform",
       200,
       {{"content-type", "text/html"}},
       {{"accept-encoding", "gzip"}, {"cache-control", "no-transform"}}},
      {"an image", 200, {{"content-type", "image/png"}}},
      {"no type", 200, {}},
      {"not asked for", 200, {{"content-type", "text/html"}}, {}, 5000, true},
      {"refused", 200, {{"content-type", "text/html"}}, {{"accept-encoding", "gzip;q=0"}}, 5000, true},
  };
  for (const auto& row : rows) {
    auto head = text(row.length);
    head.status = row.status;
    head.fields = row.fields;
    auto& request = show(head, row.asks);
    EXPECT_TRUE(request.filters.empty()) << row.what;
    EXPECT_EQ(head.body, http::Body::kLength) << row.what;
    EXPECT_EQ(value(head, "vary") == "accept-encoding", row.varies) << row.what;
  }
}

TEST_F(Compressing, AnswersHeadAsGet) {
  auto head = text();
  head.body = http::Body::kNone;
  head.has_length = true;
  auto& request = show(head, {{"accept-encoding", "gzip"}}, http::Method::kHead);
  EXPECT_TRUE(request.filters.empty());
  EXPECT_FALSE(head.has_length);
  EXPECT_EQ(value(head, "content-encoding"), "gzip");
}

TEST_F(Compressing, NamesNoFieldTwice) {
  auto head = text();
  head.fields.push_back({"vary", "Origin, Accept-Encoding"});
  head.fields.push_back({"etag", "W/\"a\""});
  head.fields.push_back({"content-encoding", "identity"});
  show(head);
  EXPECT_EQ(std::ranges::count(head.fields, "vary", &http::Field::name), 1);
  EXPECT_EQ(std::ranges::count(head.fields, "content-encoding", &http::Field::name), 1);
  EXPECT_EQ(value(head, "etag"), "W/\"a\"");
}

TEST_F(Compressing, GivesEachPieceAtOnce) {
  for (const auto encoding : {Encoding::kGzip, Encoding::kZstd}) {
    for (int round = 0; round < 3; ++round) {  // with contexts that were used before
      auto head = text();
      head.body = http::Body::kStream;
      head.fields = {{"content-type", "text/event-stream"}};
      auto& request = show(head, {{"accept-encoding", std::string(name_of(encoding))}});
      ASSERT_EQ(request.filters.size(), 1U);
      auto& filter = *request.filters[0];
      Decoder decoder(encoding);
      for (int i = 0; i < 10; ++i) {
        const auto event = "data: " + std::to_string(i) + "\n\n";
        const auto piece = filter.on_data(event, false);
        ASSERT_TRUE(piece);
        EXPECT_EQ(decoder.decode(std::string(*piece)), event) << name_of(encoding);
      }
      const std::string large(100'000, 'x');
      EXPECT_EQ(decoder.decode(std::string(*filter.on_data(large, false))), large);
      EXPECT_EQ(filter.on_data({}, false), "");
      EXPECT_EQ(decoder.decode(std::string(*filter.on_data("end", true))), "end");
      asked_.clear();
    }
  }
}

TEST_F(Compressing, HoldsSoManyContexts) {
  EncoderPool pool;
  std::vector<std::unique_ptr<Encoder>> taken;
  const model::Compression::One gzip{Encoding::kGzip, 1};
  for (std::size_t i = 0; i < EncoderPool::kMostInUse; ++i) {
    taken.push_back(pool.take(gzip));
    ASSERT_NE(taken.back(), nullptr);
  }
  EXPECT_EQ(pool.take(gzip), nullptr);
  for (auto& one : taken) pool.give_back(Encoding::kGzip, std::move(one));
  EXPECT_EQ(pool.in_use(), 0U);
  EXPECT_NE(pool.take(gzip), nullptr);
}

}  // namespace
}  // namespace fairlead::filter
