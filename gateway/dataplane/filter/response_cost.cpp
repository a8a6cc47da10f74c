// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/response_cost.hpp"

#include <algorithm>
#include <charconv>

#include "fairlead/limit/rule.hpp"

namespace fairlead::filter {

std::optional<std::uint64_t> read_cost(std::string_view text) {
  std::uint64_t cost = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), cost);
  if (at != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  return error == std::errc{} ? std::min(cost, limit::kMostCost) : limit::kMostCost;
}

std::optional<std::string_view> ResponseCostReader::on_data(std::string_view data, bool end) {
  too_large_ = too_large_ || seen_.size() + data.size() > kMostBody;
  if (too_large_) std::string().swap(seen_);
  else seen_.append(data);
  if (end && !too_large_) charge();
  return data;
}

void ResponseCostReader::charge() {
  std::string plain;
  std::string_view text = seen_;
  if (coding_ != Coding::kIdentity) {
    if (expand(coding_, seen_, {.bytes = kMostBody}, plain) != change::Expanded::kWhole) return;
    text = plain;
  }
  change::Json document;
  if (!document.parse(text)) return;
  for (const auto& field : fields_) {
    const auto at = change::find(document, document.root(), field.path);
    if (at == change::Json::kNone || document.kind(at) != change::JsonKind::kNumber) continue;
    if (const auto cost = read_cost(document.node(at).text)) charger_.charge(request_, field.number, *cost);
  }
}

}  // namespace fairlead::filter
