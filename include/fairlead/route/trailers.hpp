// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/http/message.hpp"

namespace fairlead::route {

/// Takes out of a request's trailer section what only the gateway says (X-Forwarded-*, Forwarded, X-Real-IP,
/// X-Request-Id and their twins with "_"): a backend that merges trailers into the head would believe it.
void drop_forwarded(http::Fields& trailers);

}  // namespace fairlead::route
