// SPDX-License-Identifier: Apache-2.0
// HTTP/1's codec: the first byte says what the rest is. A head in pieces is judged as in one piece; vectors and their
// scalar twin agree; what was parsed is written and parsed again to the same, as one message and not two.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/http/h1_chunked.hpp"
#include "fairlead/http/h1_parser.hpp"
#include "fairlead/http/h1_writer.hpp"

namespace {

using namespace fairlead::http;

constexpr std::size_t kMostSplits = 8;  // of one input; the next one is cut elsewhere

void require(bool holds) {
  if (!holds) std::abort();
}

/// Bytes with the slack that the parser asks for, and a mark behind it that must stay.
class Padded {
 public:
  explicit Padded(std::string_view text) : size_(text.size()), bytes_(text.begin(), text.end()) {
    bytes_.resize(size_ + kH1Slack, 'X');
  }
  std::span<char> span() { return {bytes_.data(), size_}; }
  void check() const {
    require(std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(size_), bytes_.end(),
                        [](char c) { return c == 'X'; }));
  }

 private:
  std::size_t size_;
  std::vector<char> bytes_;
};

bool same(const Fields& a, const Fields& b) {
  return std::ranges::equal(a, b,
                            [](const Field& x, const Field& y) { return x.name == y.name && x.value == y.value; });
}

bool same(const RequestHead& a, const RequestHead& b) {
  return a.method == b.method && a.body == b.body && a.expects_continue == b.expects_continue &&
         a.accepts_trailers == b.accepts_trailers && a.content_length == b.content_length &&
         a.method_text == b.method_text && a.authority == b.authority && a.target == b.target &&
         a.protocol == b.protocol && same(a.fields, b.fields);
}

bool same(const ResponseHead& a, const ResponseHead& b) {
  return a.status == b.status && a.body == b.body && a.has_length == b.has_length &&
         a.content_length == b.content_length && same(a.fields, b.fields);
}

/// Every beginning of the text is judged "more", or as all of it.
template <class Message, class Parse>
void check_splits(std::string_view text, H1Step step, const H1Facts& facts, Parse parse) {
  static std::size_t first = 0;
  static Message message;
  const std::size_t stride = std::max<std::size_t>(1, text.size() / kMostSplits);
  for (std::size_t size = first++ % stride; size < text.size(); size += stride) {
    Padded bytes(text.substr(0, size));
    const auto early = parse(message, bytes.span());
    bytes.check();
    if (early == H1Step::kMore) continue;
    require(early == step && message.facts.refusal == facts.refusal && message.facts.used == facts.used);
  }
}

void check_good(std::string_view text) {
  for (const char c : text) require(c != '\r' && c != '\n' && c != '\0');
}

void check_good(const Fields& fields) {
  for (const auto& field : fields) {
    check_good(field.name);
    check_good(field.value);
    require(!field.name.empty() && field.name != "transfer-encoding" && field.name != "content-length");
  }
}

H1Framing framing_of(Body body) {
  switch (body) {
    case Body::kLength: return H1Framing::kLength;
    case Body::kStream: return H1Framing::kChunked;
    case Body::kNone:
    case Body::kTunnel: break;
  }
  return H1Framing::kNothing;
}

template <class Head>
std::string write(const Head& head, const H1Line& line) {
  std::string out(h1_room(head, line), '\0');
  const char* end = write_h1(out.data(), head, line);
  require(end != nullptr);
  out.resize(static_cast<std::size_t>(end - out.data()));
  return out;
}

void request(std::string_view text) {
  H1Limits limits;
  limits.allow_connect = true;
  limits.upgrades.names = {"websocket", "x", "x/1", "tls/1.0"};
  limits.head = {.target = 200, .fields_bytes = 1000, .fields = 12};
  const auto parse = [&](H1Request& message, std::span<char> bytes) { return message.parse(bytes, limits); };
  Padded bytes(text);
  static H1Request message;
  const auto step = parse(message, bytes.span());
  bytes.check();
  use_scalar_h1_scan(true);
  Padded again(text);
  static H1Request twin;
  const auto twin_step = parse(twin, again.span());
  use_scalar_h1_scan(false);
  require(step == twin_step && message.facts.refusal == twin.facts.refusal && message.facts.used == twin.facts.used);
  require(same(message.head, twin.head));
  check_splits<H1Request>(text, step, message.facts, parse);
  if (step != H1Step::kDone) return;
  const auto& head = message.head;
  require(message.facts.used <= text.size());
  check_good(head.target);
  check_good(head.authority);
  check_good(head.fields);
  if (head.authority.empty()) return;  // HTTP/1.0 without Host is written with an empty one, which is refused
  const H1Line line{.framing = framing_of(head.body),
                    .close = false,
                    .keep_alive = false,
                    .upgrade = message.facts.upgrade,
                    .websocket_key = message.facts.websocket_key,
                    .websocket_accept = {}};
  limits.head = {};
  Padded written(write(head, line));
  static H1Request read;
  require(read.parse(written.span(), limits) == H1Step::kDone && read.facts.used == written.span().size());
  require(same(head, read.head) && read.facts.chunked == message.facts.chunked);
}

void response(std::string_view text, unsigned flags) {
  H1Limits limits;
  limits.head = {.target = 200, .fields_bytes = 1000, .fields = 12};
  const H1Asked asked{.head = (flags & 1) != 0, .tunnel = (flags & 2) != 0, .upgrade = (flags & 4) != 0};
  const auto parse = [&](H1Response& message, std::span<char> bytes) { return message.parse(bytes, limits, asked); };
  Padded bytes(text);
  static H1Response message;
  const auto step = parse(message, bytes.span());
  bytes.check();
  check_splits<H1Response>(text, step, message.facts, parse);
  if (step != H1Step::kDone) return;
  const auto& head = message.head;
  check_good(head.reason);
  check_good(head.fields);
  auto framing = framing_of(head.body);
  if (framing == H1Framing::kChunked && !message.facts.chunked) framing = H1Framing::kClose;
  if (head.has_length) framing = H1Framing::kLength;
  const H1Line line{.framing = framing,
                    .close = false,
                    .keep_alive = false,
                    .upgrade = message.facts.upgrade,
                    .websocket_key = {},
                    .websocket_accept = message.facts.websocket_accept};
  limits.head = {};
  Padded written(write(head, line));
  static H1Response read;
  require(read.parse(written.span(), limits, asked) == H1Step::kDone && read.facts.used == written.span().size());
  require(same(head, read.head));
}

struct Decoded {
  std::string body;
  H1Refusal refusal = H1Refusal::kNone;
  std::size_t used = 0;
  bool done = false;
};

Decoded decode(std::string_view text, std::size_t piece, const H1Limits& limits) {
  H1Chunked chunked;
  Decoded out;
  while (out.used < text.size()) {
    const auto next = chunked.next(text.substr(out.used, piece), limits);
    out.used += next.used;
    out.body += next.data;
    if (next.step == H1Chunked::Step::kRefused) out.refusal = next.refusal;
    out.done = next.step == H1Chunked::Step::kTrailers;
    if (out.done || out.refusal != H1Refusal::kNone) break;
    require(next.used > 0);
  }
  return out;
}

void chunks(std::string_view text) {
  H1Limits limits;
  limits.chunk_line = 40;
  limits.chunk_extensions = 100;
  const auto whole = decode(text, std::string_view::npos, limits);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{7}}) {
    const auto pieces = decode(text, piece, limits);
    require(pieces.body == whole.body && pieces.refusal == whole.refusal && pieces.done == whole.done &&
            pieces.used == whole.used);
  }
  if (!whole.done) return;
  Padded rest(text.substr(whole.used));
  H1Trailers trailers;
  const auto step = trailers.parse(rest.span(), limits);
  check_splits<H1Trailers>(text.substr(whole.used), step, trailers.facts,
                           [&](H1Trailers& message, std::span<char> bytes) { return message.parse(bytes, limits); });
  if (step != H1Step::kDone) return;
  std::string written(h1_room(trailers.fields), '\0');
  const char* end = write_h1_trailers(written.data(), trailers.fields);
  require(end != nullptr);
  written.resize(static_cast<std::size_t>(end - written.data()));
  require(written.starts_with("0\r\n"));
  Padded again(std::string_view(written).substr(3));
  H1Trailers read;
  require(read.parse(again.span(), limits) == H1Step::kDone && read.facts.used == again.span().size());
  require(same(trailers.fields, read.fields));
}

/// Arbitrary texts in a head are either written as one message, or not at all.
void hostile(std::string_view text) {
  const auto cut = text.size() / 3;
  RequestHead head;
  head.method_text = "GET";
  head.authority = "a";
  head.target = "/";
  head.fields = {{text.substr(0, cut), text.substr(cut, cut)}, {"x", text.substr(2 * cut)}};
  const H1Line line;
  std::string out(h1_room(head, line), '\0');
  const char* end = write_h1(out.data(), head, line);
  if (end == nullptr) return;
  out.resize(static_cast<std::size_t>(end - out.data()));
  Padded bytes(out);
  static H1Request read;
  H1Limits limits;
  limits.head.fields_bytes = 1 << 20;
  require(read.parse(bytes.span(), limits) == H1Step::kDone && read.facts.used == out.size());
  require(read.head.body == Body::kNone && read.head.fields.size() <= 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 3) {
    case 0: request(text); break;
    case 1: response(text, data[0] >> 2U); break;
    case 2: chunks(text); break;
    default: hostile(text); break;
  }
  return 0;
}
