// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/model/cluster.hpp"

namespace fairlead::config {

/// Since when conditions have been what they are (metav1.Condition.lastTransitionTime). What nothing has touched since
/// the first update has no entry: it stands since then.
/// Owner: GatewayState. Thread: its.
class Transitions {
 public:
  /// One condition: where it stands within its object (a listener, a parent; empty: the object itself) with its type,
  /// in short, and whether it is true.
  struct Seen {
    std::uint32_t id = 0;
    bool status = false;
    bool operator==(const Seen&) const = default;
  };
  using All = std::vector<Seen>;
  [[nodiscard]] static std::uint32_t id_of(std::string_view place, std::string_view type);

  /// The time of the first update, seconds since 1970; 0 before.
  [[nodiscard]] std::int64_t start() const { return start_; }
  void begin(std::int64_t now) { start_ = now; }

  /// The object's conditions are `after` now. `before`: what they were, where no earlier call told; null: it is new.
  void note(const model::ObjectKey& key, const All* before, const All& after, std::int64_t now);
  void forget(const model::ObjectKey& key) { objects_.erase(key); }

  [[nodiscard]] std::int64_t since(const model::ObjectKey& key, std::uint32_t id) const;

 private:
  struct Entry {
    Seen seen;
    std::int64_t since = 0;
  };
  std::int64_t start_ = 0;
  std::map<model::ObjectKey, std::vector<Entry>> objects_;
};

/// "2026-11-28T15:04:05Z" (RFC 3339).
[[nodiscard]] std::string time_text(std::int64_t seconds);

}  // namespace fairlead::config
