// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/access_log.hpp"

#include <algorithm>

#include "gateway/dataplane/telemetry/fraction.hpp"

namespace fairlead::telemetry {

bool passes(const LogFilter& filter, const RequestRecord& record, std::uint64_t random) {
  if (filter.fraction >= 1) return true;
  if (filter.least_status != 0 && record.status >= filter.least_status) return true;
  if (filter.any_flag && !record.flags.empty()) return true;
  if (record.flags.overlaps(filter.flags)) return true;
  if (filter.least_duration_ns != 0) {
    const auto took = between(record.times.start, record.times.end);
    if (took.known && took.ns >= filter.least_duration_ns) return true;
  }
  return within_fraction(record.trace.trace ? record.trace.trace.low : random, filter.fraction);
}

namespace {
std::size_t ring_bytes_of(const AccessLog& log) { return std::max(log.ring_bytes, 2 * log.format.max_line()); }
}  // namespace

WorkerLog::WorkerLog(std::shared_ptr<const AccessLog> log, LogWriter& writer)
    : log_(std::move(log)),
      writer_(writer),
      ring_(log_->sender != nullptr ? log_->sender->add_ring(ring_bytes_of(*log_))
                                    : writer.add_ring(*log_->output, ring_bytes_of(*log_))),
      line_(std::make_unique_for_overwrite<char[]>(log_->format.max_line())),
      times_(log_->format.time_caches()) {}

WorkerLog::~WorkerLog() {
  if (log_->sender != nullptr) log_->sender->release(ring_);
  else writer_.release(ring_);
}

void WorkerLog::log(const RequestRecord& record) {
  if (record.stream && log_->format.of_requests_alone()) return;
  if (!covers(log_->filter, record.route)) return;
  if (log_->filter.fraction < 1 && !passes(log_->filter, record, random_.next())) {
    ++skipped_;
    return;
  }
  const char* end = log_->format.write(record, line_.get(), times_);
  const std::string_view lines(line_.get(), static_cast<std::size_t>(end - line_.get()));
  if (log_->sender != nullptr) return log_->sender->offer(*ring_, lines);
  // The log thread sleeps only where rings have been empty for a while: most pushes find it awake.
  if (ring_->push(lines)) writer_.doorbell().ring();
}

}  // namespace fairlead::telemetry
