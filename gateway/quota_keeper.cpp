// SPDX-License-Identifier: Apache-2.0
#include "gateway/quota_keeper.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/file.hpp"
#include "fairlead/limit/clocks.hpp"
#include "fairlead/limit/lasting.hpp"
#include "gateway/state_lock.hpp"

namespace fairlead::gateway {
namespace {

using limit::LastingCounts;

constexpr std::size_t kMostStateBytes = std::size_t{1} << 31;
constexpr std::size_t kDigest = 32;  // at the end of a text

/// Nothing where there is no such file.
Result<std::optional<std::string>> read_state(const std::string& path) {
  auto text = read_file(path, kMostStateBytes, O_NOFOLLOW);
  if (!text && text.error().code == ENOENT) return std::optional<std::string>();
  if (!text) return fail(std::move(text.error()).in(path));
  return std::optional(std::move(*text));
}

/// All of it or nothing, whatever ends meanwhile: the process or the machine.
Result<> write_file(const std::string& directory, const std::string& path, std::string_view text) {
  const auto other = path + ".new";
  const Fd file(::open(other.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail(system_error(other, errno));
  if (const int error = write_all(file.get(), text); error != 0) return fail(system_error(other, error));
  if (::fsync(file.get()) != 0) return fail(system_error(other, errno));
  if (::rename(other.c_str(), path.c_str()) != 0) return fail(system_error(path, errno));
  const Fd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
  return {};
}

}  // namespace

std::string state_directory(const std::string& argument) {
  if (!argument.empty()) return argument;
  const char* given = std::getenv("STATE_DIRECTORY");
  if (given == nullptr) return {};
  const std::string all(given);
  return all.substr(0, all.find(':'));  // of a unit with several, the first
}

Result<std::unique_ptr<QuotaKeeper>> QuotaKeeper::open(const std::string& directory, bool successor, Fd lock) {
  struct stat about{};
  if (::stat(directory.c_str(), &about) != 0) return fail(system_error("--state-dir " + directory, errno));
  if (!S_ISDIR(about.st_mode)) return fail("--state-dir " + directory + ": found no directory");
  std::unique_ptr<QuotaKeeper> self(new QuotaKeeper(directory));
  FL_TRY(self->lock_, lock_state(directory, std::move(lock)));
  LastingCounts::of_process().enable();
  auto text = read_state(self->path());
  if (!text) return fail(std::move(text.error()));
  if (*text) {
    if (const auto adopted = LastingCounts::adopt_secret(**text); !adopted) {
      self->note(self->path() + ": " + adopted.error().message + "; it is now quotas.bad, and counts begin anew");
      std::rename(self->path().c_str(), (self->path() + ".bad").c_str());
    } else if (!successor) {
      self->load();
    }
  }
  if (!successor) self->write();  // a successor has to find the secret
  return self;
}

void QuotaKeeper::load() {
  const auto text = read_state(path());
  if (!text) return note(text.error().message);
  if (!*text) return;
  if (const auto loaded = LastingCounts::of_process().load(**text, limit::unix_us()); !loaded)
    note(path() + ": " + loaded.error().message);
}

void QuotaKeeper::take_over() {
  note_holder(lock_);
  load();
  write();
}

void QuotaKeeper::note(const std::string& failure) {
  const std::scoped_lock lock(mutex_);
  ++failures_;
  if (std::exchange(failure_, failure) != failure) spdlog::error("{}", failure);
}

void QuotaKeeper::write() {
  const std::scoped_lock one_at_a_time(writing_);
  const auto text = LastingCounts::of_process().encode(limit::unix_us());
  auto digest = text.substr(text.size() - kDigest);
  if (digest == written_) return;
  if (const auto done = write_file(directory_, path(), text); !done) return note(done.error().message);
  written_ = std::move(digest);
  const std::scoped_lock lock(mutex_);
  ++writes_;
  if (writes_ > 1) failure_.clear();  // the first one follows what was found at the start
}

void QuotaKeeper::start() {
  thread_ = std::thread([this] { run(); });
}

void QuotaKeeper::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kInterval, [this] { return stopping_; })) return;
    }
    write();
  }
}

void QuotaKeeper::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

QuotaKeeper::State QuotaKeeper::state() const {
  const auto limits = LastingCounts::of_process().limits();
  const std::scoped_lock lock(mutex_);
  return {.directory = directory_, .limits = limits, .writes = writes_, .failures = failures_, .failure = failure_};
}

}  // namespace fairlead::gateway
