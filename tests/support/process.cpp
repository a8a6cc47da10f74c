// SPDX-License-Identifier: Apache-2.0
#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "support/command.hpp"
#include "support/wait.hpp"

namespace fairlead::test {
namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  _exit(127);
}

}  // namespace

void Process::become(const ProcessOptions& options, pid_t parent, int output) {
  // The parent may have ended between fork and prctl.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  if (!options.cgroup.empty()) {
    std::ofstream procs(options.cgroup + "/cgroup.procs");
    procs << 0 << std::flush;
    if (!procs.good()) give_up(options.cgroup.c_str());
  }
  if (!options.netns.empty()) {
    const int ns = open(options.netns.c_str(), O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0) give_up(options.netns.c_str());
  }
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) give_up(options.directory.c_str());
  std::vector<char*> words;
  words.reserve(options.argv.size() + 1);
  for (const auto& word : options.argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  give_up(words[0]);
}

Process::Process(const ProcessOptions& options) {
  std::array<int, 2> ends{};
  require(pipe2(ends.data(), O_CLOEXEC) == 0, "pipe2");
  pipe_.reset(ends[0]);
  Fd write_end(ends[1]);
  const pid_t parent = getpid();
  pid_ = fork();
  require(pid_ >= 0, "fork");
  if (pid_ == 0) become(options, parent, write_end.get());
  reader_ = std::thread([this] { read_output(); });
}

Process::~Process() {
  if (running()) kill(pid_, SIGKILL);
  wait();
}

void Process::read_output() {
  std::array<char, 4096> buffer{};
  // A grandchild may hold the pipe open: stop as soon as the child is gone and nothing is left to read. What it wrote
  // between a poll that found nothing and its end is looked for once more.
  for (bool gone = false;;) {
    pollfd poller{.fd = pipe_.get(), .events = POLLIN, .revents = 0};
    if (poll(&poller, 1, gone ? 0 : 50) == 0) {
      if (gone) return;
      gone = kill(pid_, 0) != 0;
      continue;
    }
    const ssize_t got = read(pipe_.get(), buffer.data(), buffer.size());
    if (got <= 0) return;
    const std::lock_guard lock(output_mutex_);
    output_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

bool Process::reap(int flags) {
  if (reaped_) return true;
  int status = 0;
  if (waitpid(pid_, &status, flags) != pid_) return false;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  reaped_ = true;
  return true;
}

bool Process::running() { return !reap(WNOHANG); }

std::string Process::output() {
  const std::lock_guard lock(output_mutex_);
  return output_;
}

bool Process::wait_for(const std::string& text, std::chrono::milliseconds limit) {
  const auto seen = [&] { return output().find(text) != std::string::npos; };
  bool ended = false;
  eventually([&] { return seen() || (ended = !running()); }, limit);
  if (ended && reader_.joinable()) reader_.join();
  return seen();
}

void Process::signal(int number) const { kill(pid_, number); }

int Process::wait() {
  reap(0);
  if (reader_.joinable()) reader_.join();
  return status_;
}

int Process::stop(std::chrono::milliseconds limit) {
  if (running()) {
    kill(pid_, SIGTERM);
    if (!eventually([&] { return !running(); }, limit)) kill(pid_, SIGKILL);
  }
  return wait();
}

}  // namespace fairlead::test
