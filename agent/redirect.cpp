// SPDX-License-Identifier: Apache-2.0
#include "agent/redirect.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "agent/kernel/leaving.hpp"
#include "fairlead/abi/redirect.h"

namespace fairlead::agent {
namespace {

using namespace std::chrono_literals;

// Connections that become ready together are added by one walk.
constexpr auto kWishDelay = 10ms;
// After a long walk there is a rest of so many times what it took beyond this: by namespace each passes all of the
// machine's connections once for each namespace. Short ones need none, and connections that live for a tenth of a
// second are not left out.
constexpr int kWalkShare = 2;
constexpr auto kShortWalk = 25ms;
// A reader may take its time; a walk passes every connection that may be redirected.
constexpr auto kLongPause = 500ms;

/// Of this thread.
std::chrono::nanoseconds cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

constexpr const char* kOption = "fl_redir_option";
constexpr const char* kJoin = "fl_redir_join";
constexpr const char* kSplice = "fl_redir_splice";
constexpr const char* kNoSplice = "fl_redir_nosplice";
constexpr const char* kUrgent = "fl_redir_urgent";
constexpr const char* kInq[] = {"fl_redir_inq4", "fl_redir_inq6"};

int ignore_wish(void*, void*, std::size_t) { return 0; }

}  // namespace

Redirect::~Redirect() {
  if (wishes_ == nullptr) return;
  loop_.unwatch(ring_buffer__epoll_fd(wishes_));
  ring_buffer__free(wishes_);
}

Result<std::unique_ptr<Redirect>> Redirect::open(kernel::Datapath& datapath, event::Loop& loop, fl_redirect_mode mode,
                                                 const std::vector<std::string>& known_programs) {
  std::unique_ptr<Redirect> self(new Redirect(datapath, loop, mode));
  FL_CHECK(self->prepare());
  FL_CHECK(self->name_programs(known_programs));
  if (mode != FL_REDIRECT_OFF) self->tell_lacking();
  return self;
}

std::string Redirect::why_not(const char* program) const {
  for (const auto& feature : datapath_.features())
    if (feature.name == program && !feature.available) return feature.reason;
  return "it is not there";
}

/// One line for each thing that is lacking: what, why, and what happens instead.
void Redirect::tell_lacking() const {
  if (!lacking_.empty()) {
    spdlog::warn("no redirection on this kernel: {}; everything goes by TCP", lacking_);
    return;
  }
  if (datapath_.program(kNoSplice) >= 0) return;
  if (mode_ == FL_REDIRECT_ALL)
    spdlog::warn(
        "readers that splice cannot be seen on this kernel ({}): only programs of redirect-programs are redirected",
        why_not(kNoSplice));
  else
    spdlog::info("readers that splice cannot be seen on this kernel ({}): to opt a workload in says that it has none",
                 why_not(kNoSplice));
}

Result<> Redirect::prepare() {
  if (datapath_.program("fl_redir_recv") >= 0) readers_ = {"fl_redir_recv"};
  else if (datapath_.program("fl_redir_recv4") >= 0 && datapath_.program("fl_redir_recv6") >= 0)
    readers_ = {"fl_redir_recv4", "fl_redir_recv6"};
  FL_TRY(walker_, kernel::Walk::open_if_taken(datapath_.loaded(), kJoin, "fl_redirs"));
  const auto lack = [this](const char* program) {
    if (lacking_.empty()) lacking_ = std::string("it does not take ") + program + ": " + why_not(program);
  };
  for (const char* program : {"fl_redir_msg", kOption})
    if (datapath_.program(program) < 0) lack(program);
  if (!walker_) lack(kJoin);
  if (lacking_.empty() && readers_.empty())
    lacking_ = "it has no tracepoint sock_recv_length, and fl_redir_recv4: " + why_not("fl_redir_recv4");
  if (!lacking_.empty()) {
    walker_.reset();
    return {};
  }
  FL_CHECK(kernel::pin_walker(datapath_.pins(), *walker_));
  if (mode_ == FL_REDIRECT_OFF) return {};
  FL_TRY(const Fd socks, datapath_.map("fl_redir_socks"));
  if (bpf_prog_attach(datapath_.program("fl_redir_msg"), socks.get(), BPF_SK_MSG_VERDICT, 0) != 0)
    return fail(system_error("attaching fl_redir_msg to fl_redir_socks", errno));
  return watch_wishes();
}

Result<> Redirect::watch_wishes() {
  FL_TRY(const Fd wishes, datapath_.map("fl_redir_wishes"));
  wishes_ = ring_buffer__new(wishes.get(), ignore_wish, nullptr, nullptr);
  if (wishes_ == nullptr) return fail(system_error("reading fl_redir_wishes", errno));
  return loop_.watch(ring_buffer__epoll_fd(wishes_), EPOLLIN, [this](std::uint32_t) {
    ring_buffer__consume(wishes_);
    pause_ = kShortPause;
    walk_soon(kWishDelay);
  });
}

Result<> Redirect::name_programs(const std::vector<std::string>& names) const {
  FL_TRY(const Fd comms, datapath_.map("fl_redir_comms"));
  for (const auto& name : names) {
    char key[16] = {};
    name.copy(key, sizeof key - 1);
    const std::uint32_t value = FL_REDIR_PROGRAM_KNOWN;
    if (bpf_map_update_elem(comms.get(), key, &value, BPF_ANY) != 0)
      return fail(system_error("naming program " + name, errno));
  }
  return {};
}

Result<> Redirect::follow(std::size_t opted_in, bool changed) {
  const bool wanted =
      lacking_.empty() && (mode_ == FL_REDIRECT_ALL || (mode_ == FL_REDIRECT_OPTED_IN && opted_in != 0));
  if (changed && active_) walk_soon(0ms);
  if (known_ && wanted == active_) return {};
  pause_ = kShortPause;
  // At the start too: an earlier agent may have left its programs.
  FL_CHECK(wanted ? attach() : detach());
  const bool switched = wanted != active_;
  active_ = wanted;
  known_ = true;
  walk();  // what became ready, or was on its way out, while no agent ran
  if (switched) spdlog::info("same-node redirection is {}", wanted ? "on" : "off");
  return {};
}

Result<> Redirect::attach() {
  FL_CHECK(datapath_.attach_program(kOption));
  for (const auto& reader : readers_) FL_CHECK(datapath_.attach_tracing(reader));
  FL_CHECK(guard());
  datapath_.settings().redirect = mode_;
  return {};
}

/// What looks after readers that redirection would mislead. Where it cannot be attached, a reader that splices is
/// recognized by what it did before (abi/redirect.h).
Result<> Redirect::guard() {
  if (datapath_.program(kSplice) >= 0) FL_CHECK(datapath_.attach_tracing(kSplice));
  std::uint32_t lacking = 0;
  if (!datapath_.attach_tracing(kNoSplice)) lacking |= FL_REDIRECT_SPLICE_UNSEEN;
  if (!datapath_.attach_tracing(kUrgent)) lacking |= FL_REDIRECT_URGENT_TAKEN;
  for (const char* program : kInq)
    if (!datapath_.attach_tracing(program)) lacking |= FL_REDIRECT_INQ_WRONG;
  datapath_.settings().redirect_unguarded = lacking;
  return {};
}

Result<> Redirect::detach() {
  // First of all no message is redirected any more; what was, is read as before.
  datapath_.settings().redirect = FL_REDIRECT_OFF;
  for (const char* program :
       {kOption, kSplice, kNoSplice, kUrgent, kInq[0], kInq[1], "fl_redir_recv", "fl_redir_recv4", "fl_redir_recv6"})
    FL_CHECK(datapath_.detach_program(program));
  return {};
}

void Redirect::walk_soon(std::chrono::milliseconds delay) {
  if (walk_due_) return;
  walk_due_ = true;
  loop_.after(std::max<event::Loop::Clock::duration>(delay, kWalkShare * (walk_took_ - kShortWalk)), [this] {
    walk_due_ = false;
    walk();
  });
}

void Redirect::walk() {
  const auto begin = cpu_time();
  std::size_t left = 0;
  const auto add = [&](const Result<std::size_t>& walked) {
    if (walked) left += *walked;
    else spdlog::error("walking over the sockets of redirection: {}", walked.error().message);
  };
  // The first walk finds which ends are fit, the second adds pairs of fit ones.
  if (walker_ && active_) add(kernel::walk_redirected(*walker_));
  left = 0;
  if (walker_) add(kernel::walk_redirected(*walker_));
  add(kernel::walk_retired(datapath_.pins()));
  walk_took_ = cpu_time() - begin;
  if (left == 0) return;
  walk_soon(pause_);
  pause_ = std::min<std::chrono::milliseconds>(pause_ * 2, kLongPause);
}

}  // namespace fairlead::agent
