// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/sockets.hpp"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "agent/kernel/sock_destroy.hpp"

namespace fairlead::datapath {
namespace {

bool has(std::span<const fl_swept> sockets, int proto) {
  return std::ranges::any_of(sockets, [&](const auto& socket) { return socket.proto == proto; });
}

/// Sockets that the programs cannot count themselves, as netlink ended them.
Result<> add_ended(int program, std::uint64_t count) {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.ctx_in = &count;
  options.ctx_size_in = sizeof count;
  if (bpf_prog_test_run_opts(program, &options) != 0) return fail(system_error("counting ended sockets", errno));
  return {};
}

/// Ended sockets write one row each, of a byte.
Result<std::size_t> count_of(const kernel::Iterator& iterator) {
  std::size_t count = 0;
  FL_CHECK(iterator.run([&](std::span<const std::byte> piece) { count += piece.size(); }));
  return count;
}

}  // namespace

Result<std::vector<fl_swept>> swept_rows(const kernel::Walk& walk) {
  std::vector<std::byte> bytes;
  FL_CHECK(walk.run([&](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); }));
  std::vector<fl_swept> rows(bytes.size() / sizeof(fl_swept));
  if (!rows.empty()) std::memcpy(rows.data(), bytes.data(), rows.size() * sizeof(fl_swept));
  return rows;
}

Result<Sockets> Sockets::open(const kernel::Loaded& loaded) {
  Sockets self;
  FL_TRY(self.list_, kernel::Walk::open_if_taken(loaded, "fl_sweep_list", "fl_socks"));
  FL_TRY(self.doom_, kernel::Walk::open_if_taken(loaded, "fl_sweep_doom", "fl_socks"));
  for (const auto& [to, name] : {std::pair{&self.end_tcp_, "fl_end_tcp"}, {&self.end_udp_, "fl_end_udp"}}) {
    const int program = loaded.program(name);
    if (program < 0) continue;
    FL_TRY(*to, kernel::Iterator::over_sockets(program));
  }
  self.count_ended_ = loaded.program("fl_count_ended");
  return self;
}

Result<std::vector<fl_swept>> Sockets::list() const {
  if (!list_) return fail("this kernel did not take fl_sweep_list", ENOTSUP);
  return swept_rows(*list_);
}

Result<std::size_t> Sockets::end_here(std::span<const fl_swept> sockets) const {
  if (!by_bpf()) {
    FL_TRY(const auto ended, kernel::destroy_sockets(sockets));
    if (ended != 0 && count_ended_ >= 0) FL_CHECK(add_ended(count_ended_, ended));
    return ended;
  }
  std::size_t ended = 0;
  for (const auto& [proto, iterator] : {std::pair{FL_TCP, &*end_tcp_}, {FL_UDP, &*end_udp_}}) {
    if (!has(sockets, proto)) continue;
    FL_TRY(const auto count, count_of(*iterator));
    ended += count;
  }
  return ended;
}

Result<std::size_t> Sockets::end_in(int netns, std::span<const fl_swept> sockets) const {
  std::size_t ended = 0;
  FL_CHECK(kernel::inside_netns(netns, [&]() -> Result<> {
    FL_TRY(ended, end_here(sockets));
    return {};
  }));
  return ended;
}

Result<Ended> Sockets::end_doomed() {
  if (!doom_) return fail("this kernel did not take fl_sweep_doom", ENOTSUP);
  FL_TRY(const auto doomed, swept_rows(*doom_));
  std::map<std::uint64_t, std::vector<fl_swept>> by_netns;
  for (const auto& socket : doomed) by_netns[socket.netns_cookie].push_back(socket);
  Ended ended;
  for (const auto& [cookie, sockets] : by_netns) {
    const auto netns = namespaces_.find(cookie);
    if (!netns) {
      if (netns.error().code != ENOENT) return fail(netns.error());
      ended.unreachable += sockets.size();
      continue;
    }
    FL_TRY(const auto count, end_in(netns->get(), sockets));
    ended.sockets += count;
  }
  return ended;
}

}  // namespace fairlead::datapath
