// SPDX-License-Identifier: Apache-2.0
#include "gateway/access_logs.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

#include "fairlead/net/socket_address.hpp"
#include "fairlead/telemetry/statsd.hpp"

namespace fairlead::gateway {
namespace {

using telemetry::LogFormat;
using telemetry::LogSender;
using telemetry::LogTarget;
using telemetry::SendTarget;
using Format = model::ClientAccessLog::Format;

constexpr std::chrono::milliseconds kLastSends{2000};
constexpr std::string_view kExpected =
    "json, common, combined, kong, template or off, and behind a colon stdout, stderr, an absolute path or "
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
    case Format::kKong: return LogFormat::kong();
  }
  return LogFormat::json();
}

std::optional<Format> format_named(std::string_view name) {
  if (name == "json") return Format::kJson;
  if (name == "common") return Format::kCommon;
  if (name == "combined") return Format::kCombined;
  if (name == "kong") return Format::kKong;
  if (name == "template") return Format::kTemplate;
  return std::nullopt;
}

LogTarget file_target(const model::ClientLogFile& file) {
  LogTarget target;
  if (file.path == "/dev/stdout") return target;
  target.kind = file.path == "/dev/stderr" ? LogTarget::Kind::kStderr : LogTarget::Kind::kFile;
  if (target.kind == LogTarget::Kind::kFile) {
    target.path = file.path;
    target.follow = file.reopen;
  }
  return target;
}

SendTarget target_of(const model::ClientLogHttp& http) {
  SendTarget target;
  target.url = http.url;
  target.method = http.method;
  target.content_type = http.content_type;
  target.headers = http.headers;
  target.timeout = http.timeout;
  target.batch = http.queue.max_batch;
  target.most_waiting = http.queue.max_entries;
  target.delay = http.queue.max_delay;
  target.retry_time = http.queue.max_retry_time;
  target.first_retry = http.queue.first_retry;
  target.last_retry = http.queue.last_retry;
  return target;
}

SendTarget target_of(const model::ClientLogStatsd& statsd) {
  SendTarget target;
  target.kind = SendTarget::Kind::kUdp;
  target.host = statsd.host;
  target.port = statsd.port;
  target.datagram = statsd.max_datagram;
  target.most_waiting = statsd.max_entries;
  return target;
}

telemetry::LogFilter filter_of(const model::ClientLog& log) {
  telemetry::LogFilter filter;
  const auto set = [](const std::vector<std::string>& names) {
    return std::make_shared<const telemetry::RouteNames>(names.begin(), names.end());
  };
  if (log.routes) filter.routes = set(*log.routes);
  if (!log.except_routes.empty()) filter.except = set(log.except_routes);
  return filter;
}

}  // namespace

/// The same server, asked for the same way, is one sender.
Result<std::shared_ptr<LogSender>> AccessLogs::sender_to(const SendTarget& target) {
  for (const auto& known : senders_)
    if (known->target() == target) return known;
  FL_TRY(auto sender, LogSender::create(target));
  const std::lock_guard lock(mutex_);
  senders_.push_back(sender);
  return sender;
}

AccessLogs::~AccessLogs() {
  using Clock = std::chrono::steady_clock;
  const auto by = Clock::now() + kLastSends;
  senders_.insert(senders_.end(), ending_.begin(), ending_.end());
  for (const auto& sender : senders_) sender->finish();  // all at once
  for (const auto& sender : senders_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(by - Clock::now()).count();
    sender->stop(static_cast<int>(std::max<std::int64_t>(left, 0)));
  }
}

/// They send what waits, on their own time.
void AccessLogs::end_unused_senders() {
  const std::lock_guard lock(mutex_);
  for (auto& sender : senders_)
    if (sender.use_count() == 1) {
      sender->finish();
      ending_.push_back(std::exchange(sender, nullptr));
    }
  std::erase(senders_, nullptr);
  std::erase_if(ending_, [](const auto& sender) { return sender->ended(); });
}

Result<AccessLogs::LogPtr> AccessLogs::open(const model::ClientLog& log) {
  constexpr std::size_t kEntry = 1024, kLeastRing = 512 * 1024, kMostRing = 8 * 1024 * 1024;
  if (log.file) {
    FL_TRY(auto output, writer_->open(file_target(*log.file)));
    return std::make_shared<const telemetry::AccessLog>(
        telemetry::AccessLog{.format = LogFormat::kong(), .filter = filter_of(log), .output = std::move(output)});
  }
  FL_TRY(auto sender, sender_to(log.http ? target_of(*log.http) : target_of(*log.statsd)));
  const auto ring = std::clamp(sender->target().most_waiting * kEntry, kLeastRing, kMostRing);
  return std::make_shared<const telemetry::AccessLog>(
      telemetry::AccessLog{.format = log.http ? LogFormat::kong() : telemetry::statsd_format(*log.statsd),
                           .filter = filter_of(log),
                           .output = nullptr,
                           .sender = std::move(sender),
                           .ring_bytes = ring});
}

std::vector<AccessLogs::LogPtr> AccessLogs::further(const std::shared_ptr<const model::ClientSettings>& policy,
                                                    std::vector<std::string>& texts) {
  std::erase_if(further_, [](const auto& entry) { return entry.second.policy.expired(); });
  std::vector<LogPtr> out;
  if (policy != nullptr && !policy->logs.empty()) {
    auto& known = further_[policy.get()];
    known.policy = policy;
    known.logs.resize(policy->logs.size());
    for (std::size_t i = 0; i < policy->logs.size(); ++i) {
      auto log = known.logs[i].lock();
      if (log == nullptr) {
        auto opened = open(policy->logs[i]);
        if (opened) known.logs[i] = log = std::move(*opened);
        else texts.push_back("ClientPolicy: logs: " + policy->logs[i].name + ": " + opened.error().message);
      }
      if (log != nullptr) out.push_back(std::move(log));
    }
  }
  end_unused_senders();
  return out;
}

void AccessLogs::give(const std::shared_ptr<const model::ClientSettings>& policy, proxy::ListenerSpec& spec,
                      std::vector<std::string>& texts) {
  auto log = policy != nullptr ? get(policy->access_log) : Result<LogPtr>(standard_);
  if (!log) texts.push_back("ClientPolicy: accessLog: " + log.error().message + ": no log is written");
  else spec.log = std::move(*log);
  spec.more_logs = further(policy, texts);
}

std::vector<telemetry::LogOutputCounts> AccessLogs::counts() const {
  auto out = writer_->counts();
  const std::lock_guard lock(mutex_);
  for (const auto& sender : senders_) out.push_back(sender->counts());
  for (const auto& sender : ending_) out.push_back(sender->counts());
  return out;
}

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
