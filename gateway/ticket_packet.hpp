// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fairlead/tls/ticket_keys.hpp"

namespace fairlead::gateway {

/// The keys of session tickets for a successor, the one that seals first: a word, and the bytes of each. Builds that do
/// not know the word pass it over. Secret: never in a log.
[[nodiscard]] std::string ticket_packet(const std::vector<tls::TicketKey>& keys);
[[nodiscard]] bool is_ticket_packet(std::string_view text);
/// None where it is not whole.
[[nodiscard]] std::vector<tls::TicketKey> read_ticket_packet(std::string_view text);

}  // namespace fairlead::gateway
