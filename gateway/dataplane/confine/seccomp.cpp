// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "fairlead/confine/confine.hpp"

namespace fairlead::confine {
namespace {

struct FilterDeleter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, FilterDeleter>;

constexpr const char* kFiles[] = {
    "access",     "chmod",      "close",     "close_range", "dup",        "dup2",      "dup3",    "faccessat",
    "faccessat2", "fallocate",  "fchmod",    "fchmodat",    "fcntl",      "fdatasync", "flock",   "fstat",
    "fstatfs",    "fsync",      "ftruncate", "getcwd",      "getdents64", "lseek",     "lstat",   "mkdir",
    "mkdirat",    "newfstatat", "open",      "openat",      "openat2",    "pipe2",     "pread64", "preadv",
    "pwrite64",   "pwritev",    "read",      "readlink",    "readlinkat", "readv",     "rename",  "renameat",
    "renameat2",  "rmdir",      "sendfile",  "stat",        "statfs",     "statx",     "umask",   "unlink",
    "unlinkat",   "write",      "writev",
};
constexpr const char* kWaiting[] = {
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "gettimeofday",
    "inotify_add_watch",
    "inotify_init1",
    "inotify_rm_watch",
    "nanosleep",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "signalfd4",
    "time",
    "timerfd_create",
    "timerfd_settime",
};
constexpr const char* kSockets[] = {
    "accept",   "accept4", "bind",     "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
    "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto",      "setsockopt",  "shutdown",   "socket", "socketpair",
};
constexpr const char* kProcess[] = {
    "brk",
    "capget",
    "exit",
    "exit_group",
    "futex",
    "getcpu",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getppid",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrusage",
    "gettid",
    "getuid",
    "madvise",
    "membarrier",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "sysinfo",
    "tgkill",
    "uname",
};
Result<> allow(const Filter& filter, const char* name, std::initializer_list<scmp_arg_cmp> conditions = {}) {
  const int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return {};  // older libseccomp: the call is then refused, and libc does without
  const int error = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number,
                                           static_cast<unsigned>(conditions.size()), conditions.begin());
  if (error != 0) return fail(system_error(std::string("allowing ") + name, -error));
  return {};
}

scmp_arg_cmp argument_is(unsigned index, std::uint64_t value) {
  return {.arg = index, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}
scmp_arg_cmp argument_has(unsigned index, std::uint64_t bits) {
  return {.arg = index, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = bits};
}

Result<> allow_parts(const Filter& filter, const Needs& needs) {
  if (needs.enters_network_namespaces) FL_CHECK(allow(filter, "setns", {argument_is(1, CLONE_NEWNET)}));
  FL_CHECK(allow(filter, "clone", {argument_has(0, CLONE_THREAD)}));  // threads, no processes
  for (const std::uint64_t request :
       {TCGETS + 0UL, FIONREAD + 0UL, FIONBIO + 0UL})  // libc asks whether stderr is a terminal
    FL_CHECK(allow(filter, "ioctl", {argument_is(1, request)}));
  for (const std::uint64_t option : {PR_SET_NAME + 0UL, PR_GET_NAME + 0UL})
    FL_CHECK(allow(filter, "prctl", {argument_is(0, option)}));
  // Its flags are behind a pointer, where no filter can look; libc takes clone() instead.
  const int error = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (error != 0) return fail(system_error("refusing clone3", -error));
  return {};
}

constexpr std::size_t kProgramLength = 16;
const char* program = "";  // written once, before the filter is

/// Runs at the refused call: names it and gives its result. Only what is safe in a signal handler.
void refuse(int, siginfo_t* info, void* context) {
  char text[] = "                : refused system call       , which this program should not make\n";
  const std::size_t length = std::min(std::strlen(program), kProgramLength);
  char* begin = text + kProgramLength - length;
  std::memcpy(begin, program, length);
  char* digit = std::strstr(text, "      ,") + 5;
  for (int number = info->si_syscall; number != 0 && *digit == ' '; number /= 10)
    *digit-- = static_cast<char>('0' + number % 10);
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, begin, sizeof text - 1 - static_cast<std::size_t>(begin - text));
  auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  machine->gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
  machine->regs[0] = static_cast<unsigned long long>(-ENOSYS);
#else
#error "where does a system call's result go on this machine?"
#endif
}

Result<> catch_refusals() {
  struct sigaction action{};
  action.sa_sigaction = refuse;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return fail(system_error("catching SIGSYS", errno));
  return {};
}

}  // namespace

bool confines() {
#ifdef FAIRLEAD_SANITIZED
  return false;
#else
  return true;
#endif
}

Result<> restrict_system_calls(const Needs& needs) {
  if (!confines()) return {};
  program = needs.program;
  FL_CHECK(catch_refusals());
  const Filter filter(seccomp_init(SCMP_ACT_TRAP));
  if (!filter) return fail("making a seccomp filter: no memory");
  for (const auto names : {std::span<const char* const>(kFiles), {kWaiting}, {kSockets}, {kProcess}, {needs.calls}})
    for (const char* name : names) FL_CHECK(allow(filter, name));
  FL_CHECK(allow_parts(filter, needs));
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree: two dozen instructions a call
  if (const int error = seccomp_load(filter.get()); error != 0)
    return fail(system_error("loading the seccomp filter", -error));
  return {};
}

}  // namespace fairlead::confine
