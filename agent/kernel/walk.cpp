// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/walk.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <cerrno>

#include "agent/kernel/map.hpp"
#include "agent/kernel/netns.hpp"

namespace fairlead::kernel {
namespace {

/// What the iterator behind a link walks over: "bpf_sk_storage_map", "tcp".
Result<std::string> target_of(int link) {
  char name[64] = {};
  bpf_link_info info{};
  info.iter.target_name = reinterpret_cast<std::uintptr_t>(&name[0]);
  info.iter.target_name_len = sizeof name;
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &length) != 0) return fail(system_error("asking for an iterator", errno));
  return std::string(&name[0]);
}

}  // namespace

Result<Walk> Walk::open(const Loaded& loaded, const std::string& name, const std::string& storage, const Fd& rows) {
  Walk self;
  if (const int program = loaded.program(name); program >= 0) {
    FL_TRY(auto iterator, Iterator::over_map(program, rows.get()));
    self.iterators_.push_back(std::move(iterator));
    return self;
  }
  self.by_namespace_ = true;
  for (const char* protocol : {"_tcp", "_udp"}) {
    const int program = loaded.program(name + protocol);
    if (program < 0) continue;
    FL_TRY(auto iterator, Iterator::over_sockets(program));
    self.iterators_.push_back(std::move(iterator));
  }
  if (self.iterators_.empty()) return fail("this kernel did not take " + name, ENOTSUP);
  FL_TRY(self.walked_, loaded.map(storage + "_walked"));
  FL_TRY(self.rows_, duplicate(rows.get()));
  FL_CHECK(self.choose());  // a pinned link may be run by another, before this was
  return self;
}

Result<Walk> Walk::open(const Loaded& loaded, const std::string& name, const std::string& storage) {
  FL_TRY(const Fd rows, loaded.map(storage));
  return open(loaded, name, storage, rows);
}

Result<std::optional<Walk>> Walk::open_if_taken(const Loaded& loaded, const std::string& name,
                                                const std::string& storage) {
  auto walk = open(loaded, name, storage);
  if (!walk && walk.error().code == ENOTSUP) return std::nullopt;
  if (!walk) return fail(std::move(walk.error()));
  return std::move(*walk);
}

Result<Walk> Walk::of_link(Fd link) {
  Walk self;
  FL_TRY(const auto target, target_of(link.get()));
  self.by_namespace_ = target == "tcp";
  self.iterators_.push_back(Iterator::of_link(std::move(link)));
  return self;
}

Result<> Walk::choose() const {
  if (!walked_) return {};
  const std::uint32_t zero = 0;
  const int rows = rows_.get();
  if (bpf_map_update_elem(walked_.get(), &zero, &rows, BPF_ANY) != 0)
    return fail(system_error("choosing what is walked over", errno));
  return {};
}

Result<> Walk::run_here(const Iterator::Sink& sink) const {
  for (const auto& iterator : iterators_) FL_CHECK(iterator.run(sink));
  return {};
}

Result<> Walk::run(const Iterator::Sink& sink) const {
  if (!by_namespace_) return run_here(sink);
  FL_CHECK(choose());  // other walks of the program may be over other maps
  for (const auto& path : netns_paths()) {
    const Fd netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns) continue;  // gone meanwhile
    FL_CHECK(inside_netns(netns.get(), [&] { return run_here(sink); }));
  }
  return {};
}

}  // namespace fairlead::kernel
