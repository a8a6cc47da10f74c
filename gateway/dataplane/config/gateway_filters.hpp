// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gateway/dataplane/config/fields.hpp"

namespace fairlead::config {

/// The filters of a rule or backend. grpc: only those of a GRPCRoute may stand.
void read_filters(Reader& reader, View at, bool grpc, model::HttpFilters& out);
void read_session_persistence(Reader& reader, View at, CountedPtr<model::SessionPersistence>& out);

/// A new one in `out`, to be filled.
template <class T>
T& made_in(CountedPtr<T>& out) {
  auto* made = new T;
  out = CountedPtr<T>(made);
  return *made;
}
/// Headers or query parameters; `value` reads the value.
void read_header_matches(Reader& reader, View at, bool grpc, std::vector<model::ValueMatch>& out);

}  // namespace fairlead::config
