// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/map.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace fairlead::kernel {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP: the kernel's own, not in errno.h; map types without batches give it
constexpr std::uint32_t kBatch = 4096;

bool lacks_batch(int error) { return error == kNotSupported || error == EOPNOTSUPP || error == EINVAL; }

const std::byte* at(const void* base, std::size_t offset) { return static_cast<const std::byte*>(base) + offset; }

}  // namespace

Result<Fd> duplicate(int fd) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail(system_error("duplicating file descriptor " + std::to_string(fd), errno));
  return copy;
}

Result<RawMap> RawMap::from_fd(Fd fd) {
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
    return fail(system_error("asking for a map's shape", errno));
  RawMap map;
  map.fd_ = std::move(fd);
  map.shape_ = {.id = info.id,
                .type = info.type,
                .key_size = info.key_size,
                .value_size = info.value_size,
                .max_entries = info.max_entries,
                .flags = info.map_flags,
                .btf_id = info.btf_id,
                .btf_key_type = info.btf_key_type_id,
                .btf_value_type = info.btf_value_type_id,
                .name = info.name};
  return map;
}

Result<RawMap> RawMap::from_id(std::uint32_t id) {
  Fd fd(bpf_map_get_fd_by_id(id));
  if (!fd) return fail(system_error("opening map " + std::to_string(id), errno));
  return from_fd(std::move(fd));
}

Result<RawMap> RawMap::open_pin(const std::string& path) {
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd) return fail(system_error("opening pin " + path, errno));
  return from_fd(std::move(fd));
}

Result<RawMap> RawMap::create_like(const MapShape& shape, std::uint32_t max_entries, int btf_fd) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = shape.flags);
  if (btf_fd >= 0) {
    options.btf_fd = static_cast<std::uint32_t>(btf_fd);
    options.btf_key_type_id = shape.btf_key_type;
    options.btf_value_type_id = shape.btf_value_type;
  }
  Fd fd(bpf_map_create(static_cast<bpf_map_type>(shape.type), shape.name.c_str(), shape.key_size, shape.value_size,
                       max_entries, &options));
  if (!fd)
    return fail(system_error("making map " + shape.name + " of " + std::to_string(max_entries) + " entries", errno));
  return from_fd(std::move(fd));
}

Error RawMap::error(const char* what, int error_number) const {
  return system_error(
      std::string(what) + " map " + shape_.name + " (" + std::to_string(shape_.max_entries) + " entries)",
      error_number);
}

Result<> RawMap::expect_sizes(std::size_t key_size, std::size_t value_size) const {
  if (shape_.key_size == key_size && shape_.value_size == value_size) return {};
  return fail("map " + shape_.name + ": found key and value of " + std::to_string(shape_.key_size) + " and " +
              std::to_string(shape_.value_size) + " bytes, expected " + std::to_string(key_size) + " and " +
              std::to_string(value_size));
}

int RawMap::update_one(const void* key, const void* value) const {
  // Hashes without preallocation take elements from a per-CPU cache that an irq_work refills (kernel 6.1): in a fast
  // loop it can be empty for a moment, which is no shortage of memory.
  for (int attempt = 0;; ++attempt) {
    if (bpf_map_update_elem(fd_.get(), key, value, BPF_ANY) == 0) return 0;
    if ((errno != ENOMEM && errno != EBUSY) || attempt == 100) return errno;
    const timespec pause{.tv_sec = 0, .tv_nsec = 200'000};
    ::nanosleep(&pause, nullptr);
  }
}

RawMap::Written RawMap::update(const void* keys, const void* values, std::size_t count) const {
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  Written written;
  bool batches = count > 1;
  while (written.count < count) {
    const void* key = at(keys, written.count * shape_.key_size);
    const void* value = at(values, written.count * shape_.value_size);
    if (batches) {
      const auto wanted = static_cast<std::uint32_t>(std::min<std::size_t>(kBatch, count - written.count));
      std::uint32_t part = wanted;
      const int failed = bpf_map_update_batch(fd_.get(), key, value, &part, &options);
      const int error = errno;
      if (failed == 0) {
        written.count += wanted;
        continue;
      }
      // On a failing element the kernel says how many went in before it; where it refuses the call as a whole, it
      // leaves the count as it was given.
      if (part < wanted) written.count += part;
      if (lacks_batch(error)) batches = false;
      key = at(keys, written.count * shape_.key_size);
      value = at(values, written.count * shape_.value_size);
    }
    written.error = update_one(key, value);
    if (written.error != 0) return written;
    ++written.count;
  }
  return written;
}

Result<> RawMap::remove(const void* keys, std::size_t count) const {
  // One by one: BPF_MAP_DELETE_BATCH stops at the first key that is not there, and deletions are few.
  for (std::size_t i = 0; i < count; ++i)
    if (bpf_map_delete_elem(fd_.get(), at(keys, i * shape_.key_size)) != 0 && errno != ENOENT)
      return fail(error("deleting from", errno));
  return {};
}

Result<bool> RawMap::find(const void* key, void* value) const {
  if (bpf_map_lookup_elem(fd_.get(), key, value) == 0) return true;
  if (errno == ENOENT) return false;
  return fail(error("reading", errno));
}

Result<bool> RawMap::dump_batched(Contents& contents) const {
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  // Large enough for a hash bucket's chain; ENOSPC below says when it is not.
  std::uint32_t room = std::min(shape_.max_entries, kBatch) + 64;
  std::uint64_t cursor[4] = {};  // a bucket number for hashes, a key for others
  if (shape_.key_size > sizeof cursor) return false;
  bool first = true;
  while (true) {
    contents.keys.resize((contents.count + room) * shape_.key_size);
    contents.values.resize((contents.count + room) * shape_.value_size);
    std::uint32_t part = room;
    const int failed = bpf_map_lookup_batch(
        fd_.get(), first ? nullptr : cursor, cursor, contents.keys.data() + contents.count * shape_.key_size,
        contents.values.data() + contents.count * shape_.value_size, &part, &options);
    const int error_number = errno;
    if (failed != 0 && error_number == ENOSPC) {
      room *= 2;
      continue;
    }
    if (failed != 0 && first && lacks_batch(error_number)) return false;
    if (failed != 0 && error_number != ENOENT) return fail(error("reading", error_number));
    contents.count += part;
    first = false;
    if (failed != 0) break;  // ENOENT: that was the end
  }
  contents.keys.resize(contents.count * shape_.key_size);
  contents.values.resize(contents.count * shape_.value_size);
  return true;
}

Result<> RawMap::dump_single(Contents& contents) const {
  contents = {};
  std::vector<std::byte> key(shape_.key_size);
  std::vector<std::byte> value(shape_.value_size);
  bool first = true;
  while (bpf_map_get_next_key(fd_.get(), first ? nullptr : key.data(), key.data()) == 0) {
    first = false;
    FL_TRY(const bool found, find(key.data(), value.data()));
    if (!found) continue;  // deleted in between
    contents.keys.insert(contents.keys.end(), key.begin(), key.end());
    contents.values.insert(contents.values.end(), value.begin(), value.end());
    ++contents.count;
  }
  if (errno != ENOENT) return fail(error("listing", errno));
  return {};
}

Result<RawMap::Contents> RawMap::dump() const {
  Contents contents;
  FL_TRY(const bool batched, dump_batched(contents));
  if (!batched) FL_CHECK(dump_single(contents));
  return contents;
}

Result<> RawMap::pin(const std::string& path) const {
  // bpffs refuses dots in names; rename replaces the old pin, so that the name always leads to a map.
  const std::string next = path + "_next";
  if (::unlink(next.c_str()) != 0 && errno != ENOENT) return fail(system_error("removing " + next, errno));
  if (bpf_obj_pin(fd_.get(), next.c_str()) != 0) return fail(system_error("pinning " + next, errno));
  if (std::rename(next.c_str(), path.c_str()) != 0)
    return fail(system_error("renaming " + next + " to " + path, errno));
  return {};
}

Result<Mapping> Mapping::of(const RawMap& map) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t stride = (std::size_t{map.shape().value_size} + 7U) / 8U * 8U;
  Mapping mapping;
  mapping.length_ = (stride * map.shape().max_entries + page - 1) / page * page;
  void* data = ::mmap(nullptr, mapping.length_, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0);
  if (data == MAP_FAILED) return fail(map.error("mmap of", errno));
  mapping.data_ = data;
  return mapping;
}

Result<Mapping> Mapping::anonymous(std::size_t length) {
  Mapping mapping;
  void* data = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return fail(system_error("memory for " + std::to_string(length) + " bytes of rows", errno));
  mapping.data_ = data;
  mapping.length_ = length;
  return mapping;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, length_);
}

}  // namespace fairlead::kernel
