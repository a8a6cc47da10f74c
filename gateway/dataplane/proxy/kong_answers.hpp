// SPDX-License-Identifier: Apache-2.0
#pragma once

// The gateway's own answers as Kong 3 words them, and the fields by which Kong tells of itself.

#include <cstdint>
#include <string>
#include <string_view>

#include "fairlead/base/address.hpp"
#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/telemetry/record.hpp"
#include "fairlead/telemetry/response_flags.hpp"

namespace fairlead::proxy {

/// The release whose answers are kept: what Server and Via say.
inline constexpr std::string_view kKongName = "kong/3.9.0";

/// What is answered, in our words.
struct OwnAnswer {
  std::uint16_t status = 500;
  telemetry::ResponseFlag flag = telemetry::ResponseFlag::kPolicyDenied;
  bool of_gateway = false;     ///< no filter's
  bool connect_timed_out = false;
  std::string_view details{};  ///< of a filter: "no_credential"
  std::string_view reason{}, message{};  ///< as filter::Answer has them
  const http::Fields* fields = nullptr;
  const http::RequestHead* request = nullptr;  ///< null: it says nothing of what it takes
  Address client{};
  std::string_view request_id{};
};

/// Kong's status for it: what cannot be connected to is 502 there, or 504 where nothing comes back.
[[nodiscard]] std::uint16_t kong_status(const OwnAnswer& answer);

/// gRPC's status of such an answer.
[[nodiscard]] std::string_view kong_grpc_status(std::uint16_t status);
[[nodiscard]] std::string kong_message(const OwnAnswer& answer);

struct KongText {
  std::string_view type;  ///< a literal
  std::string body{};
};
/// The message and the request's id, in the form that the request's Accept likes best: JSON, HTML, XML or text.
[[nodiscard]] KongText kong_text(const OwnAnswer& answer);
/// Challenges without what Kong does not say.
void change_challenges(http::Fields& fields, Arena& arena);

/// Cache-Status (RFC 9211) as the X-Cache-Status of proxy-cache: Hit, Miss, Refresh, Bypass.
void change_cache_status(http::Fields& fields);

/// Kong behind what stands there; version: of the message that it got.
void add_kong_via(http::Fields& fields, http::Version version, Arena& arena);
/// Via, X-Kong-Upstream-Latency, X-Kong-Proxy-Latency of a backend's response; Server, X-Kong-Response-Latency of one
/// of ours; X-Kong-Request-Id. `now_ns`: of the record's clock.
void add_kong_fields(http::ResponseHead& head, const telemetry::RequestRecord& record, bool from_backend,
                     std::uint64_t now_ns, Arena& arena);

}  // namespace fairlead::proxy
