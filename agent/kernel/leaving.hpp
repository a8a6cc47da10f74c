// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "agent/kernel/pins.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/base/result.hpp"

// A socket in the sockhash holds what was redirected to it until that is read, so it leaves only then, by walks of a
// program (bpf/lib/redirect_walk.h). The program's link is pinned beside the maps, so that walks can go on when its
// agent is gone: for an uninstall, and for an agent of another version.
namespace fairlead::kernel {

/// Ends that need another walk: they are on their way out.
Result<std::size_t> walk_redirected(const Walk& walker);

/// Keeps the walker for an agent that comes later.
Result<> pin_walker(const PinDirectory& pins, const Walk& walker);

/// Where maps of another version are about to be replaced: their programs redirect nothing from here on, and their
/// walker goes on under another name.
Result<> retire_redirection(const PinDirectory& pins);

/// One walk of the walkers that were retired; those that have nothing left are removed. Gives what is left.
Result<std::size_t> walk_retired(const PinDirectory& pins);

/// What an uninstall waits for readers.
constexpr std::chrono::milliseconds kDrainLimit{5000};

/// For an uninstall: stops redirection and waits until all that was redirected is read. Gives how many ends still hold
/// unread bytes after the limit; those lose nothing, but keep a program until they are closed.
Result<std::size_t> drain_redirection(const std::string& pin_dir, std::chrono::milliseconds limit);

}  // namespace fairlead::kernel
