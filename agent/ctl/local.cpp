// SPDX-License-Identifier: Apache-2.0
// The commands that need no agent.
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/admin/meeting.hpp"
#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"
#include "agent/kernel/leaving.hpp"
#include "agent/kernel/links.hpp"
#include "agent/kernel/pins.hpp"
#include "fairlead/abi/names.h"
#include "fairlead/config/report.hpp"
#include "fairlead/kong/convert.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;

/// Gives how many ends of connections hold redirected bytes that their readers have not taken.
Result<std::size_t> remove_all(const std::string& pin_dir, const std::string& run_dir, const std::string& socket) {
  if (admin::Client(socket).get("/v1/status"))
    return fail("an agent runs (it answers on " + socket + "): end it first");
  FL_TRY(const auto lock, kernel::lock_pins(pin_dir, run_dir, false));
  FL_TRY(const auto unread, kernel::drain_redirection(pin_dir, kernel::kDrainLimit));
  FL_CHECK(kernel::uninstall(pin_dir));
  FL_CHECK(kernel::remove_socket(socket));
  FL_CHECK(kernel::remove_lock(pin_dir, run_dir));
  return unread;
}

}  // namespace

int run_check(const Arguments& arguments) {
  const auto& path = arguments.positionals[0];
  const auto checked = admin::check(path);
  if (!checked) {
    std::cerr << "fairctl: " << checked.error().message << "\n";
    return kFailed;
  }
  const int status = checked->refused == 0 ? kDone : kFailed;
  if (arguments.json) {
    std::cout << checked->json() << "\n";
    return status;
  }
  for (const auto& found : checked->update.diagnostics)
    std::cout << paint(found.text(), found.severity == config::Severity::kError ? Colour::kRed : Colour::kYellow)
              << "\n";
  std::cout << checked->summary(path) << "\n";
  return status;
}

int run_convert(const Arguments& arguments) {
  if (arguments.positionals[0] != "kong") {
    std::cerr << "fairctl: convert: found format " << arguments.positionals[0] << ", expected kong\n";
    return kUsage;
  }
  kong::Options options;
  options.allow_partial = arguments.has("allow-partial");
  options.objects_only = true;
  const auto converted = kong::convert_file(arguments.positionals[1], options);
  if (!converted) {
    std::cerr << "fairctl: " << converted.error().message << "\n";
    return kFailed;
  }
  for (const auto& found : converted->diagnostics) std::cerr << found.text() << "\n";
  std::cout << converted->yaml;
  return converted->refused == 0 ? kDone : kFailed;
}

int run_uninstall(const Arguments& arguments) {
  const auto pins = arguments.get("pin-dir", FL_PIN_DIR);
  const auto removed = remove_all(pins, arguments.get("run-dir", "/run/fairlead"), arguments.socket);
  if (!removed) {
    std::cerr << "fairctl: " << removed.error().message << "\n";
    return removed.error().code == EACCES || removed.error().code == EPERM ? kForbidden : kFailed;
  }
  if (arguments.json) std::cout << Json{{"removed", pins}, {"unread_ends", *removed}}.dump(2) << "\n";
  else std::cout << "removed " << pins << "\n";
  if (*removed != 0 && !arguments.json)
    std::cout << *removed << " ends of connections hold redirected bytes that their readers have not taken: nothing is "
              << "lost, but a program stays with each until it is closed\n";
  return kDone;
}

}  // namespace fairlead::ctl
