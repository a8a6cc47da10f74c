// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "fairlead/base/result.hpp"

namespace fairlead::admin {

/// Asks a daemon over its unix socket.
/// Owner: the command. Thread: one.
class Client {
 public:
  explicit Client(std::string socket) : socket_(std::move(socket)) {}

  /// The body of a 200; else an error that says what is wrong: not running (ENOENT, ECONNREFUSED), no permission
  /// (EACCES), or what the daemon answered (code 0).
  [[nodiscard]] Result<std::string> get(const std::string& path) const;
  /// The same for what changes something.
  [[nodiscard]] Result<std::string> post(const std::string& path) const;
  /// Hands over pieces as they come, until the daemon ends, or `take` gives false.
  [[nodiscard]] Result<> follow(const std::string& path, const std::function<bool(std::string_view piece)>& take) const;

 private:
  [[nodiscard]] Result<> reachable() const;
  [[nodiscard]] Result<std::string> ask(const std::string& path, bool post) const;
  std::string socket_;
};

}  // namespace fairlead::admin
