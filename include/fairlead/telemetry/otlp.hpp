// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/telemetry/byte_ring.hpp"
#include "fairlead/telemetry/doorbell.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// Where spans go: OTLP/HTTP with protobuf (OpenTelemetry Protocol 1.x).
struct OtlpOptions {
  std::string endpoint = "http://127.0.0.1:4318/v1/traces";  ///< http or https
  std::vector<std::pair<std::string, std::string>> headers;  ///< for authentication; never shown
  std::string service_name = "fairlead-gateway";
  std::vector<std::pair<std::string, std::string>> resource;  ///< further attributes of the resource
  std::size_t ring_bytes = 512 * 1024;  ///< of each worker
  std::size_t batch_spans = 512;        ///< most in one request
  int batch_ms = 1000;                  ///< the longest that a span waits for others
  int timeout_ms = 5000;                ///< of one request
  int first_backoff_ms = 500;           ///< doubled after each failure, up to last_backoff_ms
  int last_backoff_ms = 10000;
  int tries = 5;                        ///< of one batch
};

/// Why spans were lost.
enum class SpanDrop : std::uint8_t {
  kQueueFull,    ///< the worker's ring: the collector is too slow
  kRejected,     ///< the collector refused them (4xx, or partial success)
  kUnavailable,  ///< all tries failed
  kAtExit,
};
inline constexpr std::size_t kSpanDrops = 4;
[[nodiscard]] std::string_view name_of(SpanDrop reason);

struct SpanCounts {
  std::uint64_t exported = 0;
  std::uint64_t requests = 0;  ///< to the collector
  std::uint64_t failures = 0;  ///< of them
  std::array<std::uint64_t, kSpanDrops> dropped{};
};

inline constexpr std::size_t kMaxSpanBytes = 32 * 1024;
/// Encodes the server's span of a request as a field `spans` of ScopeSpans; `out` has kMaxSpanBytes. Returns the end.
char* encode_server_span(const RequestRecord& record, char* out);
/// The client's span, of the last attempt; only with record.has_backend.
char* encode_client_span(const RequestRecord& record, char* out);

class HttpPost;

/// The thread that sends the spans of all workers. Owner: the daemon. Thread: main; counts() any.
class SpanExporter {
 public:
  static Result<std::unique_ptr<SpanExporter>> create(const OtlpOptions& options);
  ~SpanExporter();  ///< as stop()

  std::shared_ptr<ByteRing> add_ring();
  void release(const std::shared_ptr<ByteRing>& ring);
  Doorbell& doorbell() { return doorbell_; }

  /// Sends now; true when everything that was pushed before is sent or dropped.
  bool flush(int limit_ms);
  void stop(int limit_ms = 2000);
  [[nodiscard]] SpanCounts counts() const;

 private:
  struct Feed {
    std::shared_ptr<ByteRing> ring;
    bool released = false;
  };
  struct Batch {
    std::string spans;
    std::size_t count = 0;
  };

  SpanExporter(const OtlpOptions& options, Doorbell doorbell, std::unique_ptr<HttpPost> post);
  void run();
  bool collect(Batch& batch);
  void send(const Batch& batch);
  bool pause(int ms);
  void drop(SpanDrop reason, std::uint64_t spans);

  const OtlpOptions options_;
  Doorbell doorbell_;
  std::unique_ptr<HttpPost> post_;

  mutable std::mutex mutex_;  // of what follows; never taken by a worker
  std::condition_variable changed_;
  std::vector<Feed> feeds_;
  std::uint64_t flush_asked_ = 0;
  std::uint64_t flush_done_ = 0;
  bool ended_ = false;
  SpanCounts counts_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> hurried_{false};  // a flush waits: do not gather, do not back off
  std::thread thread_;
};

/// One worker's hand on an exporter. Owner: a worker. Thread: the worker's; made and destroyed where a lock may be
/// waited for, not by a request.
class WorkerTracer {
 public:
  explicit WorkerTracer(SpanExporter& exporter);
  ~WorkerTracer();
  WorkerTracer(const WorkerTracer&) = delete;
  WorkerTracer& operator=(const WorkerTracer&) = delete;

  /// Nothing where the trace is not sampled.
  void record(const RequestRecord& record);

 private:
  SpanExporter& exporter_;
  std::shared_ptr<ByteRing> ring_;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace fairlead::telemetry
