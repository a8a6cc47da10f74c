// SPDX-License-Identifier: Apache-2.0
#pragma once

// What server and client contexts have in common.

#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/tls/options.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

/// An SSL_CTX with our modes: buffers released while idle, no renegotiation, no compression, no chain building,
/// versions, ciphers and groups as asked for.
Result<SslCtxPtr> make_context(const SSL_METHOD* method, const ProtocolOptions& options, bool ktls);

/// Trust anchors and revocation lists into the context's store.
Result<> add_trust(SSL_CTX* context, std::string_view ca_pem, std::string_view crl_pem);

/// RFC 7301's list: a length byte before each name.
Result<std::string> alpn_list(const std::vector<std::string>& protocols);

}  // namespace fairlead::tls
