// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/replay.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <cerrno>
#include <ctime>
#include <random>

namespace fairlead::datapath {

Result<fl_choice> replay(int why_program, const Address& address, std::uint16_t port, std::uint8_t proto,
                         std::uint64_t client) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  std::random_device chance;
  fl_choice asked{};
  asked.asked = address.raw();
  asked.port = htons(port);
  asked.proto = proto;
  asked.flags = FL_CHOOSE_DRY;
  asked.client = client;
  asked.now_ns = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  asked.chance = (std::uint64_t{chance()} << 32) | chance();
  return replay(why_program, asked);
}

Result<fl_choice> replay(int why_program, fl_choice asked) {
  if (why_program < 0) return fail("asking the balancer: this kernel did not take program fl_why");
  LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &asked, .ctx_size_in = sizeof asked);
  if (const int error = bpf_prog_test_run_opts(why_program, &options); error != 0)
    return fail(system_error("running fl_why", -error));
  return asked;
}

}  // namespace fairlead::datapath
