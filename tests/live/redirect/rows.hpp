// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fairlead/abi/metric.h"
#include "live/redirect/pair.hpp"

namespace fairlead::test {

/// Something that applications rely on. It is run on a plain connection and on one that is redirected (or would be, but
/// for the exclusion), and must show the same both times.
struct Row {
  const char* name;
  /// What is seen, in words. `settle` makes small messages go to and fro until redirection, where it is on, has begun.
  std::string (*observe)(Pair& pair, const std::function<void()>& settle);
  std::string expected;
  fl_counter excluded = FL_COUNTERS;  ///< the counter that tells why it is not redirected; FL_COUNTERS: it is
  int flags = SOCK_NONBLOCK;  ///< of the sockets
  bool meanwhile = false;  ///< excluded by what happens after it was redirected, not from the start
  bool traced = false;  ///< redirected only where the kernel lets functions be traced; else its program is left out
  std::string different = {};  ///< what is seen with redirection, where that is documented to differ
};

std::vector<Row> rows();
/// Those of them that stand in a file of their own: order, poll, io_uring, ULPs.
std::vector<Row> more_rows();
/// Those about flags and results of single calls.
std::vector<Row> call_rows();
/// Those about closing, waiting, and a socket that changes hands.
std::vector<Row> socket_rows();

}  // namespace fairlead::test
