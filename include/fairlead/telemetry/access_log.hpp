// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "fairlead/telemetry/log_format.hpp"
#include "fairlead/telemetry/log_sender.hpp"
#include "fairlead/telemetry/log_writer.hpp"

namespace fairlead::telemetry {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
/// As RequestRecord::route has them.
using RouteNames = std::unordered_set<std::string, TextHash, std::equal_to<>>;

/// Which requests are logged: all, where nothing is set. Any of the conditions suffices; where none is met, `fraction`
/// decides. So {fraction 0.01, least_status 500} logs every error and one in a hundred of the rest.
struct LogFilter {
  double fraction = 1;                ///< 0 to 1; decided by the trace's id where there is one, so that hops agree
  std::uint16_t least_status = 0;     ///< logs where status >= this; 0: no such condition
  std::uint64_t least_duration_ns = 0;
  ResponseFlags flags{};              ///< logs where any of them is set
  bool any_flag = false;              ///< logs where any flag at all is set
  // Before all of the above.
  std::shared_ptr<const RouteNames> routes{};  ///< only requests of these; null: of all, and of none
  std::shared_ptr<const RouteNames> except{};  ///< not these; null: none
};

/// One log: what, which, where to. Owner: the configuration in force. Thread: any; immutable.
struct AccessLog {
  LogFormat format;
  LogFilter filter;
  std::shared_ptr<LogOutput> output;  ///< null: `sender` has the lines
  std::shared_ptr<LogSender> sender{};
  std::size_t ring_bytes = 512 * 1024;  ///< of each worker; at least two of the longest lines are given
};

[[nodiscard]] inline bool covers(const LogFilter& filter, std::string_view route) {
  return (filter.routes == nullptr || filter.routes->contains(route)) &&
         (filter.except == nullptr || !filter.except->contains(route));
}

/// Whether `record` is logged, its route apart; `random` is any number for requests without a trace.
[[nodiscard]] bool passes(const LogFilter& filter, const RequestRecord& record, std::uint64_t random);

/// One worker's hand on a log. A line costs its formatting and a copy; nothing is allocated, nothing is waited for.
/// Owner: a worker. Thread: the worker's; made and destroyed where a lock may be waited for, not by a request.
class WorkerLog {
 public:
  WorkerLog(std::shared_ptr<const AccessLog> log, LogWriter& writer);
  ~WorkerLog();
  WorkerLog(const WorkerLog&) = delete;
  WorkerLog& operator=(const WorkerLog&) = delete;

  void log(const RequestRecord& record);
  [[nodiscard]] bool shows_response() const { return log_->format.shows_response(); }
  [[nodiscard]] std::uint64_t skipped() const { return skipped_; }  ///< by the filter

 private:
  std::shared_ptr<const AccessLog> log_;
  LogWriter& writer_;
  std::shared_ptr<ByteRing> ring_;
  std::unique_ptr<char[]> line_;
  std::vector<TimeCache> times_;
  IdGenerator random_;
  std::uint64_t skipped_ = 0;
};

}  // namespace fairlead::telemetry
