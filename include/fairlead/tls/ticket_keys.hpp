// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"

namespace fairlead::tls {

/// What seals session tickets (RFC 5077 section 4): AES-256-CBC, then HMAC-SHA-256. Wiped when it goes.
struct TicketKey {
  static constexpr std::size_t kBytes = 80;

  std::array<std::uint8_t, 16> name{};  ///< stands in the ticket in clear
  std::array<std::uint8_t, 32> hmac{};
  std::array<std::uint8_t, 32> aes{};

  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();

  static Result<TicketKey> random();
  /// From name, HMAC key and AES key behind each other, as nginx' 80-byte ticket key files have them.
  static Result<TicketKey> from_bytes(std::string_view bytes);
  void append_to(std::string& bytes) const;  ///< the same
};

/// The ticket keys of a gateway: the first seals, the others still open (and such a ticket is renewed). Shared by all
/// workers and by successive ServerContexts, so that resumption survives a change of certificates; what keys() gives
/// may be set in another process, which then resumes the same sessions. Owner: shared. Thread: any.
class TicketKeys {
 public:
  struct Options {
    std::chrono::seconds interval = std::chrono::hours(1);  ///< between rotations
    std::size_t previous = 2;  ///< old keys kept: a ticket is good for at least interval * previous
  };
  struct Opened {
    TicketKey key;
    bool current = false;
  };

  static Result<std::shared_ptr<TicketKeys>> create(Options options, std::chrono::steady_clock::time_point now);

  /// Keys from outside, the one to seal with first; at least one. rotate_if_due() then does nothing.
  Result<> set(std::vector<TicketKey> keys);
  /// A predecessor's, its own first: they seal from now on and rotate as ours did, which still open.
  Result<> inherit(std::vector<TicketKey> keys, std::chrono::steady_clock::time_point now);
  [[nodiscard]] std::vector<TicketKey> keys() const;

  Result<> rotate(std::chrono::steady_clock::time_point now);
  /// For a timer of the main thread; true where keys were rotated.
  Result<bool> rotate_if_due(std::chrono::steady_clock::time_point now);

  [[nodiscard]] TicketKey current() const;
  [[nodiscard]] std::optional<Opened> find(std::span<const std::uint8_t, 16> name) const;
  /// How long a ticket may be used: interval * previous, but an hour at least.
  [[nodiscard]] std::chrono::seconds lifetime() const;

 private:
  explicit TicketKeys(Options options) : options_(options) {}

  const Options options_;
  mutable std::mutex mutex_;  // held for the copy of a key: once a handshake
  std::vector<TicketKey> keys_;
  std::chrono::steady_clock::time_point rotated_;
  bool from_outside_ = false;
};

}  // namespace fairlead::tls
