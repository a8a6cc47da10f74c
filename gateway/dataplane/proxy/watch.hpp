// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "fairlead/proxy/view.hpp"
#include "fairlead/telemetry/latency_histogram.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::proxy {

/// How long a worker's requests took, and the last ones that went wrong: for people who look. Nothing is allocated but
/// at the start.
/// Owner: a Worker. Thread: its worker's.
class Watch {
 public:
  static constexpr std::size_t kFailed = 64;  ///< so many are kept

  struct Failure {
    std::uint64_t duration_ns = 0;
    std::uint16_t status = 0;
    telemetry::ResponseFlags flags;
    std::string_view method{}, host{}, path{}, route{}, reason{};
  };

  /// A request is over. A tunnel's duration says nothing of how fast anybody was.
  void ended(const telemetry::RequestRecord& record, bool tunnel);
  /// It was refused, or did not end as it should.
  void failed(const Failure& failure);
  /// Fills in latencies and failed requests.
  void show(View& view) const;

 private:
  /// The beginning of a text.
  template <std::size_t kSize>
  struct Text {
    std::array<char, kSize> bytes{};
    std::uint8_t length = 0;
    void set(std::string_view text) {
      static_assert(kSize < 256);
      length = static_cast<std::uint8_t>(text.copy(bytes.data(), kSize));
    }
    [[nodiscard]] std::string_view view() const { return {bytes.data(), length}; }
  };
  struct Entry {
    std::uint64_t time_ns = 0;
    std::uint64_t duration_ns = 0;
    std::uint16_t status = 0;
    telemetry::ResponseFlags flags;
    Text<15> method;
    Text<63> host;
    Text<127> path;
    Text<95> route;
    Text<63> reason;
  };

  std::unique_ptr<telemetry::LatencyHistogram> latency_ = std::make_unique<telemetry::LatencyHistogram>();
  std::unique_ptr<std::array<Entry, kFailed>> ring_ = std::make_unique<std::array<Entry, kFailed>>();
  Outcomes outcomes_;
  std::uint64_t count_ = 0;  // ever
};

}  // namespace fairlead::proxy
