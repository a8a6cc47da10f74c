// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace fairlead::http::h1 {

/// Sec-WebSocket-Accept for a key (RFC 6455 4.2.2): base64 of SHA-1 of the key and a constant.
[[nodiscard]] std::string websocket_accept(std::string_view key);
/// A fresh Sec-WebSocket-Key: base64 of 16 random bytes.
[[nodiscard]] std::string websocket_key();

}  // namespace fairlead::http::h1
