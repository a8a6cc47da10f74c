// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "fairlead/tls/tls_stream.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

struct Failure {
  TlsFailure kind = TlsFailure::kProtocol;
  std::string what;
};

/// What OpenSSL's error queue says of a call on `ssl` that failed with SSL_ERROR_SSL; empties the queue.
Failure take_failure(const SSL* ssl);

}  // namespace fairlead::tls
