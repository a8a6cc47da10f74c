// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <csignal>

#include "fairlead/telemetry/otlp.hpp"
#include "gateway/dataplane/telemetry/http_post.hpp"
#include "gateway/dataplane/telemetry/otlp_fields.hpp"
#include "gateway/dataplane/telemetry/protobuf.hpp"

namespace fairlead::telemetry {
namespace {

constexpr int kRetryUnitMs = 1000;  // Retry-After counts seconds
constexpr std::size_t kFrameHead = 1 + protobuf::kLengthBytes;  // the tag of field 2, a length
constexpr std::size_t kPostBytes = 1024 * 1024;

/// Moves `bytes` from the ring, which has them, to the end of `out`.
void move(ByteRing& ring, std::size_t bytes, std::string& out) {
  while (bytes != 0) {
    const auto part = ring.peek().substr(0, bytes);
    out.append(part);
    ring.consume(part.size());
    bytes -= part.size();
  }
}

/// Moves one whole span.
void move_span(ByteRing& ring, std::string& out) {
  const auto at = out.size();
  move(ring, kFrameHead, out);
  std::size_t size = 0;
  for (std::size_t i = 0; i < protobuf::kLengthBytes; ++i)
    size |= static_cast<std::size_t>(static_cast<unsigned char>(out[at + 1 + i]) & 0x7f) << (7 * i);
  move(ring, size, out);
}

char* attribute(char* out, std::string_view key, std::string_view value) {
  return protobuf::message(out, otlp::kResourceAttributes, [&](char* at) {
    at = protobuf::bytes(at, otlp::kKey, key);
    return protobuf::message(at, otlp::kValue,
                             [&](char* any) { return protobuf::bytes(any, otlp::kAnyString, value); });
  });
}

/// ExportTraceServiceRequest with the encoded spans.
std::string request_of(const OtlpOptions& options, const std::string& spans) {
  std::size_t room = spans.size() + options.service_name.size() + 512;
  for (const auto& [key, value] : options.resource) room += key.size() + value.size() + 64;
  std::string request(room, '\0');
  char* end = protobuf::message(request.data(), otlp::kRequestResourceSpans, [&](char* out) {
    out = protobuf::message(out, otlp::kResourceSpansResource, [&](char* at) {
      at = attribute(at, "service.name", options.service_name);
      at = attribute(at, "telemetry.sdk.name", "fairlead");
      at = attribute(at, "telemetry.sdk.language", "cpp");
      at = attribute(at, "telemetry.sdk.version", FAIRLEAD_VERSION);
      for (const auto& [key, value] : options.resource) at = attribute(at, key, value);
      return at;
    });
    return protobuf::message(out, otlp::kResourceSpansScopeSpans, [&](char* at) {
      at = protobuf::message(at, otlp::kScopeSpansScope, [](char* scope) {
        scope = protobuf::bytes(scope, otlp::kScopeName, "fairlead");
        return protobuf::bytes(scope, otlp::kScopeVersion, FAIRLEAD_VERSION);
      });
      return text::put(at, spans);
    });
  });
  request.resize(static_cast<std::size_t>(end - request.data()));
  return request;
}

bool read_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

/// The first field `wanted` of a message, where it is a varint or bytes (then `inner`).
bool find_field(std::string_view in, std::uint32_t wanted, std::uint64_t& value, std::string_view& inner) {
  std::uint64_t tag = 0;
  while (!in.empty() && read_varint(in, tag) && read_varint(in, value)) {
    const auto wire = tag & 7;
    if (wire == 2) {
      if (value > in.size()) return false;
      inner = in.substr(0, value);
      in.remove_prefix(value);
    } else if (wire != 0) {
      return false;  // nothing else stands in these messages
    }
    if (tag >> 3 == wanted) return true;
  }
  return false;
}

/// ExportTraceServiceResponse.partial_success.rejected_spans.
std::uint64_t rejected_spans(std::string_view response) {
  std::uint64_t value = 0;
  std::string_view partial;
  std::string_view none;
  if (!find_field(response, otlp::kResponsePartialSuccess, value, partial)) return 0;
  return find_field(partial, otlp::kPartialRejectedSpans, value, none) ? value : 0;
}

/// OTLP/HTTP: these may be sent again; other failures are for good.
bool may_retry(int status) { return status == 0 || status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

std::string_view name_of(SpanDrop reason) {
  constexpr std::array<std::string_view, kSpanDrops> kNames{"queue_full", "rejected", "unavailable", "at_exit"};
  return kNames[static_cast<std::size_t>(reason)];
}

Result<std::unique_ptr<SpanExporter>> SpanExporter::create(const OtlpOptions& options) {
  FL_TRY(auto doorbell, Doorbell::create());
  auto made = HttpPost::create({.url = options.endpoint,
                                .default_path = "/v1/traces",
                                .content_type = "application/x-protobuf",
                                .headers = options.headers,
                                .timeout_ms = options.timeout_ms});
  if (!made) return fail("OTLP endpoint " + made.error().message);
  auto post = std::move(*made);
  std::unique_ptr<SpanExporter> exporter(new SpanExporter(options, std::move(doorbell), std::move(post)));
  exporter->thread_ = std::thread([self = exporter.get()] { self->run(); });
  return exporter;
}

SpanExporter::SpanExporter(const OtlpOptions& options, Doorbell doorbell, std::unique_ptr<HttpPost> post)
    : options_(options), doorbell_(std::move(doorbell)), post_(std::move(post)) {}

SpanExporter::~SpanExporter() { stop(); }

std::shared_ptr<ByteRing> SpanExporter::add_ring() {
  auto ring = std::make_shared<ByteRing>(std::max(options_.ring_bytes, 2 * kMaxSpanBytes));
  const std::lock_guard lock(mutex_);
  feeds_.push_back({.ring = ring});
  return ring;
}

void SpanExporter::release(const std::shared_ptr<ByteRing>& ring) {
  const std::lock_guard lock(mutex_);
  for (auto& feed : feeds_) feed.released = feed.released || feed.ring == ring;
}

bool SpanExporter::flush(int limit_ms) {
  std::unique_lock lock(mutex_);
  const auto ticket = ++flush_asked_;
  hurried_.store(true, std::memory_order_release);
  doorbell_.signal();
  return changed_.wait_for(lock, std::chrono::milliseconds(limit_ms), [&] { return flush_done_ >= ticket || ended_; });
}

void SpanExporter::stop(int limit_ms) {
  if (!thread_.joinable()) return;
  flush(limit_ms);
  stopping_.store(true, std::memory_order_release);
  doorbell_.signal();
  // A collector that does not answer would hold us until its time-out.
  for (std::unique_lock lock(mutex_); !ended_; changed_.wait_for(lock, std::chrono::milliseconds(10)))
    post_->interrupt();
  thread_.join();
}

SpanCounts SpanExporter::counts() const {
  const std::lock_guard lock(mutex_);
  auto counts = counts_;
  for (const auto& feed : feeds_)
    counts.dropped[static_cast<std::size_t>(SpanDrop::kQueueFull)] += feed.ring->dropped();
  return counts;
}

void SpanExporter::drop(SpanDrop reason, std::uint64_t spans) {
  const std::lock_guard lock(mutex_);
  counts_.dropped[static_cast<std::size_t>(reason)] += spans;
}

/// Fills `batch`; false where more waits than it holds.
bool SpanExporter::collect(Batch& batch) {
  const std::lock_guard lock(mutex_);
  for (auto& feed : feeds_)
    while (feed.ring->waiting() != 0) {
      if (batch.count == options_.batch_spans || batch.spans.size() + kMaxSpanBytes > kPostBytes) return false;
      move_span(*feed.ring, batch.spans);
      ++batch.count;
    }
  std::erase_if(feeds_, [&](const Feed& feed) {
    const bool over = feed.released && feed.ring->waiting() == 0;
    if (over) counts_.dropped[static_cast<std::size_t>(SpanDrop::kQueueFull)] += feed.ring->dropped();
    return over;
  });
  return true;
}

/// Waits, but not when stopping; false then.
bool SpanExporter::pause(int ms) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (stopping_.load(std::memory_order_acquire)) return false;
    if (left <= 0) return true;
    doorbell_.sleep(static_cast<int>(left), false);
  }
}

void SpanExporter::send(const Batch& batch) {
  const auto body = request_of(options_, batch.spans);
  int backoff = options_.first_backoff_ms;
  for (int attempt = 1;; ++attempt) {
    const auto answer = post_->post(body);
    const bool good = answer.status >= 200 && answer.status < 300;
    {
      const std::lock_guard lock(mutex_);
      ++counts_.requests;
      if (good) {
        const auto rejected = std::min<std::uint64_t>(rejected_spans(answer.body), batch.count);
        counts_.exported += batch.count - rejected;
        counts_.dropped[static_cast<std::size_t>(SpanDrop::kRejected)] += rejected;
        return;
      }
      ++counts_.failures;
    }
    if (!may_retry(answer.status)) return drop(SpanDrop::kRejected, batch.count);
    if (attempt >= options_.tries) return drop(SpanDrop::kUnavailable, batch.count);
    const auto wait = answer.retry_after_s > 0 ? answer.retry_after_s * kRetryUnitMs : backoff;
    if (!pause(std::min(wait, options_.last_backoff_ms))) return drop(SpanDrop::kAtExit, batch.count);
    backoff = std::min(2 * backoff, options_.last_backoff_ms);
  }
}

void SpanExporter::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!stopping_.load(std::memory_order_acquire)) {
    std::uint64_t asked = 0;
    {
      const std::lock_guard lock(mutex_);
      asked = flush_asked_;
      hurried_.store(false, std::memory_order_relaxed);
    }
    for (bool all_taken = false; !all_taken && !stopping_.load(std::memory_order_acquire);) {
      Batch batch;
      all_taken = collect(batch);
      if (batch.count != 0) send(batch);
    }
    {
      const std::lock_guard lock(mutex_);
      flush_done_ = asked;
    }
    changed_.notify_all();
    // First until there is a span, then until others have joined it.
    doorbell_.sleep(kIdleMs, true);
    const bool now = hurried_.load(std::memory_order_acquire) || stopping_.load(std::memory_order_acquire);
    if (!now) doorbell_.sleep(options_.batch_ms, false);
  }
  Batch rest;
  for (bool all_taken = false; !all_taken; rest = {}) {
    all_taken = collect(rest);
    drop(SpanDrop::kAtExit, rest.count);
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

WorkerTracer::WorkerTracer(SpanExporter& exporter)
    : exporter_(exporter), ring_(exporter.add_ring()), buffer_(std::make_unique_for_overwrite<char[]>(kMaxSpanBytes)) {}

WorkerTracer::~WorkerTracer() { exporter_.release(ring_); }

void WorkerTracer::record(const RequestRecord& record) {
  if (!record.trace.sampled || !record.trace.trace) return;
  bool pushed = false;
  const auto push = [&](const char* end) {
    pushed = ring_->push({buffer_.get(), static_cast<std::size_t>(end - buffer_.get())}) || pushed;
  };
  push(encode_server_span(record, buffer_.get()));
  if (record.has_backend) push(encode_client_span(record, buffer_.get()));
  if (pushed) exporter_.doorbell().ring();
}

}  // namespace fairlead::telemetry
