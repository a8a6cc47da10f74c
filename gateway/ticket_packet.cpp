// SPDX-License-Identifier: Apache-2.0
#include "gateway/ticket_packet.hpp"

namespace fairlead::gateway {
namespace {

constexpr std::string_view kWord = "tickets ";

}  // namespace

std::string ticket_packet(const std::vector<tls::TicketKey>& keys) {
  std::string out;
  out.reserve(kWord.size() + keys.size() * tls::TicketKey::kBytes);  // so that no copy stays behind
  out = kWord;
  for (const auto& key : keys) key.append_to(out);
  return out;
}

bool is_ticket_packet(std::string_view text) { return text.starts_with(kWord); }

std::vector<tls::TicketKey> read_ticket_packet(std::string_view text) {
  text.remove_prefix(kWord.size());
  std::vector<tls::TicketKey> keys;
  if (text.size() % tls::TicketKey::kBytes != 0) return keys;
  for (; !text.empty(); text.remove_prefix(tls::TicketKey::kBytes))
    if (auto key = tls::TicketKey::from_bytes(text.substr(0, tls::TicketKey::kBytes))) keys.push_back(*key);
  return keys;
}

}  // namespace fairlead::gateway
