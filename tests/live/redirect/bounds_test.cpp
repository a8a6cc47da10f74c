// SPDX-License-Identifier: Apache-2.0
// What readers that never read cost the kernel.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "fairlead/abi/redirect.h"
#include "live/redirect/fixture.hpp"

namespace fairlead {
namespace {

const std::size_t kReaders = std::getenv("FAIRLEAD_VM") != nullptr ? 50 : 1000;

/// Bytes of the machine's kernel: what sockets are charged with (pages), and slab memory that cannot be given back.
struct KernelMemory {
  double sockets = 0, slab = 0;
};
KernelMemory kernel_memory() {
  KernelMemory found;
  std::ifstream memory("/proc/meminfo"), sockets("/proc/net/sockstat");
  for (std::string line; std::getline(memory, line);)
    if (line.starts_with("SUnreclaim:")) found.slab = std::stod(line.substr(11)) * 1024;
  for (std::string line; std::getline(sockets, line);)
    if (const auto at = line.find("mem "); line.starts_with("TCP:") && at != std::string::npos)
      found.sockets = std::stod(line.substr(at + 4)) * 4096;
  return found;
}

class BoundsTest : public test::RedirectTest {
 protected:
  std::vector<test::Pair> connected() const {
    std::vector<test::Pair> pairs;
    for (std::size_t i = 0; i < kReaders; ++i) pairs.push_back(connect_pair());
    return pairs;
  }
  static bool ping_all(const std::vector<test::Pair>& pairs) {
    return std::ranges::all_of(pairs, [](const auto& pair) { return test::ping(pair); });
  }
  /// Writes to readers that never read, and tells what each cost.
  static void write_all(const std::vector<test::Pair>& pairs, const char* how, int messages) {
    const auto before = kernel_memory();
    for (int i = 0; i < messages; ++i)
      for (const auto& pair : pairs) test::put(pair.client, "x");
    const auto after = kernel_memory();
    std::printf(
        "%zu readers that never read, %d messages of one byte each, %s: sockets' own memory %+.0f KiB each, "
        "slab of the machine %+.0f KiB each\n",
        pairs.size(), messages, how, (after.sockets - before.sockets) / 1024 / static_cast<double>(pairs.size()),
        (after.slab - before.slab) / 1024 / static_cast<double>(pairs.size()));
  }
};

TEST_F(BoundsTest, ManyReadersThatNeverReadHoldFewMessages) {
  const auto agent = start_all();
  constexpr int kMessages = 3 * FL_REDIR_WAITING;
  {
    set_mode(FL_REDIRECT_OFF);
    const auto plain = connected();
    ASSERT_TRUE(ping_all(plain));
    write_all(plain, "by TCP", kMessages);
  }
  set_mode(FL_REDIRECT_ALL);
  const auto pairs = connected();
  ASSERT_TRUE(test::eventually(
      [&] {
        const auto before = counter(FL_C_REDIRECT_MESSAGES);
        return ping_all(pairs) && counter(FL_C_REDIRECT_MESSAGES) == before + 2 * kReaders;
      },
      std::chrono::minutes(5)));
  const auto before = counter(FL_C_REDIRECT_MESSAGES);
  write_all(pairs, "redirected", kMessages);
  EXPECT_LE(counter(FL_C_REDIRECT_MESSAGES) - before, kReaders * (FL_REDIR_WAITING + 2U));
  EXPECT_EQ(counter(FL_C_REDIRECT_END_UNREAD), kReaders);
  for (const auto& pair : pairs) ASSERT_EQ(test::take(pair.server, kMessages).size(), std::size_t{kMessages});
}

TEST_F(BoundsTest, ACloseWithRedirectedBytesUnreadIsCounted) {
  const auto agent = start_all();
  auto read = connect_pair(), unread = connect_pair();
  ASSERT_TRUE(warm_up(read));
  ASSERT_TRUE(warm_up(unread));
  read.server.reset();
  read.client.reset();
  ASSERT_TRUE(test::put(unread.client, "never read"));
  unread.server.reset();
  unread.client.reset();
  EXPECT_TRUE(test::eventually([&] { return counter(FL_C_REDIRECT_UNREAD_CLOSED) == 1; }));
}

}  // namespace
}  // namespace fairlead
