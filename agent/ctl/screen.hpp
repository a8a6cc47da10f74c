// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>

namespace fairlead::ctl {

/// The terminal gives single keys, and its screen is kept aside, while this lives.
class Screen {
 public:
  Screen() {
    keys_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
    termios raw = before_;
    raw.c_lflag &= static_cast<tcflag_t>(~(ICANON | ECHO | ISIG));
    if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    std::cout << "\033[?1049h\033[?25l";
  }
  ~Screen() {
    std::cout << "\033[?25h\033[?1049l" << std::flush;
    if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] static std::size_t lines() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4 ? size.ws_row - 3U : 20;
  }

  [[nodiscard]] static std::size_t columns() {
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
  }

 private:
  termios before_{};
  bool keys_ = false;
};

/// Waits for a key; 0: none came.
inline char key_within(double seconds) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char key = 0;
  if (::poll(&input, 1, static_cast<int>(seconds * 1000)) == 1 && ::read(STDIN_FILENO, &key, 1) != 1) key = 'q';
  return key;
}

}  // namespace fairlead::ctl
