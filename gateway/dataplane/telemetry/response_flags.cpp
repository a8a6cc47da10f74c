// SPDX-License-Identifier: Apache-2.0
#include "fairlead/telemetry/response_flags.hpp"

#include <bit>
#include <cstring>

namespace fairlead::telemetry {
namespace {

// In the order of the enum.
constexpr std::array<ResponseFlagInfo, kResponseFlags> kInfos{{
    {"NR", "NoRouteFound", "no route matched the request"},
    {"NC", "NoClusterFound", "the route's backend does not exist"},
    {"UH", "NoHealthyUpstream", "no backend was fit to be used"},
    {"UF", "UpstreamConnectionFailure", "the connection to the backend failed"},
    {"UC", "UpstreamConnectionTermination", "the backend closed the connection before its response was whole"},
    {"UR", "UpstreamRemoteReset", "the backend reset the stream"},
    {"UO", "UpstreamOverflow", "a limit of the backend's circuit breaker was reached"},
    {"UT", "UpstreamRequestTimeout", "the backend did not answer in time"},
    {"URX", "UpstreamRetryLimitExceeded", "no further attempt was allowed"},
    {"UPE", "UpstreamProtocolError", "the backend's response was no valid message"},
    {"DC", "DownstreamConnectionTermination", "the client closed the connection"},
    {"DR", "DownstreamRemoteReset", "the client reset the stream"},
    {"DPE", "DownstreamProtocolError", "the request was no valid message"},
    {"LR", "LocalReset", "we reset the stream"},
    {"SI", "StreamIdleTimeout", "nothing moved on the stream for too long"},
    {"RL", "RateLimited", "a rate limit was reached"},
    {"RLSE", "RateLimitServiceError", "the rate limit service failed"},
    {"UAEX", "UnauthorizedExternalService", "the authorization service denied the request"},
    {"DENY", "PolicyDenied", "an authorization policy denied the request"},
    {"FI", "FaultInjected", "a response was injected on purpose"},
    {"OM", "OverloadManagerTerminated", "the proxy sheds load: memory or queueing time is over its limit"},
    {"DF", "DnsResolutionFailed", "the backend's name could not be resolved"},
    {"TL", "TooLarge", "the request's head or body is beyond its limit"},
}};

static_assert([] {
  std::size_t all = 0;
  for (const auto& info : kInfos) all += info.long_name.size() + 1;
  return all <= ResponseFlags::kMaxText;
}());

}  // namespace

const ResponseFlagInfo& info(ResponseFlag flag) { return kInfos[static_cast<std::size_t>(flag)]; }

char* ResponseFlags::write(char* out, bool long_names) const {
  if (empty()) {
    *out = '-';
    return out + 1;
  }
  for (auto rest = bits_; rest != 0; rest &= rest - 1) {
    const auto at = static_cast<std::size_t>(std::countr_zero(rest));
    if (at >= kInfos.size()) break;
    if (rest != bits_) *out++ = ',';
    const auto name = long_names ? kInfos[at].long_name : kInfos[at].short_name;
    std::memcpy(out, name.data(), name.size());
    out += name.size();
  }
  return out;
}

}  // namespace fairlead::telemetry
