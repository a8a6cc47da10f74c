// SPDX-License-Identifier: Apache-2.0
// fairctl: asks the agent and shows its answers.
#include <sys/ioctl.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"
#include "fairlead/base/standard_output.hpp"

int main(int count, char** arguments) {
  try {
    winsize size{};
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    fairlead::ctl::choose_colours(terminal);
    if (terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) fairlead::ctl::choose_width(size.ws_col);
    const int status = fairlead::ctl::run(std::vector<std::string>(arguments + 1, arguments + count));
    const auto written = fairlead::flush_standard_output();
    if (written) return status;
    std::cerr << "fairctl: " << written.error().message << "\n";
    return fairlead::ctl::kFailed;
  } catch (const nlohmann::json::exception& error) {
    std::cerr << "fairctl: the answer is not what fairctl " << FAIRLEAD_VERSION
              << " knows: the daemon is of another version, or not the one that was meant (" << error.what() << ")\n";
    return fairlead::ctl::kFailed;
  } catch (const std::exception& error) {  // nlohmann::json and the standard library throw
    std::cerr << "fairctl: " << error.what() << "\n";
    return fairlead::ctl::kFailed;
  }
}
