// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/iterator.hpp"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace fairlead::kernel {
namespace {

Result<Fd> link_of(int program, int map) {
  bpf_iter_link_info info{};
  info.map.map_fd = map < 0 ? 0U : static_cast<std::uint32_t>(map);
  LIBBPF_OPTS(bpf_link_create_opts, options);
  if (map >= 0) {
    options.iter_info = &info;
    options.iter_info_len = sizeof info;
  }
  Fd link(bpf_link_create(program, 0, BPF_TRACE_ITER, &options));
  if (!link) return fail(system_error("linking an iterator", errno));
  return link;
}

}  // namespace

Result<Iterator> Iterator::over_map(int program, int map) {
  FL_TRY(Fd link, link_of(program, map));
  return Iterator(std::move(link));
}

Result<Iterator> Iterator::over_sockets(int program) {
  FL_TRY(Fd link, link_of(program, -1));
  return Iterator(std::move(link));
}

Result<> Iterator::run(const Sink& sink) const {
  const Fd walk(bpf_iter_create(link_.get()));
  if (!walk) return fail(system_error("starting an iterator", errno));
  std::vector<std::byte> buffer(64 * 1024);
  while (true) {
    const auto length = ::read(walk.get(), buffer.data(), buffer.size());
    if (length == 0) return {};
    if (length > 0) {
      sink(std::span(buffer).first(static_cast<std::size_t>(length)));
    } else if (errno != EAGAIN && errno != EINTR) {  // EAGAIN: a million elements passed without output
      return fail(system_error("reading an iterator", errno));
    }
  }
}

}  // namespace fairlead::kernel
