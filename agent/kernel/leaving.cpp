// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/leaving.hpp"

#include <bpf/bpf.h>

#include <cerrno>
#include <thread>

#include "agent/kernel/layout.hpp"
#include "agent/kernel/replaced.hpp"
#include "fairlead/abi/flow.h"
#include "fairlead/abi/settings.h"

namespace fairlead::kernel {
namespace {

using namespace std::chrono_literals;

constexpr const char* kWalker = "link_fl_redir_join";
constexpr const char* kRetired = "link_fl_redir_left_";  // and the number of the link
constexpr auto kBetweenWalks = 50ms;

/// In all maps of that name which are in use, whatever their version; one that never knew of redirection has none.
Result<> stop_redirection(const PinDirectory& pins) {
  for (const auto& settings : maps_in_use(pins, "fl_settings"))
    if (const auto written = write_member(settings.get(), "redirect", FL_REDIRECT_OFF);
        !written && written.error().code != ENOENT)
      return written;
  return {};
}

/// The number of the link; 0 where the name leads to nothing, or to something else than a walker.
std::uint32_t walker_at(const PinDirectory& pins, const std::string& name) {
  const Fd link = pins.open(name);
  bpf_link_info info{};
  std::uint32_t length = sizeof info;
  if (!link || bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0) return 0;
  return info.type == BPF_LINK_TYPE_ITER ? info.id : 0;
}

Result<std::size_t> walk_pinned(const PinDirectory& pins, const std::string& name) {
  if (walker_at(pins, name) == 0) return 0U;
  FL_TRY(const auto walker, Walk::of_link(pins.open(name)));
  return walk_redirected(walker);
}

}  // namespace

Result<std::size_t> walk_redirected(const Walk& walker) {
  std::size_t bytes = 0;
  FL_CHECK(walker.run([&](std::span<const std::byte> piece) { bytes += piece.size(); }));
  return bytes / sizeof(fl_swept);
}

Result<> pin_walker(const PinDirectory& pins, const Walk& walker) { return pins.pin(walker.link(), kWalker); }

Result<> retire_redirection(const PinDirectory& pins) {
  const auto number = walker_at(pins, kWalker);
  if (number == 0) return pins.remove(kWalker);
  FL_CHECK(stop_redirection(pins));
  FL_CHECK(pins.pin(pins.open(kWalker).get(), kRetired + std::to_string(number)));
  return pins.remove(kWalker);
}

Result<std::size_t> walk_retired(const PinDirectory& pins) {
  std::size_t sum = 0;
  for (const auto& name : pins.names()) {
    if (!name.starts_with(kRetired)) continue;
    FL_TRY(const auto left, walk_pinned(pins, name));
    if (left == 0) FL_CHECK(pins.remove(name));
    sum += left;
  }
  return sum;
}

Result<std::size_t> drain_redirection(const std::string& pin_dir, std::chrono::milliseconds limit) {
  const auto pins = PinDirectory::at(pin_dir);
  FL_CHECK(stop_redirection(pins));
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    FL_TRY(auto left, walk_pinned(pins, kWalker));
    FL_TRY(const auto retired, walk_retired(pins));
    left += retired;
    if (left == 0 || std::chrono::steady_clock::now() >= end) return left;
    std::this_thread::sleep_for(kBetweenWalks);
  }
}

}  // namespace fairlead::kernel
