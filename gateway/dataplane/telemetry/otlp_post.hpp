// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"
#include "fairlead/telemetry/otlp.hpp"

namespace fairlead::telemetry {

/// What a collector answered.
struct PostResult {
  int status = 0;         ///< 0: no answer
  int retry_after_s = 0;  ///< 0: not said
  std::string body;
};

/// HTTP requests to one collector; apart from the exporter so that one file alone needs an HTTP client.
/// Owner: a SpanExporter. Thread: post() its thread; interrupt() any.
class OtlpPost {
 public:
  static Result<std::unique_ptr<OtlpPost>> create(const OtlpOptions& options);
  ~OtlpPost();
  PostResult post(const std::string& body);
  /// Ends a post() under way.
  void interrupt();

 private:
  struct Client;
  explicit OtlpPost(std::unique_ptr<Client> client);
  std::unique_ptr<Client> client_;
};

}  // namespace fairlead::telemetry
