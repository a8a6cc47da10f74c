// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/pins.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fairlead::kernel {
namespace {

constexpr const char* kBpffs = "/sys/fs/bpf";

bool is_bpffs(const std::string& path) {
  struct statfs info{};
  return ::statfs(path.c_str(), &info) == 0 && static_cast<unsigned long>(info.f_type) == BPF_FS_MAGIC;
}

Result<> mount_bpffs() {
  if (is_bpffs(kBpffs)) return {};
  if (::mount("bpf", kBpffs, "bpf", 0, "mode=0700") != 0)
    return fail(system_error(std::string("no bpffs on ") + kBpffs + "; mounting it", errno));
  return {};
}

/// Of what belongs to one pin directory.
std::string path_of(const char* what, const std::string& pin_dir, const std::string& run_dir) {
  std::string name = pin_dir;
  std::replace(name.begin(), name.end(), '/', '_');
  return run_dir + "/" + what + name;
}

std::string lock_path(const std::string& pin_dir, const std::string& run_dir) {
  return path_of("lock", pin_dir, run_dir);
}

/// By the kernel's list of locks, which names files by their inodes: "1: FLOCK  ADVISORY  WRITE 4711 00:1b:42 0 EOF".
std::string holder_of(const Fd& file) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return "unknown";
  const std::string inode = ":" + std::to_string(info.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream fields(line);
    std::string number, kind, mode, type, pid, place;
    if (fields >> number >> kind >> mode >> type >> pid >> place && kind == "FLOCK" && place.ends_with(inode))
      return pid;
  }
  return "unknown";
}

Result<> take_lock(const Fd& file, const std::string& path, const std::string& pin_dir) {
  if (!file) return fail(system_error("opening lock " + path, errno));
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return {};
  const int error = errno;
  return fail("another fairlead-agent (pid " + holder_of(file) + ") already serves " + pin_dir, error);
}

bool is_file_at(const Fd& file, const std::string& path) {
  struct stat opened{};
  struct stat named{};
  return ::fstat(file.get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

Result<PinDirectory> PinDirectory::make(std::string path) {
  if (path.starts_with(std::string(kBpffs) + "/")) FL_CHECK(mount_bpffs());
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail("making pin directory " + path + ": " + error.message(), error.value());
  PinDirectory made(std::move(path));
  FL_CHECK(made.check());
  if (::chmod(made.path_.c_str(), 0700) != 0) return fail(system_error("closing " + made.path_, errno));
  return made;
}

Result<> PinDirectory::check() const {
  if (is_bpffs(path_) || ::access(path_.c_str(), F_OK) != 0) return {};
  return fail("pin directory " + path_ + ": found another file system, expected bpffs");
}

std::vector<std::string> PinDirectory::names() const {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Fd PinDirectory::open(const std::string& name) const { return Fd(bpf_obj_get(path(name).c_str())); }

Result<> PinDirectory::pin(int fd, const std::string& name) const {
  // bpffs refuses dots in names. What a killed agent left under the passing name goes first.
  const std::string target = path(name);
  const std::string passing = target + "_next";
  if (::unlink(passing.c_str()) != 0 && errno != ENOENT) return fail(system_error("removing " + passing, errno));
  if (bpf_obj_pin(fd, passing.c_str()) != 0) return fail(system_error("pinning " + passing, errno));
  if (std::rename(passing.c_str(), target.c_str()) != 0) return fail(system_error("renaming " + passing, errno));
  return {};
}

Result<> PinDirectory::remove(const std::string& name) const {
  if (::unlink(path(name).c_str()) != 0 && errno != ENOENT)
    return fail(system_error("removing pin " + path(name), errno));
  return {};
}

Result<> PinDirectory::remove_directory() const {
  if (::rmdir(path_.c_str()) != 0 && errno != ENOENT) return fail(system_error("removing " + path_, errno));
  return {};
}

Result<PinLock> lock_pins(const std::string& pin_dir, const std::string& run_dir, bool make) {
  PinLock lock;
  if (make) FL_CHECK(PinDirectory::make(pin_dir));
  do {  // again where an uninstall took it away just before it was locked
    lock.directory = Fd(::open(pin_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock.directory || make || errno != ENOENT) FL_CHECK(take_lock(lock.directory, pin_dir, pin_dir));
  } while (lock.directory && !is_file_at(lock.directory, pin_dir));
  std::error_code error;
  std::filesystem::create_directories(run_dir, error);
  if (error) return fail("making " + run_dir + ": " + error.message(), error.value());
  const std::string path = lock_path(pin_dir, run_dir);
  do {
    lock.file = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    FL_CHECK(take_lock(lock.file, path, pin_dir));
  } while (!is_file_at(lock.file, path));
  return lock;
}

std::string kept_path(const std::string& pin_dir, const std::string& run_dir) {
  return path_of("kept", pin_dir, run_dir);
}

Result<> remove_socket(const std::string& path) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return fail(path + ": found a file that is no socket: it is left");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(system_error("removing " + path, errno));
  return {};
}

Result<> remove_lock(const std::string& pin_dir, const std::string& run_dir) {
  std::error_code error;
  std::filesystem::remove_all(kept_path(pin_dir, run_dir), error);
  if (error) return fail("removing what was kept: " + error.message(), error.value());
  const std::string path = lock_path(pin_dir, run_dir);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(system_error("removing " + path, errno));
  if (::rmdir(run_dir.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
    return fail(system_error("removing " + run_dir, errno));
  return {};
}

}  // namespace fairlead::kernel
