// SPDX-License-Identifier: Apache-2.0
#pragma once

// The loops over bytes of the HTTP/1 parser, as vectors and as their scalar twin.

#include <cstddef>

namespace fairlead::http {

/// Where the parts of a field line end; all are at most `end`.
struct FieldScan {
  char* colon;      ///< the first byte that is no tchar
  char* value;      ///< the first byte behind the colon that is no SP and no HTAB
  char* value_end;  ///< from there the first byte that no field value has (CR, where the line is good)
};

/// kScanSlack bytes behind `end` must be readable and writable; what they hold is of no importance and stays as it is.
/// Thread: any.
struct ScanKernels {
  /// Brings the name to lower case in place.
  FieldScan (*field)(char* at, char* end);
  /// The first byte that is not of grammar::kTarget.
  const char* (*target)(const char* at, const char* end);
};

inline constexpr std::size_t kScanSlack = 32;

[[nodiscard]] inline char* skip_white(char* at, const char* end) {
  while (at < end && (*at == ' ' || *at == '\t')) ++at;
  return at;
}

extern const ScanKernels kScalarScan;
/// The quickest that this CPU has.
[[nodiscard]] const ScanKernels& best_scan();

}  // namespace fairlead::http
