// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "fairlead/base/fd.hpp"

namespace fairlead::test {

/// What one end of a stream saw.
struct StreamResult {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::string wrong{};  ///< empty: every byte was what the other end sent there
};

/// Both ends send `bytes` of a sequence that follows from the seed, in random phases (single small messages with a wait
/// for an answer, bursts, bulk, silence) and random sizes by several system calls, and compare each byte they get.
struct StreamOptions {
  std::uint64_t seed = 1;
  std::uint64_t bytes = 0;
  bool shuts = true;  ///< ends by shutdown, so the end of the stream is part of it; otherwise the connection stays
};
StreamResult run_stream_end(const Fd& socket, const StreamOptions& options, bool client);

}  // namespace fairlead::test
