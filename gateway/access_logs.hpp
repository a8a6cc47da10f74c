// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/model/policy_objects.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/telemetry/access_log.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// The access logs that listeners share, and the thread that writes them. What asks for the same gets the same object.
/// Owner: TelemetryParts. Thread: main.
class AccessLogs {
 public:
  using LogPtr = std::shared_ptr<const telemetry::AccessLog>;

  ~AccessLogs();  ///< what waits for servers is sent for some seconds at most, whatever their number
  AccessLogs(const AccessLogs&) = delete;
  AccessLogs& operator=(const AccessLogs&) = delete;

  /// Opens the log of `--access-log`.
  static Result<std::unique_ptr<AccessLogs>> create(const Arguments& arguments);

  /// The log of a ClientPolicy; where it has none (`enabled` is false) that of `--access-log`. Null: none. Fails where
  /// a file cannot be opened.
  Result<LogPtr> get(const model::ClientAccessLog& policy);
  /// The further logs of a policy, as far as they can be opened; `texts` says what is wrong with the others.
  std::vector<LogPtr> further(const std::shared_ptr<const model::ClientSettings>& policy,
                              std::vector<std::string>& texts);
  /// Both, of a port that `policy` (null: none) is for; `texts` says what is wrong.
  void give(const std::shared_ptr<const model::ClientSettings>& policy, proxy::ListenerSpec& spec,
            std::vector<std::string>& texts);
  /// That of `--access-log`; null: none.
  [[nodiscard]] const LogPtr& standard() const { return standard_; }
  /// Files are opened anew by their paths.
  void reopen() { writer_->reopen(); }
  [[nodiscard]] telemetry::LogWriter& writer() { return *writer_; }
  /// Of files and of servers. Any thread.
  [[nodiscard]] std::vector<telemetry::LogOutputCounts> counts() const;

 private:
  explicit AccessLogs(std::unique_ptr<telemetry::LogWriter> writer) : writer_(std::move(writer)) {}
  Result<LogPtr> open(telemetry::LogFormat format, double percent, const telemetry::LogTarget& target);
  Result<LogPtr> open(const model::ClientLog& log);
  Result<std::shared_ptr<telemetry::LogSender>> sender_to(const telemetry::SendTarget& target);
  void end_unused_senders();

  std::unique_ptr<telemetry::LogWriter> writer_;
  LogPtr standard_;
  std::map<std::string, std::weak_ptr<const telemetry::AccessLog>> of_policies_;  // by all that they say
  struct Further {
    std::weak_ptr<const model::ClientSettings> policy;
    std::vector<std::weak_ptr<const telemetry::AccessLog>> logs;  // one for each of the policy's
  };
  std::map<const model::ClientSettings*, Further> further_;
  mutable std::mutex mutex_;  // of what follows
  std::vector<std::shared_ptr<telemetry::LogSender>> senders_;
  std::vector<std::shared_ptr<telemetry::LogSender>> ending_;  // nobody's any more
};

}  // namespace fairlead::gateway
