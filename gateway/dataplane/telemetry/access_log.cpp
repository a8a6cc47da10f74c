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

WorkerLog::WorkerLog(std::shared_ptr<const AccessLog> log, LogWriter& writer)
    : log_(std::move(log)),
      writer_(writer),
      ring_(writer.add_ring(*log_->output, std::max(log_->ring_bytes, 2 * log_->format.max_line()))),
      line_(std::make_unique_for_overwrite<char[]>(log_->format.max_line())),
      times_(log_->format.time_caches()) {}

WorkerLog::~WorkerLog() { writer_.release(ring_); }

void WorkerLog::log(const RequestRecord& record) {
  if (log_->filter.fraction < 1 && !passes(log_->filter, record, random_.next())) {
    ++skipped_;
    return;
  }
  const char* end = log_->format.write(record, line_.get(), times_);
  // The log thread sleeps only where rings have been empty for a while: most pushes find it awake.
  if (ring_->push({line_.get(), static_cast<std::size_t>(end - line_.get())})) writer_.doorbell().ring();
}

}  // namespace fairlead::telemetry
