// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_parser.hpp"

#include <gtest/gtest.h>

#include <random>

#include "fairlead/http/h1_chunked.hpp"
#include "fairlead/http/h1_writer.hpp"
#include "h1_rows.hpp"

namespace fairlead::http {
namespace {

/// Bytes with slack; keeps them while views are looked at.
struct Bytes {
  explicit Bytes(std::string_view text) : size(text.size()), all(text) { all.resize(size + kH1Slack, 'X'); }
  std::span<char> span() { return {all.data(), size}; }
  std::size_t size;
  std::string all;
};

struct Scalar {
  Scalar() { use_scalar_h1_scan(true); }
  ~Scalar() { use_scalar_h1_scan(false); }
};

std::string text_of(const Fields& fields) {
  std::string text;
  for (const auto& field : fields) text.append(field.name).append("=").append(field.value).append("|");
  return text;
}

TEST(H1Request, RefusesEachRowWithItsReason) {
  const H1Limits limits;
  for (const auto& row : rows::requests()) {
    Bytes bytes(row.bytes);
    H1Request request;
    EXPECT_EQ(request.parse(bytes.span(), limits), H1Step::kRefused) << row.name;
    EXPECT_EQ(refusal_text(request.facts.refusal), refusal_text(row.why)) << row.name;
    EXPECT_EQ(refusal_status(request.facts.refusal), row.status) << row.name;
  }
}

/// At every byte: what came so far is judged "more", or as the whole is.
TEST(H1Request, JudgesPiecesAsTheWhole) {
  const H1Limits limits;
  for (const auto& row : rows::requests()) {
    if (row.bytes.size() > 2000) continue;
    for (std::size_t size = 0; size <= row.bytes.size(); ++size) {
      Bytes bytes(std::string_view(row.bytes).substr(0, size));
      H1Request request;
      const auto step = request.parse(bytes.span(), limits);
      ASSERT_TRUE(step == H1Step::kMore || step == H1Step::kRefused) << row.name << " at " << size;
      if (step == H1Step::kMore) continue;
      ASSERT_EQ(request.facts.refusal, row.why) << row.name << " at " << size;
    }
  }
}

TEST(H1Response, RefusesEachRowWithItsReason) {
  const H1Limits limits;
  for (const auto& row : rows::responses()) {
    Bytes bytes(row.bytes);
    H1Response response;
    EXPECT_EQ(response.parse(bytes.span(), limits, {}), H1Step::kRefused) << row.name;
    EXPECT_EQ(refusal_text(response.facts.refusal), refusal_text(row.why)) << row.name;
  }
}

struct Decoded {
  std::string body;
  H1Refusal refusal = H1Refusal::kNone;
  bool done = false;
  std::size_t used = 0;
};

Decoded decode(std::string_view text, std::size_t piece = std::string_view::npos) {
  const H1Limits limits;
  H1Chunked chunked;
  Decoded out;
  while (out.used < text.size() && !out.done && out.refusal == H1Refusal::kNone) {
    const auto chunk = chunked.next(text.substr(out.used, piece), limits);
    out.used += chunk.used;
    out.body += chunk.data;
    out.refusal = chunk.refusal;
    out.done = chunk.step == H1Chunked::Step::kTrailers;
  }
  return out;
}

TEST(H1Chunked, RefusesEachRowHoweverItIsCut) {
  const H1Limits limits;
  for (const auto& row : rows::chunked_bodies()) {
    for (const std::size_t piece : {std::string_view::npos, std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
      auto decoded = decode(row.bytes, piece);
      if (decoded.done) {
        Bytes rest(std::string_view(row.bytes).substr(decoded.used));
        H1Trailers trailers;
        EXPECT_EQ(trailers.parse(rest.span(), limits), H1Step::kRefused) << row.name;
        decoded.refusal = trailers.facts.refusal;
      }
      EXPECT_EQ(refusal_text(decoded.refusal), refusal_text(row.why)) << row.name;
      EXPECT_EQ(refusal_status(decoded.refusal), row.status) << row.name;
    }
  }
}

TEST(H1Chunked, TakesWhatTheGrammarHas) {
  const std::pair<std::string, std::string> kGood[] = {
      {"5\r\nhello\r\n0\r\n", "hello"},
      {"0005\r\nhello\r\n000\r\n", "hello"},
      {"A\r\n0123456789\r\n0\r\n", "0123456789"},
      {"1;a\r\nx\r\n0;b=c\r\n", "x"},
      {"1 ; a = \"q \\\" \t\" ;b\r\nx\r\n0\r\n", "x"},
      {"1\t;a\r\nx\r\n1\r\ny\r\n0\r\n", "xy"},
      {"2\r\n\r\n\r\n0\r\n", "\r\n"},
  };
  for (const auto& [text, body] : kGood) {
    for (const std::size_t piece : {std::string_view::npos, std::size_t{1}, std::size_t{3}}) {
      const auto decoded = decode(text, piece);
      EXPECT_TRUE(decoded.done) << text;
      EXPECT_EQ(decoded.body, body) << text;
      EXPECT_EQ(decoded.used, text.size());
    }
  }
}

/// A head and what has to be seen of it.
struct Good {
  std::string bytes;
  std::string seen;
};

std::string describe(const H1Request& request) {
  const auto& head = request.head;
  std::string text(head.method_text);
  text += " " + std::string(head.authority) + " " + std::string(head.target) + " ";
  text += head.version == Version::kHttp11 ? "1.1 " : "1.0 ";
  switch (head.body) {
    case Body::kNone: text += "none"; break;
    case Body::kLength: text += "length=" + std::to_string(head.content_length); break;
    case Body::kStream: text += "chunked"; break;
    case Body::kTunnel: text += "tunnel=" + std::string(head.protocol); break;
  }
  if (request.facts.keep_alive) text += " keep-alive";
  if (head.expects_continue) text += " continue";
  if (head.accepts_trailers) text += " trailers";
  return text + " " + text_of(head.fields);
}

std::vector<Good> good_requests() {
  return {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / 1.1 none keep-alive "},
      {"\r\nGET /a?b=%20 HTTP/1.1\r\nHOST:a:80\r\nX-A:  b\t \r\n\r\n", "GET a:80 /a?b=%20 1.1 none keep-alive x-a=b|"},
      {"GET / HTTP/1.0\r\n\r\n", "GET  / 1.0 none "},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET  / 1.0 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET a / 1.1 none "},
      {"GET http://b:8080/c HTTP/1.1\r\nHost: a\r\n\r\n", "GET b:8080 /c 1.1 none keep-alive "},
      {"GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET b / 1.1 none keep-alive "},
      {"GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET b /?q 1.1 none keep-alive "},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a * 1.1 none keep-alive "},
      {"OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS b * 1.1 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", "GET [2001:db8::1]:443 / 1.1 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "GET a: / 1.1 none keep-alive "},
      {"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "PUT a /x 1.1 length=0 keep-alive "},
      {"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
       "PUT a /x 1.1 length=9223372036854775807 keep-alive "},
      {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChunKed\r\nTE: gzip, Trailers\r\nTrailer: x\r\n\r\n",
       "POST a /x 1.1 chunked keep-alive trailers trailer=x|"},
      {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n",
       "POST a /x 1.1 length=3 keep-alive continue "},
      {"GET /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET a /x 1.1 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, , keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: "
       "close\r\nX-End: 2\r\nx-hop: 3\r\nHTTP2-Settings: AAA\r\n\r\n",
       "GET a / 1.1 none keep-alive x-end=2|"},
      {"BREW /tea HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\r\nEmpty:\r\n\r\n",
       "BREW a /tea 1.1 none keep-alive x=\xc3\xa4|empty=|"},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "GET a / 1.1 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET a / 1.1 none keep-alive "},
      {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: "
       "13\r\n"
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
       "GET a / 1.1 tunnel=websocket keep-alive sec-websocket-version=13|"},
  };
}

TEST(H1Request, TakesWhatTheGrammarHas) {
  const H1Limits limits;
  H1Request request;
  for (const auto& [text, seen] : good_requests()) {
    Bytes bytes(text + "behind");
    ASSERT_EQ(request.parse(bytes.span(), limits), H1Step::kDone) << text << refusal_text(request.facts.refusal);
    EXPECT_EQ(describe(request), seen) << text;
    EXPECT_EQ(request.facts.used, text.size());
    EXPECT_TRUE(bytes.all.ends_with("behind" + std::string(kH1Slack, 'X')));
    for (std::size_t size = 0; size < text.size(); ++size) {
      Bytes piece(std::string_view(text).substr(0, size));
      ASSERT_EQ(request.parse(piece.span(), limits), H1Step::kMore) << text << " at " << size;
    }
  }
}

TEST(H1Request, LimitsAreExact) {
  H1Limits limits;
  H1Request request;
  Bytes longest("GET /" + std::string(8191, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.parse(longest.span(), limits), H1Step::kDone);
  Bytes most("GET / HTTP/1.1\r\nHost: a\r\n" + rows::repeat("A: b\r\n", 127) + "\r\n");
  EXPECT_EQ(request.parse(most.span(), limits), H1Step::kDone);
  EXPECT_EQ(request.head.fields.size(), 127U);
  limits.head.fields_bytes = 11;  // "Host: a\r\n\r\n"
  Bytes exact("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.parse(exact.span(), limits), H1Step::kDone);
  limits.head.fields_bytes = 10;
  EXPECT_EQ(request.parse(exact.span(), limits), H1Step::kRefused);
  EXPECT_EQ(request.facts.refusal, H1Refusal::kFieldsTooLarge);
}

TEST(H1Request, ChoicesOpenWhatIsRefusedByDefault) {
  H1Limits limits;
  limits.allow_connect = limits.loose_targets = limits.allow_preface = true;
  limits.upgrades.names = {"x/1"};
  H1Request request;
  Bytes connect("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  ASSERT_EQ(request.parse(connect.span(), limits), H1Step::kDone);
  EXPECT_EQ(describe(request), "CONNECT a:443  1.1 tunnel= keep-alive ");
  Bytes loose("GET /{a}?b[]=^|`\\\" HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.parse(loose.span(), limits), H1Step::kDone);
  Bytes fragment("GET /# HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.parse(fragment.span(), limits), H1Step::kRefused);
  Bytes upgrade("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: X/1\r\n\r\n");
  ASSERT_EQ(request.parse(upgrade.span(), limits), H1Step::kDone);
  EXPECT_EQ(describe(request), "GET a / 1.1 tunnel=X/1 keep-alive ");
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (std::size_t size = 1; size < preface.size(); ++size) {
    Bytes piece(preface.substr(0, size));
    EXPECT_EQ(request.parse(piece.span(), limits), H1Step::kMore) << size;
  }
  Bytes whole(preface + "frames");
  EXPECT_EQ(request.parse(whole.span(), limits), H1Step::kPreface);
}

/// What is random is made of pieces that reach deep.
std::string random_head(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"GET ",
                                                   "POST ",
                                                   "/",
                                                   "/a/b?c=d&e=%41",
                                                   " HTTP/1.1\r\n",
                                                   " HTTP/1.0\r\n",
                                                   "Host: a\r\n",
                                                   "\r\n",
                                                   "\r",
                                                   "\n",
                                                   ":",
                                                   " ",
                                                   "Content-Length: 5\r\n",
                                                   "Transfer-Encoding: chunked\r\n",
                                                   "X-Some-Long-Name-That-Fills-A-Vector-And-More",
                                                   ": ",
                                                   "value with spaces and \t tabs that goes over one vector's 32 bytes",
                                                   "\x01",
                                                   "\x7f",
                                                   "\xff",
                                                   "%4",
                                                   "Connection: x-a\r\n"};
  std::string text = random() % 4 == 0 ? "" : "GET / HTTP/1.1\r\nHost: abc\r\n";
  for (auto pieces = random() % 12; pieces > 0; --pieces) text += kPieces[random() % kPieces.size()];
  if (random() % 2 == 0) text += "\r\n\r\n";
  if (!text.empty() && random() % 3 == 0) text[random() % text.size()] = static_cast<char>(random());
  return text;
}

TEST(H1Scan, VectorsAndTheirScalarTwinAgree) {
  const H1Limits limits;
  std::mt19937 random(42);
  H1Request vector;
  H1Request twin;
  int done = 0;
  for (int i = 0; i < 200'000; ++i) {
    const auto text = random_head(random);
    Bytes one(text);
    Bytes two(text);
    const auto step = vector.parse(one.span(), limits);
    const Scalar scalar;
    ASSERT_EQ(twin.parse(two.span(), limits), step) << text;
    ASSERT_EQ(vector.facts.refusal, twin.facts.refusal) << text;
    if (step != H1Step::kDone) continue;
    ++done;
    ASSERT_EQ(one.all, two.all) << text;
    ASSERT_EQ(describe(vector), describe(twin)) << text;
  }
  EXPECT_GT(done, 5'000);
}

TEST(H1Response, FramesAsRfc9112Has) {
  struct Case {
    std::string text;
    H1Asked asked;
    Body body;
    bool keep_alive;
    bool has_length;
  };
  const Case kCases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, Body::kLength, true, false},
      {"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", {}, Body::kStream, true, false},
      {"HTTP/1.1 200 OK\r\n\r\n", {}, Body::kStream, false, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", {}, Body::kLength, false, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", {}, Body::kLength, true, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {.head = true}, Body::kNone, true, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {.head = true}, Body::kNone, true, false},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", {}, Body::kNone, true, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", {}, Body::kNone, true, false},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", {}, Body::kNone, false, false},
      {"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", {}, Body::kNone, false, false},
      {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", {}, Body::kLength, true, false},
      {"HTTP/1.1 200 OK\r\nContent-Length \t: 5\r\n\r\n", {}, Body::kLength, true, false},
      {"HTTP/1.1 100 Continue\r\n\r\n", {}, Body::kNone, true, false},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", {}, Body::kLength, false, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {.tunnel = true}, Body::kTunnel, false, false},
      {"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\n", {.tunnel = true}, Body::kLength, true, false},
      {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
       {.upgrade = true},
       Body::kTunnel,
       false,
       false},
  };
  const H1Limits limits;
  H1Response response;
  for (const auto& row : kCases) {
    Bytes bytes(row.text);
    ASSERT_EQ(response.parse(bytes.span(), limits, row.asked), H1Step::kDone) << row.text;
    EXPECT_EQ(response.head.body, row.body) << row.text;
    EXPECT_EQ(response.facts.keep_alive, row.keep_alive) << row.text;
    EXPECT_EQ(response.head.has_length, row.has_length) << row.text;
    EXPECT_EQ(response.facts.used, row.text.size());
  }
}

TEST(H1Response, TakesOffWhatStandsBetweenANameAndItsColon) {
  Bytes bytes("HTTP/1.1 200\r\nA : b\r\nB\t :\r\nC :: d\r\nContent-Length: 0\r\n\r\n");
  H1Response response;
  ASSERT_EQ(response.parse(bytes.span(), H1Limits{}, {}), H1Step::kDone);
  EXPECT_EQ(response.head.reason, "");
  ASSERT_EQ(response.head.fields.size(), 3U);
  const std::pair<std::string_view, std::string_view> kWanted[] = {{"a", "b"}, {"b", ""}, {"c", ": d"}};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(response.head.fields[i].name, kWanted[i].first);
    EXPECT_EQ(response.head.fields[i].value, kWanted[i].second);
  }
}

template <class Head>
std::string written(const Head& head, const H1Line& line) {
  std::string out(h1_room(head, line), '\0');
  const char* end = write_h1(out.data(), head, line);
  if (end == nullptr) return "refused";
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

TEST(H1Writer, MakesWhatBelongsToTheConnection) {
  RequestHead request;
  request.method_text = "POST";
  request.method = Method::kPost;
  request.authority = "a:80";
  request.target = "/x?y";
  request.content_length = 12;
  request.accepts_trailers = request.expects_continue = true;
  request.fields = {{"X-A", "b"}, {"Connection", "x"}, {"content-length", "7"}, {"transfer-encoding", "chunked"}};
  H1Line line;
  line.framing = H1Framing::kLength;
  line.close = true;
  EXPECT_EQ(
      written(request, line),
      "POST /x?y HTTP/1.1\r\nhost: a:80\r\nx-a: b\r\ncontent-length: 12\r\nexpect: 100-continue\r\nte: trailers\r\n"
      "connection: close, te\r\n\r\n");
  ResponseHead response;
  response.fields = {{"server", ""}};
  line = {};
  line.framing = H1Framing::kChunked;
  EXPECT_EQ(written(response, line), "HTTP/1.1 200 OK\r\nserver: \r\ntransfer-encoding: chunked\r\n\r\n");
  line.framing = H1Framing::kNothing;
  line.status = 101;
  line.upgrade = "websocket";
  line.websocket_accept = "abc";
  EXPECT_EQ(written(response, line),
            "HTTP/1.1 101 Switching Protocols\r\nserver: \r\nsec-websocket-accept: abc\r\nupgrade: websocket\r\n"
            "connection: upgrade\r\n\r\n");
}

TEST(H1Writer, NothingBringsALineEndOntoTheWire) {
  const std::string bad[] = {"a\r\nb: c", "a\nb", "a\rb", std::string("a\0b", 3), "\r\n\r\n", "\x7f", "a\r\n b"};
  for (const auto& text : bad) {
    RequestHead request;
    request.method_text = "GET";
    request.authority = "a";
    request.target = "/";
    const auto with = [&](auto change) {
      RequestHead changed = request;
      change(changed);
      return written(changed, {});
    };
    EXPECT_EQ(with([&](RequestHead& head) { head.method_text = text; }), "refused");
    EXPECT_EQ(with([&](RequestHead& head) { head.authority = text; }), "refused");
    EXPECT_EQ(with([&](RequestHead& head) { head.target = text; }), "refused");
    EXPECT_EQ(with([&](RequestHead& head) { head.fields = {{"x", text}}; }), "refused");
    EXPECT_EQ(with([&](RequestHead& head) { head.fields = {{text, "x"}}; }), "refused");
    ResponseHead response;
    response.reason = text;
    EXPECT_EQ(written(response, {}), "refused");
    const Fields trailers = {{"x", text}};
    std::string out(h1_room(trailers), '\0');
    EXPECT_EQ(write_h1_trailers(out.data(), trailers), nullptr);
  }
  RequestHead spaced;
  spaced.method_text = "GET";
  spaced.authority = "a";
  spaced.target = "/a b";
  EXPECT_EQ(written(spaced, {}), "refused");
  spaced.target = "/";
  spaced.fields = {{"a:b", "c"}};
  EXPECT_EQ(written(spaced, {}), "refused");
  spaced.fields = {{"", "c"}};
  EXPECT_EQ(written(spaced, {}), "refused");
}

TEST(H1Writer, LeavesForbiddenTrailersOut) {
  const Fields trailers = {{"grpc-status", "0"}, {"content-length", "5"}, {"X", "y"}};
  std::string out(h1_room(trailers), '\0');
  const char* end = write_h1_trailers(out.data(), trailers);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(out.substr(0, static_cast<std::size_t>(end - out.data())), "0\r\ngrpc-status: 0\r\nx: y\r\n\r\n");
}

TEST(Rows, AreManyEnough) {
  EXPECT_GE(rows::requests().size() + rows::chunked_bodies().size() + rows::responses().size(), 120U);
}

}  // namespace
}  // namespace fairlead::http
