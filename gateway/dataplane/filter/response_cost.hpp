// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a response says that its request has cost.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/change/json.hpp"
#include "fairlead/filter/request.hpp"
#include "gateway/dataplane/filter/coding.hpp"

namespace fairlead::filter {

/// A whole number without a sign, at most limit::kMostCost; nothing where the text is none.
[[nodiscard]] std::optional<std::uint64_t> read_cost(std::string_view text);

class ResponseCharger {
 public:
  /// `number`: of the request's limits.
  virtual void charge(Request& request, std::size_t number, std::uint64_t cost) const = 0;

 protected:
  ~ResponseCharger() = default;
};

/// Reads a JSON body as it passes, and charges at its end. One that is too long, or no JSON, costs nothing more.
/// Owner: the request. Thread: the worker's.
class ResponseCostReader final : public BodyFilter {
 public:
  static constexpr std::size_t kMostBody = 1 << 20;  ///< bytes, of the coding and expanded

  struct Field {
    std::size_t number = 0;  ///< of the limit
    change::JsonPath path;
  };
  ResponseCostReader(Request& request, const ResponseCharger& charger, Coding coding, std::vector<Field> fields)
      : request_(request), charger_(charger), coding_(coding), fields_(std::move(fields)) {}

  std::optional<std::string_view> on_data(std::string_view data, bool end) override;

 private:
  void charge();

  Request& request_;
  const ResponseCharger& charger_;
  Coding coding_;
  std::vector<Field> fields_;
  std::string seen_;
  bool too_large_ = false;
};

}  // namespace fairlead::filter
