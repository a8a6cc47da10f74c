// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "fairlead/base/result.hpp"
#include "fairlead/kong/convert.hpp"
#include "gateway/arguments.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::gateway {

/// Whether `path` is a file in Kong's declarative format. What cannot be read is none.
[[nodiscard]] bool is_kong_file(const std::string& path);

/// From --listen (the first for HTTP, the second for HTTPS) and --allow-partial.
[[nodiscard]] Result<kong::Options> kong_options(const Arguments& arguments);

/// What the file's plugin opentelemetry asks for, where the command line does not say it; at the start only.
void take_kong_tracing(Arguments& arguments);

/// Kong's file, converted into a folder of this process that a ConfigPlan follows. A change of the file is converted
/// again; what is refused leaves what is served as it is.
/// Owner: Gateway. Thread: main.
class KongSource {
 public:
  /// Null where --config is no file of Kong's. Fails where something in it is refused; each remark is logged.
  static Result<std::unique_ptr<KongSource>> open(const Arguments& arguments);
  ~KongSource();
  KongSource(const KongSource&) = delete;
  KongSource& operator=(const KongSource&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// inotify's, to watch for EPOLLIN; then call changed().
  [[nodiscard]] int fd() const { return watcher_.fd(); }
  void changed();

 private:
  KongSource(std::string path, kong::Options options, config::Watcher watcher)
      : path_(std::move(path)), options_(std::move(options)), watcher_(std::move(watcher)) {}
  Result<> convert();

  std::string path_;
  kong::Options options_;
  config::Watcher watcher_;
  std::string folder_;
  std::size_t read_ = 0;  // hash of the text that was converted last
};

}  // namespace fairlead::gateway
