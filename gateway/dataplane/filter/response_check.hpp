// SPDX-License-Identifier: Apache-2.0
#pragma once

// Answers that are not what OpenAPI says: a warning, as the client has no part in it.

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fairlead/change/openapi.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_change.hpp"
#include "gateway/dataplane/filter/coding.hpp"

namespace fairlead::filter {

/// Warnings of one policy, at most one a second: a backend that is wrong is so for each request.
/// Owner: a filter. Thread: any worker's.
class ResponseWarnings {
 public:
  /// `counter`: of the answers that are wrong.
  ResponseWarnings(std::string policy, telemetry::CounterId counter) : policy_(std::move(policy)), counter_(counter) {}
  void warn(Request& request, std::uint16_t status, std::string_view what) const;
  [[nodiscard]] std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::string policy_;
  telemetry::CounterId counter_;
  mutable std::atomic<std::uint64_t> count_ = 0;    // since the policy was read
  mutable std::atomic<std::uint64_t> next_ms_ = 0;  // of the reactor's clock, when another one may be written
};

/// Reads a body as it passes.
class ResponseCheck final : public BodyFilter {
 public:
  struct Wanted {
    const change::OpenApi* api;
    const change::OpenApi::Operation* operation;
    std::uint16_t status;
    std::string content_type;
    Coding coding;
  };
  ResponseCheck(Request& request, const ResponseWarnings& warnings, const model::Validation& settings, Wanted wanted)
      : request_(request), warnings_(warnings), settings_(settings), wanted_(std::move(wanted)) {}

  std::optional<std::string_view> on_data(std::string_view data, bool end) override;

 private:
  void check();

  Request& request_;
  const ResponseWarnings& warnings_;
  const model::Validation& settings_;
  Wanted wanted_;
  std::string seen_;
  bool too_large_ = false;
};

}  // namespace fairlead::filter
