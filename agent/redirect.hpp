// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/kernel/skeleton.hpp"
#include "agent/kernel/walk.hpp"
#include "fairlead/abi/settings.h"
#include "fairlead/base/result.hpp"
#include "fairlead/event/loop.hpp"

struct ring_buffer;

namespace fairlead::agent {

/// Same-node redirection: attaches its programs while some workload wants it, adds sockets to the sockhash when the
/// programs say that a connection is ready, and takes them out again (bpf/lib/redirect.h decides everything else).
/// Owner: Agent. Thread: main.
class Redirect {
 public:
  static Result<std::unique_ptr<Redirect>> open(kernel::Datapath& datapath, event::Loop& loop, fl_redirect_mode mode,
                                                const std::vector<std::string>& known_programs);
  ~Redirect();
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

  /// How many addresses have opted in: with none, and unless everything is redirected, the programs are detached.
  /// changed: some address opted in or out; connections of those that opted out go back to TCP.
  Result<> follow(std::size_t opted_in, bool changed);
  /// Why this kernel cannot; empty: it can.
  [[nodiscard]] const std::string& lacking() const { return lacking_; }
  [[nodiscard]] bool active() const { return active_; }

 private:
  Redirect(kernel::Datapath& datapath, event::Loop& loop, fl_redirect_mode mode)
      : datapath_(datapath), loop_(loop), mode_(mode), pause_(kShortPause) {}
  static constexpr std::chrono::milliseconds kShortPause{50};
  Result<> prepare();
  Result<> attach();
  Result<> detach();
  [[nodiscard]] Result<> name_programs(const std::vector<std::string>& names) const;
  Result<> watch_wishes();
  void tell_lacking() const;
  [[nodiscard]] std::string why_not(const char* program) const;
  Result<> guard();
  void walk_soon(std::chrono::milliseconds delay);
  void walk();

  kernel::Datapath& datapath_;
  event::Loop& loop_;
  fl_redirect_mode mode_;
  bool active_ = false;
  bool known_ = false;  // whether active_ says what is attached
  bool walk_due_ = false;
  std::chrono::nanoseconds walk_took_{};  // of CPU, the last one
  std::chrono::milliseconds pause_;  // before a walk for those that could not leave yet
  std::string lacking_;
  std::vector<std::string> readers_;  // programs that see recv calls on this kernel
  std::optional<kernel::Walk> walker_;
  ring_buffer* wishes_ = nullptr;
};

}  // namespace fairlead::agent
