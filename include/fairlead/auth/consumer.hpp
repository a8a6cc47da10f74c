// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/model/consumer.hpp"

namespace fairlead::auth {

/// Who may call: a person or a program with credentials. Immutable.
using Consumer = model::PackedConsumer;
using ConsumerPtr = model::PackedConsumerPtr;

}  // namespace fairlead::auth
