// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::telemetry {

struct HttpPostOptions {
  std::string url;            ///< http or https
  std::string default_path;   ///< of a URL without one
  std::string method = "POST";
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  int timeout_ms = 5000;
};

/// What a server answered.
struct PostResult {
  int status = 0;         ///< 0: no answer
  int retry_after_s = 0;  ///< 0: not said
  std::string body;
};

/// HTTP requests to one server; apart from exporters so that one file alone needs an HTTP client.
/// Owner: an exporter or sender. Thread: post() its thread; interrupt() any.
class HttpPost {
 public:
  static Result<std::unique_ptr<HttpPost>> create(const HttpPostOptions& options);
  ~HttpPost();
  PostResult post(const std::string& body);
  /// Ends a post() under way.
  void interrupt();

 private:
  struct Client;
  explicit HttpPost(std::unique_ptr<Client> client);
  std::unique_ptr<Client> client_;
};

}  // namespace fairlead::telemetry
