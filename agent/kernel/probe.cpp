// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/probe.hpp"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <sstream>

namespace fairlead::kernel {
namespace {

constexpr std::size_t kKeep = std::size_t{64} * 1024;
constexpr std::size_t kLine = 8192;
thread_local std::string kept;

[[gnu::format(printf, 2, 0)]] int keep_line(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return 0;
  std::string line(static_cast<std::size_t>(length) + 1, '\0');
  std::vsnprintf(line.data(), line.size(), format, arguments);
  line.pop_back();
  // A verifier's log says at its end what is wrong.
  if (line.size() > kLine) line.erase(0, line.size() - kLine);
  kept.append(line);
  if (kept.size() > kKeep) kept.erase(0, kept.size() - kKeep);
  return 0;
}

}  // namespace

LibbpfLog::LibbpfLog() {
  kept.clear();
  libbpf_set_print(keep_line);
}
LibbpfLog::~LibbpfLog() { libbpf_set_print(nullptr); }
const std::string& LibbpfLog::text() const { return kept; }

std::string LibbpfLog::gist() const {
  // The verifier's complaint is the line before its closing statistics ("processed N insns ...").
  std::istringstream lines(kept);
  std::string before;
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("processed ") && !before.empty()) found = before;
    // What libbpf says after the cause: of the object as a whole, where a log begins, and that a limit may be too low.
    const bool closing = line.starts_with("libbpf: failed to load object") ||
                         line.starts_with("libbpf: failed to load BPF skeleton") ||
                         line.starts_with("libbpf: permission error while running as root") ||
                         line.contains("-- BEGIN PROG LOAD LOG --");
    if (!line.empty() && !line.starts_with("--") && !closing) before = line;
  }
  return found.empty() ? before : found;
}

bool is_optional(const bpf_program* program) {
  switch (bpf_program__type(program)) {
    case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
    case BPF_PROG_TYPE_CGROUP_SOCK:
    case BPF_PROG_TYPE_SOCK_OPS: return false;
    default: return true;
  }
}

std::string LibbpfLog::refused_program() const {
  // libbpf closes every failure that concerns one program with: prog 'NAME': failed to ...
  const std::string mark = "': failed to ";
  const auto end = kept.rfind(mark);
  if (end == std::string::npos) return {};
  const std::string prefix = "prog '";
  const auto begin = kept.rfind(prefix, end);
  return begin == std::string::npos ? std::string() : kept.substr(begin + prefix.size(), end - begin - prefix.size());
}

}  // namespace fairlead::kernel
