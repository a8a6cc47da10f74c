// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace fairlead::bench {

inline double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

enum class Goal { kAtMost, kAtLeast };

/// Prints figures as they come, as lines for people or (--json) all as one JSON object at the end.
/// Owner: main(). Thread: one.
class Figures {
 public:
  explicit Figures(bool json) : json_(json) {
    utsname system{};
    uname(&system);
    const std::time_t now = std::time(nullptr);
    tm utc{};
    gmtime_r(&now, &utc);
    char date[16] = {};
    std::strftime(date, sizeof date, "%F", &utc);
    object_ = {{"kernel", system.release},
               {"cores", std::thread::hardware_concurrency()},
               {"date", date},
               {"figures", nlohmann::ordered_json::array()}};
    if (!json_) std::printf("kernel %s, %u cores, %s\n", system.release, std::thread::hardware_concurrency(), date);
  }
  Figures(const Figures&) = delete;
  Figures& operator=(const Figures&) = delete;
  ~Figures() {
    if (json_) std::printf("%s\n", object_.dump(2).c_str());
  }

  /// Something that could not be measured, and why.
  void lack(std::string_view name, std::string_view why) {
    object_["figures"].push_back({{"name", name}, {"lacking", why}});
    if (!json_)
      std::printf("%-72.*s lacking: %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(why.size()),
                  why.data());
  }
  /// What is for people alone goes to standard error, so that --json stays one object.
  [[nodiscard]] std::FILE* aside() const { return json_ ? stderr : stdout; }

  /// goal: below zero: there is none.
  void add(std::string_view name, double value, std::string_view unit, double goal = -1, Goal kind = Goal::kAtMost) {
    const bool met = kind == Goal::kAtMost ? value <= goal : value >= goal;
    const char* sign = kind == Goal::kAtMost ? "<=" : ">=";
    auto& figure = object_["figures"].emplace_back();
    figure = {{"name", name}, {"value", value}, {"unit", unit}};
    if (goal >= 0) figure.update({{"goal", goal}, {"sign", sign}, {"met", met}});
    if (json_) return;
    std::printf("%-72.*s %9.2f %.*s", static_cast<int>(name.size()), name.data(), value, static_cast<int>(unit.size()),
                unit.data());
    if (goal >= 0) std::printf(" (to reach: %s %g)%s", sign, goal, met ? "" : " MISSED");
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  bool json_;
  nlohmann::ordered_json object_;
};

}  // namespace fairlead::bench
