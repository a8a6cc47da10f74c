// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h2_limits.hpp"
#include "fairlead/net/listener.hpp"

namespace fairlead::proxy {

/// What the sockets and codecs of a worker have counted.
struct ProtocolCounters {
  http::H1Counts http1;  ///< both sides
  http::H2Counters http2_clients;
  http::H2Counters http2_backends;
  net::ListenerCounts accepts;

  ProtocolCounters& operator+=(const ProtocolCounters& other);
};

}  // namespace fairlead::proxy
