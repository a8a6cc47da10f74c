// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "fairlead/base/result.hpp"
#include "gateway/arguments.hpp"

namespace fairlead::gateway {

/// The edge daemon: owns every part and joins them; no logic of its own beyond their order.
/// Owner: main(). Thread: main.
class Gateway {
 public:
  /// Listens, starts the workers and prints `ready`.
  static Result<std::unique_ptr<Gateway>> start(Arguments arguments);
  ~Gateway();

  /// Until SIGTERM or SIGINT, and what was under way then is over; a second signal does not wait for that.
  void run();

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace fairlead::gateway
