// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/model/policy_objects.hpp"
#include "fairlead/telemetry/access_log.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// The access logs that listeners share, and the thread that writes them. What asks for the same gets the same object.
/// Owner: TelemetryParts. Thread: main.
class AccessLogs {
 public:
  using LogPtr = std::shared_ptr<const telemetry::AccessLog>;

  /// Opens the log of `--access-log`.
  static Result<std::unique_ptr<AccessLogs>> create(const Arguments& arguments);

  /// The log of a ClientPolicy; where it has none (`enabled` is false) that of `--access-log`. Null: none. Fails where
  /// a file cannot be opened.
  Result<LogPtr> get(const model::ClientAccessLog& policy);
  /// That of `--access-log`; null: none.
  [[nodiscard]] const LogPtr& standard() const { return standard_; }
  /// Files are opened anew by their paths.
  void reopen() { writer_->reopen(); }
  [[nodiscard]] telemetry::LogWriter& writer() { return *writer_; }
  [[nodiscard]] const telemetry::LogWriter& writer() const { return *writer_; }

 private:
  explicit AccessLogs(std::unique_ptr<telemetry::LogWriter> writer) : writer_(std::move(writer)) {}
  Result<LogPtr> open(telemetry::LogFormat format, double percent, const telemetry::LogTarget& target);

  std::unique_ptr<telemetry::LogWriter> writer_;
  LogPtr standard_;
  std::map<std::string, std::weak_ptr<const telemetry::AccessLog>> of_policies_;  // by all that they say
};

}  // namespace fairlead::gateway
