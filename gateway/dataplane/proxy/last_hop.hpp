// SPDX-License-Identifier: Apache-2.0
#pragma once

// Max-Forwards, RFC 9110 7.6.2: how far OPTIONS and TRACE may go.

#include <string>

#include "fairlead/base/arena.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::proxy {

/// True: the request may go no further, so that its answer is ours. Else the field, where there is one, has one less.
[[nodiscard]] bool ends_here(http::RequestHead& head, Arena& arena);

/// The request as message/http, which the last recipient of TRACE answers with (9.3.8); without fields that hold
/// secrets.
[[nodiscard]] std::string traced(const http::RequestHead& head);

}  // namespace fairlead::proxy
