// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fairlead/http/limits.hpp"

namespace fairlead::http {

/// What a peer can send without end that costs us more than it costs the peer. Each kind has a budget on each
/// connection; where it is used up the connection ends with GOAWAY ENHANCE_YOUR_CALM.
enum class H2Flood : std::uint8_t {
  kReset,          ///< RST_STREAM for streams under way (CVE-2023-44487)
  kProvokedReset,  ///< streams that the peer made us reset, by protocol errors (CVE-2025-8671)
  kContinuation,   ///< CONTINUATION frames (CVE-2024-27316)
  kSettings,       ///< SETTINGS frames, each of which we must acknowledge (CVE-2019-9515)
  kPing,           ///< PING frames, the same (CVE-2019-9512)
  kEmptyFrame,     ///< DATA, HEADERS and CONTINUATION without content that end nothing (CVE-2019-9518)
  kPriority,       ///< PRIORITY frames (CVE-2019-9513)
  kWindowUpdate,   ///< WINDOW_UPDATE frames beyond what our DATA explains
  kUnknownFrame,   ///< frames of types that we do not know
  kHeaderBomb,     ///< field sections beyond their limit
  kStall,          ///< streams that we gave up, as their window stayed closed with data waiting (CVE-2019-9517)
  kMemory,         ///< memory of the connection, or answers that it does not read
  kCount
};

inline constexpr std::size_t kH2Floods = static_cast<std::size_t>(H2Flood::kCount);

/// "rapid_reset": for log and metric.
[[nodiscard]] std::string_view flood_name(H2Flood flood);

/// A token bucket; `burst` may come at once, `per_second` afterwards.
struct H2Budget {
  std::uint16_t burst = 0;
  std::uint16_t per_second = 0;
};

/// The strict end of what real clients do: some cancel a page's worth of streams at once, some probe bandwidth with
/// PING. Useful work gives tokens back, see H2Budgets, so that busy connections are not taken for floods.
inline constexpr std::array<H2Budget, kH2Floods> kH2Budgets = {{
    {500, 50},     // kReset
    {100, 10},     // kProvokedReset
    {200, 20},     // kContinuation
    {50, 5},       // kSettings
    {500, 50},     // kPing
    {100, 10},     // kEmptyFrame
    {500, 50},     // kPriority
    {2000, 200},   // kWindowUpdate
    {200, 20},     // kUnknownFrame
    {16, 1},       // kHeaderBomb
    {64, 1},       // kStall
    {0, 0},        // kMemory
}};

/// Limits and choices of HTTP/2, either side.
struct H2Limits {
  std::uint32_t streams = 128;                  ///< concurrent, opened by the peer (server) or by us (client)
  std::uint32_t stream_window = 256 << 10;      ///< bytes of a stream's body that a paused receiver may still get
  std::uint32_t connection_window = 1 << 20;    ///< the same, of all streams together
  std::uint32_t frame = 16384;  ///< bytes of a frame that the peer may send (SETTINGS_MAX_FRAME_SIZE)
  std::uint32_t header_list = 64 << 10;  ///< bytes of a field section, RFC 9113 6.5.2; beyond: 431
  std::uint32_t fields = 128;  ///< in a section; beyond: 431
  std::uint32_t target = 8192;  ///< bytes of :path; beyond: 414
  bool loose_targets = false;  ///< as H1Limits::loose_targets
  std::uint32_t continuations = 8;  ///< frames in one field section
  std::uint32_t stream_high_water = 32 << 10;  ///< bytes that wait on a stream before send_body answers false
  std::uint32_t output_high_water =
      128 << 10;  ///< bytes that wait for the connection before DATA stays with its streams
  std::size_t memory = 2 << 20;  ///< bytes of codec state for a connection
  std::uint16_t informational = 16;  ///< 1xx responses before a final one
  bool allow_connect = false;  ///< else CONNECT gets 501
  Upgrades upgrades;  ///< by extended CONNECT (RFC 8441); others get 501
  Timeouts timeouts;  ///< `body` is left to the exchange's owner
  std::uint32_t settings_ms = 10'000;  ///< until the peer's SETTINGS have come; 0: no limit
  std::uint32_t ping_every_ms = 0;  ///< a PING after so long without a byte from the peer; 0: never
  std::uint32_t ping_answer_ms = 10'000;  ///< until it is answered
  std::uint32_t drain_ms = 2'000;  ///< between the two GOAWAYs at most
  std::array<H2Budget, kH2Floods> budgets = kH2Budgets;
};

/// What has happened on a worker's HTTP/2 connections. Owner: a worker, one for each side. Thread: its worker's.
struct H2Counters {
  std::uint64_t connections = 0;
  std::uint64_t streams = 0;
  std::uint64_t refused_streams = 0;  ///< by us, REFUSED_STREAM
  std::uint64_t malformed = 0;  ///< messages that were answered with RST_STREAM PROTOCOL_ERROR
  std::uint64_t refused_heads = 0;  ///< 414, 431, 501
  std::uint64_t protocol_errors = 0;  ///< connections ended for another error than a flood
  std::uint64_t timeouts = 0;  ///< connections and streams ended by a time limit but `idle`
  std::uint64_t goaways = 0;  ///< received
  std::uint64_t open = 0;  ///< connections now
  std::uint64_t memory = 0;  ///< bytes of codec state now, of all connections
  std::array<std::uint64_t, kH2Floods> floods{};  ///< connections ended for each

  H2Counters& operator+=(const H2Counters& other);
};

}  // namespace fairlead::http
