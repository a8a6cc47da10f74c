// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/date.hpp"

#include <array>
#include <ctime>

namespace fairlead::http {

std::string_view date_now() {
  static thread_local std::array<char, 32> text;
  static thread_local std::size_t size = 0;
  static thread_local std::time_t of = -1;
  timespec now{};
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != of) {
    tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    of = now.tv_sec;
  }
  return {text.data(), size};
}

}  // namespace fairlead::http
