// SPDX-License-Identifier: Apache-2.0
#include "gateway/session_packet.hpp"

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "fairlead/base/ascii.hpp"

namespace fairlead::gateway {
namespace {

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]), low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

/// A sockaddr of IPv4 or IPv6.
bool set_address(net::SocketAddress& address, std::string_view bytes) {
  if (bytes.size() != sizeof(sockaddr_in) && bytes.size() != sizeof(sockaddr_in6)) return false;
  std::memcpy(address.get_mutable(), bytes.data(), bytes.size());
  *address.length_mutable() = static_cast<socklen_t>(bytes.size());
  return address.family() == (bytes.size() == sizeof(sockaddr_in) ? AF_INET : AF_INET6);
}

}  // namespace

std::string session_packet(const proxy::DatagramSession& session) {
  const std::string_view client(reinterpret_cast<const char*>(session.client.get()), session.client.length());
  return nlohmann::json{{"port", session.port},
                        {"client", to_hex(client)},
                        {"control", to_hex(session.control)},
                        {"cluster", session.cluster},
                        {"address", session.backend.address.text()},
                        {"backendPort", session.backend.port},
                        {"hostname", session.backend.hostname},
                        {"silentMs", session.silent_ms},
                        {"answered", session.answered}}
      .dump();
}

Result<proxy::DatagramSession> read_session_packet(std::string_view text) {
  const auto bad = [&] {
    return fail("the other gateway: found \"" + std::string(text) + "\", expected a UDP session");
  };
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return bad();
  try {
    proxy::DatagramSession session;
    const auto client = from_hex(json.at("client").get<std::string>());
    auto control = from_hex(json.at("control").get<std::string>());
    const auto address = Address::parse(json.at("address").get<std::string>());
    if (!client || !control || !address || !set_address(session.client, *client)) return bad();
    json.at("port").get_to(session.port);
    session.control = std::move(*control);
    json.at("cluster").get_to(session.cluster);
    session.backend.address = *address;
    json.at("backendPort").get_to(session.backend.port);
    json.at("hostname").get_to(session.backend.hostname);
    json.at("silentMs").get_to(session.silent_ms);
    json.at("answered").get_to(session.answered);
    return session;
  } catch (const nlohmann::json::exception&) {
    return bad();
  }
}

}  // namespace fairlead::gateway
