// SPDX-License-Identifier: Apache-2.0
#include "gateway/access_logs.hpp"

#include <optional>
#include <string_view>

#include "fairlead/net/socket_address.hpp"

namespace fairlead::gateway {
namespace {

using telemetry::LogFormat;
using telemetry::LogTarget;
using Format = model::ClientAccessLog::Format;

constexpr std::string_view kExpected =
    "json, common, combined, template or off, and behind a colon stdout, stderr, an absolute path or "
    "udp://ADDRESS:PORT";

std::unexpected<Error> refuse(const std::string& found) {
  return fail("--access-log: found \"" + found + "\", expected " + std::string(kExpected));
}

Result<LogTarget> target_of(const std::string& text, const std::string& option) {
  LogTarget target;
  if (text == "stdout") return target;
  if (text == "stderr") {
    target.kind = LogTarget::Kind::kStderr;
    return target;
  }
  constexpr std::string_view kUdp = "udp://";
  if (text.starts_with(kUdp)) {
    const auto server = net::SocketAddress::parse(std::string_view(text).substr(kUdp.size()));
    if (!server || server->is_unix() || server->is_wildcard() || server->endpoint().port == 0) return refuse(option);
    target.kind = LogTarget::Kind::kSyslog;
    target.server = server->endpoint();
    return target;
  }
  if (!text.starts_with('/')) return refuse(option);
  target.kind = LogTarget::Kind::kFile;
  target.path = text;
  return target;
}

Result<LogFormat> format_of(Format format, const std::string& text) {
  switch (format) {
    case Format::kJson: return LogFormat::json();
    case Format::kCommon: return LogFormat::common();
    case Format::kCombined: return LogFormat::combined();
    case Format::kTemplate: return LogFormat::from_template(text);
  }
  return LogFormat::json();
}

std::optional<Format> format_named(std::string_view name) {
  if (name == "json") return Format::kJson;
  if (name == "common") return Format::kCommon;
  if (name == "combined") return Format::kCombined;
  if (name == "template") return Format::kTemplate;
  return std::nullopt;
}

}  // namespace

Result<AccessLogs::LogPtr> AccessLogs::open(LogFormat format, double percent, const LogTarget& target) {
  FL_TRY(auto output, writer_->open(target));
  telemetry::LogFilter filter;
  filter.fraction = percent / 100;
  return std::make_shared<const telemetry::AccessLog>(
      telemetry::AccessLog{.format = std::move(format), .filter = filter, .output = std::move(output)});
}

Result<std::unique_ptr<AccessLogs>> AccessLogs::create(const Arguments& arguments) {
  FL_TRY(auto writer, telemetry::LogWriter::create());
  std::unique_ptr<AccessLogs> self(new AccessLogs(std::move(writer)));
  const auto& option = arguments.access_log;
  const auto& text = arguments.access_log_template;
  const auto colon = option.find(':');
  const auto name = option.substr(0, colon);
  if (name == "off" && colon == std::string::npos) {
    if (!text.empty()) return fail("--access-log-template: found without --access-log template");
    return self;
  }
  const auto format = format_named(name);
  if (!format) return refuse(option);
  if ((*format == Format::kTemplate) == text.empty())
    return fail("--access-log: found \"" + option + "\", expected template and --access-log-template together");
  FL_TRY(const auto target, target_of(colon == std::string::npos ? "stdout" : option.substr(colon + 1), option));
  auto compiled = format_of(*format, text);
  if (!compiled) return fail("--access-log-template: " + compiled.error().message);
  FL_TRY(self->standard_, self->open(std::move(*compiled), arguments.access_log_sample, target));
  return self;
}

Result<AccessLogs::LogPtr> AccessLogs::get(const model::ClientAccessLog& policy) {
  if (!policy.enabled) return standard_;
  if (policy.sampling_percent == 0) return LogPtr();
  const auto key = std::to_string(static_cast<int>(policy.format)) + " " + std::to_string(policy.sampling_percent) +
                   " " + std::to_string(policy.path.size()) + policy.path + policy.text;
  std::erase_if(of_policies_, [](const auto& entry) { return entry.second.expired(); });
  if (const auto known = of_policies_.find(key); known != of_policies_.end())
    if (auto log = known->second.lock()) return log;
  LogTarget target;
  if (!policy.path.empty()) {
    target.kind = LogTarget::Kind::kFile;
    target.path = policy.path;
  }
  FL_TRY(auto format, format_of(policy.format, policy.text));
  FL_TRY(auto log, open(std::move(format), policy.sampling_percent, target));
  of_policies_[key] = log;
  return log;
}

}  // namespace fairlead::gateway
