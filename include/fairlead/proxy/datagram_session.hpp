// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "fairlead/base/fd.hpp"
#include "fairlead/net/socket_address.hpp"
#include "fairlead/upstream/backend.hpp"

namespace fairlead::proxy {

/// A session of a UDPRoute on its way from one process to the next: what a client's datagrams go by.
/// Owner: whoever holds it. Thread: any.
struct DatagramSession {
  std::uint64_t port = 0;       ///< net::socket_cookie() of the socket that its client sends to
  net::SocketAddress client;
  std::string control;          ///< ancillary data of an answer (cmsghdr): from which of our addresses it comes
  Fd fd;                        ///< connected to the backend
  std::string cluster;
  upstream::EndpointKey backend;
  std::uint64_t silent_ms = 0;  ///< since something has passed
  bool answered = false;        ///< the backend has sent something
};

}  // namespace fairlead::proxy
