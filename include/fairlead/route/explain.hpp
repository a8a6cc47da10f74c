// SPDX-License-Identifier: Apache-2.0
#pragma once

// Why a request goes where it goes: for people, not for the path of a request.

#include <string>
#include <vector>

#include "fairlead/route/router.hpp"

namespace fairlead::route {

/// One match of one rule, and what became of it.
struct Verdict {
  const Route* route = nullptr;
  std::uint32_t rule = 0;
  std::uint32_t match = 0;
  std::string host;       ///< the pattern by which it was considered; empty: every host
  bool met = false;       ///< all of its conditions hold: it was beaten by precedence alone, or has won
  bool won = false;
  /// The field that made it lose: "host", "path", "method", "header x-version", "query a", "content-type" (no gRPC);
  /// where precedence did: "hostname", "path kind", "path length", "has a method", "number of headers", "number of
  /// query parameters", "age", "namespace/name", "order of rules". Empty for the winner.
  std::string field;
  std::string found;      ///< what the request has, or the winner
  std::string expected;   ///< what this match asks for, or has
};

/// Every candidate, the winner first, then those whose conditions hold in order of precedence, then the others, those
/// that hold longest first. At most `limit` of them. Thread: any.
[[nodiscard]] std::vector<Verdict> explain(const Router& router, const Request& request, std::size_t limit = 100);

}  // namespace fairlead::route
