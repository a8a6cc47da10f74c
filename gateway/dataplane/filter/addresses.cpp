// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_access.hpp"
#include "gateway/dataplane/filter/problem.hpp"

namespace fairlead::filter {
namespace {

/// Sorted by where they begin, without those within others: one binary search finds the only one that can hold.
std::vector<Cidr> merged(std::vector<Cidr> blocks) {
  std::ranges::sort(blocks);
  std::vector<Cidr> out;
  for (const auto& block : blocks)
    if (out.empty() || !out.back().contains(block)) out.push_back(block);
  return out;
}

bool contains(const std::vector<Cidr>& blocks, const Address& address) {
  const auto behind = std::ranges::upper_bound(blocks, address, {}, &Cidr::address);
  return behind != blocks.begin() && std::prev(behind)->contains(address);
}

class Addresses final : public Filter {
 public:
  explicit Addresses(const model::AddressRules& settings)
      : allow_(merged(settings.allow)),
        deny_(merged(settings.deny)),
        status_(settings.status),
        title_(http::reason_of(settings.status)),
        detail_(settings.detail) {}

  Verdict on_request(Request& request) const override {
    const auto& client = request.client();
    if (!contains(deny_, client) && (allow_.empty() || contains(allow_, client))) return Verdict::kContinue;
    answer_problem(request, status_, title_.empty() ? "Error" : title_,
                   detail_.empty() ? "the client's address is not allowed" : std::string_view(detail_),
                   telemetry::ResponseFlag::kPolicyDenied, {}, "address_denied", {.message = detail_});
    return Verdict::kAnswered;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  const std::vector<Cidr> allow_;
  const std::vector<Cidr> deny_;
  const std::uint16_t status_;
  const std::string_view title_;
  const std::string detail_;
};

}  // namespace

FilterPtr make_addresses(const model::AddressRules& settings, Context&) {
  return std::make_shared<Addresses>(settings);
}

}  // namespace fairlead::filter
