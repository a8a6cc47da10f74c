// SPDX-License-Identifier: Apache-2.0
// Time limits of an HTTP/2 connection. One timer, which is only ever brought forward on the path of a request: where it
// comes before its time it is armed again.
#include <algorithm>
#include <limits>

#include "gateway/dataplane/http/h2_connection.hpp"

namespace fairlead::http {

void H2Connection::arm_after(std::uint32_t ms) {
  if (ms == 0) return;
  const std::uint64_t deadline = now_ms() + ms;
  if (armed() && deadline_ms_ <= deadline) return;
  deadline_ms_ = deadline;
  context_.reactor.timers().arm(*this, deadline);
}

void H2Connection::watch_stalls() { arm_after(limits().timeouts.write); }

void H2Connection::on_timer() {
  if (phase_ == Phase::kClosed) return;
  const std::uint64_t now = now_ms();
  schedule();  // what is to be sent, told or closed waits for the end of the turn
  if (phase_ == Phase::kLingering) {
    if (now >= phase_ms_ + limits().timeouts.linger) close_wanted_ = true;
    return rearm(now);
  }
  if (check_connection(now)) {
    check_streams(now);
    if (drain_ == Drain::kAnnounced && now >= phase_ms_ + limits().drain_ms) final_goaway();
  }
  rearm(now);
}

namespace {

bool is_due(std::uint64_t now, std::uint64_t since, std::uint32_t limit) { return limit != 0 && now >= since + limit; }

}  // namespace

bool H2Connection::check_connection(std::uint64_t now) {
  if (!settings_seen_ && is_due(now, created_ms_, limits().settings_ms))
    return time_out(NGHTTP2_SETTINGS_TIMEOUT, "no SETTINGS in time"), false;
  if (block_ != nullptr && is_due(now, block_ms_, limits().timeouts.head))
    return time_out(NGHTTP2_ENHANCE_YOUR_CALM, "a field section took too long"), false;
  if (blocked_ && is_due(now, written_ms_, limits().timeouts.write)) {
    ++context_.counters.timeouts;
    drop_why_ = Reset::kTimeout;
    broken(0, "the peer does not read");
    return false;
  }
  if (!check_ping(now)) return false;
  if (no_streams() && block_ == nullptr && is_due(now, idle_ms_, limits().timeouts.idle)) begin_drain();
  return true;
}

bool H2Connection::check_ping(std::uint64_t now) {
  if (ping_out_ && is_due(now, ping_ms_, limits().ping_answer_ms)) {
    ++context_.counters.timeouts;
    drop_why_ = Reset::kTimeout;
    broken(0, "a PING was not answered");
    return false;
  }
  if (may_ping() && is_due(now, read_ms_, limits().ping_every_ms)) {
    ping_out_ = true;
    ping_ms_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  }
  return true;
}

// A window that stays closed holds what waits behind it (CVE-2019-9517).
void H2Connection::check_streams(std::uint64_t now) {
  for (H2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
    if (stream->answered_ms() != 0 && now >= stream->answered_ms() + limits().timeouts.linger) stream->refuse_rest();
    if (!stream->waits() || !stream->may_be_sent() || !is_due(now, stream->progress_ms_, limits().timeouts.write))
      continue;
    ++context_.counters.timeouts;
    stream->fail(Reset::kTimeout);
    if (!spend(H2Flood::kStall)) return flood(H2Flood::kStall);
  }
}

void H2Connection::time_out(std::uint32_t code, std::string_view why) {
  ++context_.counters.timeouts;
  end_with(code, Reset::kTimeout, why);
}

void H2Connection::rearm(std::uint64_t now) {
  std::uint64_t earliest = std::numeric_limits<std::uint64_t>::max();
  const auto at = [&earliest](bool applies, std::uint64_t since, std::uint32_t limit) {
    if (applies && limit != 0) earliest = std::min(earliest, since + limit);
  };
  const bool open = phase_ == Phase::kOpen;
  at(!open, phase_ms_, limits().timeouts.linger);
  at(open && !settings_seen_, created_ms_, limits().settings_ms);
  at(open && block_ != nullptr, block_ms_, limits().timeouts.head);
  at(open && blocked_, written_ms_, limits().timeouts.write);
  at(open && ping_out_, ping_ms_, limits().ping_answer_ms);
  at(open && may_ping(), read_ms_, limits().ping_every_ms);
  at(open && no_streams() && drain_ == Drain::kNo, idle_ms_, limits().timeouts.idle);
  at(open && drain_ == Drain::kAnnounced, phase_ms_, limits().drain_ms);
  if (open && (pending_ != 0 || lingering_ != 0))
    for (const H2Stream* stream = streams_; stream != nullptr; stream = stream->next_) {
      at(stream->waits() && stream->may_be_sent(), stream->progress_ms_, limits().timeouts.write);
      at(stream->answered_ms() != 0, stream->answered_ms(), std::max<std::uint32_t>(limits().timeouts.linger, 1));
    }
  if (earliest == std::numeric_limits<std::uint64_t>::max()) return;
  deadline_ms_ = std::max(earliest, now + 1);
  context_.reactor.timers().arm(*this, deadline_ms_);
}

void H2Connection::final_goaway() {
  if (drain_ != Drain::kAnnounced) return;
  drain_ = Drain::kFinal;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  schedule();
}

}  // namespace fairlead::http
