// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fairlead::gateway {

/// What the configuration asks for and the gateway does not serve, by who asks: "HTTPRoute default/web". Each is logged
/// once, as a warning, for as long as it stands.
/// Owner: ConfigPlan. Thread: main.
class Remarks {
 public:
  using Texts = std::vector<std::string>;

  /// `quiet`: nothing is logged.
  explicit Remarks(bool quiet = false) : quiet_(quiet) {}

  /// All that is to be said of `subject` now.
  void set(const std::string& subject, Texts texts);
  void forget(const std::string& subject) { all_.erase(subject); }
  /// The end of an update: what was forgotten and not said again may be logged anew from now on.
  void settle();
  [[nodiscard]] const std::map<std::string, Texts>& all() const { return all_; }

 private:
  std::map<std::string, Texts> all_;
  std::set<std::pair<std::string, std::string>> told_;
  bool quiet_;
};

}  // namespace fairlead::gateway
