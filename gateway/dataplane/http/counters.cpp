// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_session.hpp"
#include "fairlead/http/h2_limits.hpp"

namespace fairlead::http {

H1Counts& H1Counts::operator+=(const H1Counts& other) {
  for (std::size_t i = 0; i < refused.size(); ++i) refused[i] += other.refused[i];
  requests += other.requests;
  responses += other.responses;
  idle_timeouts += other.idle_timeouts;
  write_timeouts += other.write_timeouts;
  truncated += other.truncated;
  unsolicited += other.unsolicited;
  unwritable += other.unwritable;
  lingered += other.lingered;
  return *this;
}

H2Counters& H2Counters::operator+=(const H2Counters& other) {
  connections += other.connections;
  streams += other.streams;
  refused_streams += other.refused_streams;
  malformed += other.malformed;
  refused_heads += other.refused_heads;
  protocol_errors += other.protocol_errors;
  timeouts += other.timeouts;
  goaways += other.goaways;
  open += other.open;
  memory += other.memory;
  for (std::size_t i = 0; i < floods.size(); ++i) floods[i] += other.floods[i];
  return *this;
}

}  // namespace fairlead::http
