// SPDX-License-Identifier: Apache-2.0
// Section `compression`: responses in the encoding that the client likes best.
#include <algorithm>
#include <array>
#include <utility>

#include "fairlead/cache/control.hpp"
#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "gateway/dataplane/filter/encoders.hpp"
#include "gateway/dataplane/filter/encoding_choice.hpp"

namespace fairlead::filter {
namespace {

/// What is text; everything else is compressed already, or gains little.
const std::vector<std::string>& default_types() {
  static const std::vector<std::string> types = {"text/*",
                                                 "*+json",
                                                 "*+xml",
                                                 "application/json",
                                                 "application/javascript",
                                                 "application/xml",
                                                 "application/wasm",
                                                 "application/x-ndjson",
                                                 "application/x-javascript",
                                                 "application/manifest+json",
                                                 "application/graphql",
                                                 "application/problem+json",
                                                 "application/vnd.ms-fontobject",
                                                 "font/ttf",
                                                 "font/otf",
                                                 "image/bmp",
                                                 "image/x-icon"};
  return types;
}

using Encoding = model::Compression::Encoding;
constexpr std::string_view kDirections[] = {"in", "out"};
constexpr telemetry::CounterFamily kByteFamily{"fairlead_gateway_compression_bytes",
                                               "bytes of bodies before (in) and after (out) compression", "direction",
                                               kDirections};
constexpr std::string_view kResults[] = {"compressed", "no_encoder"};
constexpr telemetry::CounterFamily kResponseFamily{"fairlead_gateway_compression_responses",
                                                   "responses that were compressed, or would have been had there been "
                                                   "an encoder left",
                                                   "result", kResults};

/// By Encoding, each the first of its set.
struct EncodingCounters {
  telemetry::CounterId bytes = 0, responses = 0;
};

struct Core {
  model::Compression settings;
  std::array<EncodingCounters, 3> counters{};
  [[nodiscard]] const EncodingCounters& of(Encoding encoding) const {
    return counters[static_cast<std::size_t>(encoding)];
  }
};
using CorePtr = std::shared_ptr<const Core>;

class Encode final : public BodyFilter {
 public:
  Encode(CorePtr core, EncoderPool& pool, Encoding encoding, std::unique_ptr<Encoder> encoder, Request& request)
      : core_(std::move(core)), pool_(pool), encoding_(encoding), encoder_(std::move(encoder)), request_(request) {}
  ~Encode() override { pool_.give_back(encoding_, std::move(encoder_)); }
  Encode(const Encode&) = delete;
  Encode& operator=(const Encode&) = delete;

  std::optional<std::string_view> on_data(std::string_view data, bool end) override {
    out_.clear();
    if (data.empty() && !end) return out_;
    if (!encoder_->write(data, end, out_)) return std::nullopt;
    const auto bytes = core_->of(encoding_).bytes;
    request_.count(bytes, data.size());
    request_.count(bytes + 1, out_.size());
    return out_;
  }

 private:
  CorePtr core_;  // the pool stays as long as it does
  EncoderPool& pool_;
  Encoding encoding_;
  std::unique_ptr<Encoder> encoder_;
  Request& request_;  // owns this
  std::string out_;
};

bool is_encoded(const http::Fields& fields) {
  const auto* encoding = http::find(fields, "content-encoding");
  return encoding != nullptr && !cache::equal_ignoring_case(encoding->value, "identity");
}

bool forbids_change(const http::Fields& fields) {
  return std::ranges::any_of(fields, [](const http::Field& field) {
    return field.name == "cache-control" && cache::names(field.value, "no-transform");
  });
}

bool has_content(const http::ResponseHead& head) {
  if (head.status < 200 || head.status == 204 || head.status == 205 || head.status == 206 || head.status == 304)
    return false;
  return http::find(head.fields, "content-range") == nullptr;
}

/// Caches on the way have to know that others may get another encoding.
void add_vary(http::ResponseHead& head) {
  const bool told = std::ranges::any_of(head.fields, [](const http::Field& field) {
    return field.name == "vary" && (cache::names(field.value, "accept-encoding") || cache::names(field.value, "*"));
  });
  if (!told) head.fields.push_back({"vary", "accept-encoding"});
}

/// RFC 9110 section 8.8.1: another encoding is another representation.
void weaken_etag(http::ResponseHead& head, Arena& arena) {
  for (auto& field : head.fields) {
    if (field.name != "etag" || field.value.starts_with("W/")) continue;
    auto* text = arena.allocate(field.value.size() + 2);
    text[0] = 'W';
    text[1] = '/';
    field.value.copy(text + 2, field.value.size());
    field.value = {text, field.value.size() + 2};
  }
}

/// Whether a client that asks if it has changed has a response as it was encoded here: its etag was made weak.
bool asks_for_ours(const http::RequestHead& request, const http::ResponseHead& head) {
  const auto* etag = http::find(head.fields, "etag");
  if (etag == nullptr || !etag->value.starts_with('"')) return false;
  return std::ranges::any_of(request.fields, [&](const http::Field& field) {
    if (field.name != "if-none-match") return false;
    const auto at = field.value.find(etag->value);
    return at != std::string_view::npos && field.value.substr(0, at).ends_with("W/");
  });
}

/// Fields that are about the bytes that were.
void change_head(http::ResponseHead& head, std::string_view encoding, Arena& arena) {
  std::erase_if(head.fields, [](const http::Field& field) {
    return field.name == "content-encoding" || field.name == "accept-ranges" || field.name == "content-md5" ||
           field.name == "digest" || field.name == "content-digest" || field.name == "repr-digest";
  });
  weaken_etag(head, arena);
  head.fields.push_back({"content-encoding", encoding});
}

class Compression final : public Filter {
 public:
  explicit Compression(CorePtr core) : core_(std::move(core)) {}

  Preview preview(Probe& probe) const override {
    const auto* chosen = choose_encoding(probe.head().fields, core_->settings.encodings);
    return {.kind = Preview::Kind::kPasses,
            .why = chosen == nullptr ? "the client takes none of the encodings"
                                     : "responses may be sent as " + std::string(name_of(chosen->encoding))};
  }
  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    if (head.status == 304 && asks_for_ours(request.head(), head)) {  // section 15.4.5: the fields of a 200
      add_vary(head);
      weaken_etag(head, request.arena());
    }
    if (!may_change(request, head)) return Verdict::kContinue;
    add_vary(head);
    const auto* chosen = choose_encoding(request.head().fields, core_->settings.encodings);
    if (chosen == nullptr) return Verdict::kContinue;
    if (head.body == http::Body::kNone) {  // to HEAD: the head that a GET would have got
      head.has_length = false;
      change_head(head, name_of(chosen->encoding), request.arena());
      return Verdict::kContinue;
    }
    auto& pool = request.local<EncoderPool>(core_, [] { return std::make_unique<EncoderPool>(); });
    auto encoder = pool.take(*chosen);
    request.count(core_->of(chosen->encoding).responses + (encoder == nullptr ? 1 : 0));
    if (encoder == nullptr) return Verdict::kContinue;
    change_head(head, name_of(chosen->encoding), request.arena());
    head.body = http::Body::kStream;
    request.pass_body(std::make_unique<Encode>(core_, pool, chosen->encoding, std::move(encoder), request));
    return Verdict::kContinue;
  }

 private:
  [[nodiscard]] bool may_change(Request& request, const http::ResponseHead& head) const;

  CorePtr core_;
};

bool Compression::may_change(Request& request, const http::ResponseHead& head) const {
  if (!has_content(head) || head.body == http::Body::kTunnel) return false;
  const bool to_head = request.head().method == http::Method::kHead;
  if (head.body == http::Body::kNone && !(to_head && head.status == 200)) return false;
  const bool known = head.body == http::Body::kLength || head.has_length;
  if (known && head.content_length < core_->settings.min_length) return false;
  if (is_encoded(head.fields) || forbids_change(head.fields) || forbids_change(request.head().fields)) return false;
  const auto* type = http::find(head.fields, "content-type");
  return type != nullptr && matches_type(type->value, core_->settings.content_types);
}

}  // namespace

FilterPtr make_compression(const model::Compression& settings, Context& context) {
  auto core = std::make_shared<Core>();
  core->settings = settings;
  for (const auto& one : settings.encodings) {
    const telemetry::CounterPart part{"encoding", std::string(name_of(one.encoding))};
    core->counters[static_cast<std::size_t>(one.encoding)] = {context.counters(kByteFamily, part),
                                                              context.counters(kResponseFamily, part)};
  }
  if (core->settings.content_types.empty()) core->settings.content_types = default_types();
  return std::make_shared<Compression>(std::move(core));
}

}  // namespace fairlead::filter
