// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fairlead/base/fd.hpp"

namespace fairlead::telemetry::test {

/// A protobuf message taken apart by its wire format alone: field number to its values in order; varints and fixed
/// numbers as decimal text.
using Message = std::multimap<std::uint32_t, std::string>;

inline std::uint64_t varint(std::string_view& in) {
  std::uint64_t value = 0;
  for (int shift = 0; !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
  ADD_FAILURE() << "a varint without an end";
  return 0;
}

inline Message decode(std::string_view in) {
  Message message;
  while (!in.empty()) {
    const auto tag = varint(in);
    const auto field = static_cast<std::uint32_t>(tag >> 3);
    std::size_t size = 0;
    switch (tag & 7) {
      case 0: message.emplace(field, std::to_string(varint(in))); continue;
      case 1: size = 8; break;
      case 2: size = varint(in); break;
      case 5: size = 4; break;
      default: ADD_FAILURE() << "wire type " << (tag & 7); return message;
    }
    if (size > in.size()) {
      ADD_FAILURE() << "field " << field << " goes over the end";
      return message;
    }
    const auto bytes = in.substr(0, size);
    in.remove_prefix(size);
    if ((tag & 7) == 2) {
      message.emplace(field, bytes);
      continue;
    }
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    message.emplace(field, std::to_string(value));
  }
  return message;
}

inline std::string one(const Message& message, std::uint32_t field) {
  const auto found = message.find(field);
  return found == message.end() ? "(missing)" : found->second;
}

/// Attributes of a span or resource: key to value as text.
inline std::map<std::string, std::string> attributes(const Message& message, std::uint32_t field) {
  std::map<std::string, std::string> result;
  const auto [first, last] = message.equal_range(field);
  for (auto it = first; it != last; ++it) {
    const auto pair = decode(it->second);
    const auto any = decode(one(pair, 2));
    result[one(pair, 1)] = any.empty() ? "(empty)" : any.begin()->second;
  }
  return result;
}

/// An HTTP server that answers each POST with the next status of its script, the last one for ever, and keeps the
/// bodies.
class Collector {
 public:
  explicit Collector(std::vector<int> script, std::string body = {})
      : script_(std::move(script)), body_(std::move(body)) {
    listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Collector() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  [[nodiscard]] std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces"; }
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Heads of the requests.
  [[nodiscard]] std::vector<std::string> heads() const {
    const std::lock_guard lock(mutex_);
    return heads_;
  }

 private:
  void run() {
    for (std::size_t answered = 0;; ++answered) {
      const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) return;
      const auto status = script_[std::min(answered, script_.size() - 1)];
      serve(client.get(), status);
    }
  }
  void serve(int client, int status) {
    std::string got;
    std::size_t head_end = std::string::npos;
    std::size_t length = 0;
    char buffer[65536];
    while (head_end == std::string::npos || got.size() < head_end + 4 + length) {
      const auto n = ::recv(client, buffer, sizeof buffer, 0);
      if (n <= 0) return;
      got.append(buffer, static_cast<std::size_t>(n));
      if (head_end != std::string::npos) continue;
      head_end = got.find("\r\n\r\n");
      const auto at = got.find("Content-Length: ");
      if (head_end != std::string::npos && at != std::string::npos) length = std::stoul(got.substr(at + 16));
    }
    {
      const std::lock_guard lock(mutex_);
      heads_.push_back(got.substr(0, head_end));
      requests_.push_back(got.substr(head_end + 4));
    }
    if (status == 0) {  // no answer at all, until the client gives up
      ::recv(client, buffer, sizeof buffer, 0);
      return;
    }
    const auto body = status == 200 ? body_ : std::string();
    const auto answer = "HTTP/1.1 " + std::to_string(status) +
                        " X\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
  }

  const std::vector<int> script_;
  const std::string body_;
  Fd listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::string> heads_;
  std::thread thread_;
};

}  // namespace fairlead::telemetry::test
