// SPDX-License-Identifier: Apache-2.0
#include "agent/telemetry/counters.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fairlead::telemetry {
namespace {

constexpr const char* kRefused = "connects, and datagrams of unconnected sockets, that got an error at once, by reason";
constexpr const char* kFallback = "what could not be done as intended and was done otherwise, by reason";
constexpr const char* kRedirectEnd = "directions that left redirection, by reason";
constexpr const char* kRedirectExcluded = "connections that are not redirected, by reason";
constexpr const char* kRedirectPassed = "messages of redirected connections that went by TCP, by reason";
constexpr const char* kDenied = "connections and datagrams refused by policy, by where";

constexpr CounterKind kKinds[] = {
    {FL_C_CONNECT, "fairlead_connects", nullptr, nullptr,
     "connects of TCP and UDP sockets, and datagrams of unconnected ones that needed a backend", nullptr},
    {FL_C_TRANSLATED, "fairlead_balanced_connects", nullptr, nullptr,
     "connects, and datagrams of unconnected sockets, that were given a backend of a service", nullptr},
    {FL_C_NO_BACKEND, "fairlead_refused_connects", "reason", "no_backend", kRefused,
     "the service had no usable endpoint: ECONNREFUSED"},
    {FL_C_OVER_LIMIT, "fairlead_refused_connects", "reason", "over_limit", kRefused,
     "a limit of connections was reached: ECONNREFUSED"},
    {FL_C_ALL_EJECTED, "fairlead_fallbacks", "reason", "all_backends_ejected", kFallback,
     "every endpoint was ejected: one was used all the same"},
    {FL_C_EJECTED, "fairlead_ejections", nullptr, nullptr, "backends put aside by outlier detection", nullptr},
    {FL_C_DENIED_CLIENT, "fairlead_denied", "side", "client", kDenied, "at connect or sendmsg: EACCES"},
    {FL_C_DENIED_SERVER, "fairlead_denied", "side", "server", kDenied,
     "in the pod's namespace: RST, or ICMP unreachable"},
    {FL_C_DENIED_GUARD, "fairlead_denied", "side", "guard", kDenied, "dropped before the pod's namespace was guarded"},
    {FL_C_AUDITED, "fairlead_audited", nullptr, nullptr,
     "connections and datagrams that an AUDIT rule matched, at each end that is on this node", nullptr},
    {FL_C_STORAGE_FULL, "fairlead_fallbacks", "reason", "no_socket_storage", kFallback,
     "the kernel had no memory for a socket's row: it went on, uncounted or not redirected"},
    {FL_C_SERIES_FULL, "fairlead_fallbacks", "reason", "series_full", kFallback,
     "additions to series that found no room (max-series): summed in fairlead_overflow_*"},
    {FL_C_EVENTS_LOST, "fairlead_lost_events", nullptr, nullptr, "flow events that found the ring buffer full",
     nullptr},
    {FL_C_AFFINITY_MISS, "fairlead_fallbacks", "reason", "affinity_backend_gone", kFallback,
     "session affinity named an endpoint that cannot be used: another was chosen"},
    {FL_C_UDP_PEER_EVICTED, "fairlead_fallbacks", "reason", "udp_peer_evicted", kFallback,
     "more services of unconnected UDP sockets than fit fl_udp_peers: the row of an answer was made anew"},
    {FL_C_UDP_PEER_UNHELD, "fairlead_fallbacks", "reason", "udp_peer_unheld", kFallback,
     "an unconnected UDP socket asked more than four services: of the further ones it may be given another backend"},
    {FL_C_AFFINITY_ADDED, "fairlead_fallbacks", "reason", "affinity_evicted", kFallback,
     "more clients with session affinity than fit fl_affinity: the one that was longest away was forgotten"},
    {FL_C_UDP_ASKED_ADDED, "fairlead_fallbacks", "reason", "udp_asked_evicted", kFallback,
     "more pairs that exchange datagrams under a policy than fit fl_udp_asked: the longest silent was forgotten"},
    {FL_C_IDENTITY_UNKNOWN, "fairlead_fallbacks", "reason", "identity_unknown", kFallback,
     "whose a namespace is could not be found out, as it has too many addresses: it may call nobody"},
    {FL_C_RECOUNT_FULL, "fairlead_fallbacks", "reason", "recount_full", kFallback,
     "more backends in use than fit fl_recount: a socket was not counted anew"},
    {FL_C_BACKEND_SERIES_FULL, "fairlead_fallbacks", "reason", "backend_series_full", kFallback,
     "additions to series of backends that found no room (max-series): they are in those of pairs only"},
    {FL_C_SLOT_MISS, "fairlead_fallbacks", "reason", "row_changed_during_pick", kFallback,
     "the configuration changed under a choice that found no free endpoint: what was changing was passed over"},
    {FL_C_REDIRECT_PAIRED, "fairlead_redirect_pairs", nullptr, nullptr,
     "connections whose two ends were found on this node", nullptr},
    {FL_C_REDIRECT_MESSAGES, "fairlead_redirected_messages", nullptr, nullptr,
     "messages that went from socket to socket", nullptr},
    {FL_C_REDIRECT_BYTES, "fairlead_redirected_bytes", nullptr, nullptr, "bytes that went from socket to socket",
     nullptr},
    {FL_C_REDIRECT_BEGIN, "fairlead_redirect_begins", nullptr, nullptr, "directions that entered redirection", nullptr},
    {FL_C_REDIRECT_END_BULK, "fairlead_redirect_ends", "reason", "bulk", kRedirectEnd,
     "large messages: TCP is better for them"},
    {FL_C_REDIRECT_END_UNREAD, "fairlead_redirect_ends", "reason", "unread", kRedirectEnd,
     "the reader left too much unread: TCP gives back-pressure"},
    {FL_C_REDIRECT_NO_PEER, "fairlead_fallbacks", "reason", "redirect_peer_gone", kFallback,
     "the other end had left redirection: the message went by TCP"},
    {FL_C_REDIRECT_EXCL_BLOCKING, "fairlead_redirect_excluded", "reason", "blocking", kRedirectExcluded,
     "a blocking socket"},
    {FL_C_REDIRECT_EXCL_OPTION, "fairlead_redirect_excluded", "reason", "option", kRedirectExcluded,
     "a socket option that redirection cannot keep (SO_RCVLOWAT, SO_ZEROCOPY, ...)"},
    {FL_C_REDIRECT_EXCL_ULP, "fairlead_redirect_excluded", "reason", "ulp", kRedirectExcluded,
     "kernel TLS or another protocol on top of the socket"},
    {FL_C_REDIRECT_EXCL_SPLICE, "fairlead_redirect_excluded", "reason", "splice", kRedirectExcluded,
     "a reader that splices"},
    {FL_C_REDIRECT_EXCL_PROGRAM, "fairlead_redirect_excluded", "reason", "program", kRedirectExcluded,
     "a program that splices, or that --redirect-programs does not name"},
    {FL_C_REDIRECT_EXCL_URING, "fairlead_redirect_excluded", "reason", "io_uring", kRedirectExcluded,
     "a process that uses io_uring"},
    {FL_C_REDIRECT_EXCL_OPTED_OUT, "fairlead_redirect_excluded", "reason", "opted_out", kRedirectExcluded,
     "a workload that opted out, or opted in no longer"},
    {FL_C_REDIRECT_MSG_FLAGS, "fairlead_redirect_passed_messages", "reason", "flags", kRedirectPassed,
     "sent with flags that only TCP can serve"},
    {FL_C_REDIRECT_MSG_CALL, "fairlead_redirect_passed_messages", "reason", "call", kRedirectPassed,
     "sent by a call whose flags cannot be seen"},
    {FL_C_REDIRECT_MSG_SHUT, "fairlead_redirect_passed_messages", "reason", "shut", kRedirectPassed,
     "sent after an end had shut its side or closed"},
    {FL_C_REDIRECT_LEFT, "fairlead_redirect_left", nullptr, nullptr,
     "ends that were taken out of redirection after their connection was excluded", nullptr},
    {FL_C_REDIRECT_UNREAD_CLOSED, "fairlead_redirect_unread_closed", nullptr, nullptr,
     "ends that were closed with redirected bytes unread: their peers saw FIN, not RST", nullptr},
    {FL_C_REDIRECT_FULL, "fairlead_fallbacks", "reason", "redirect_table_full", kFallback,
     "no room in the sockhash: the connection stays on TCP"},
    {FL_C_REDIRECT_END_EVICTED, "fairlead_fallbacks", "reason", "redirect_end_evicted", kFallback,
     "more connections that wait for their other end than fit fl_redir_ends: one stayed on TCP"},
    {FL_C_REDIRECT_DIR_EVICTED, "fairlead_fallbacks", "reason", "redirect_direction_evicted", kFallback,
     "more directions that may be redirected than fit fl_redir_dirs: one stayed on TCP, or went back to it"},
    {FL_C_REDIRECT_COMM_ADDED, "fairlead_fallbacks", "reason", "redirect_program_evicted", kFallback,
     "more programs that splice than fit fl_redir_comms: one was forgotten until it splices again"},
    {FL_C_SOCKETS_ENDED, "fairlead_ended_sockets", nullptr, nullptr,
     "sockets ended because their endpoint is gone or policy forbids them", nullptr},
};

/// Of tables that push out a row for another: the counter of rows that were added, and how many fit. What is beyond
/// that has pushed out another.
struct Table {
  fl_counter added;
  std::uint64_t room;
};
constexpr Table kTables[] = {
    {FL_C_AFFINITY_ADDED, 65536}, {FL_C_UDP_ASKED_ADDED, 65536}, {FL_C_REDIRECT_COMM_ADDED, 4096}};

struct Reason {
  std::string_view name;
  std::string_view text;
};
constexpr Reason kReasons[FL_REASONS] = {
    {"none", "no failure"},
    {"no_backend", "the service has no usable endpoint"},
    {"over_limit", "a connection or pending limit was reached"},
    {"policy", "denied by policy"},
    {"policy_missing", "denied: its policy could not be loaded"},
    {"refused", "refused by the endpoint (RST)"},
    {"timeout", "the endpoint did not answer"},
    {"unreachable", "the endpoint is unreachable"},
    {"reset", "reset by the peer"},
    {"endpoint_gone", "ended: the endpoint was removed"},
    {"policy_changed", "ended: policy no longer allows it"},
    {"aborted", "given up by the application before it was established"},
    {"other", "another error"},
};

std::size_t cpus() {
  static const int kCpus = libbpf_num_possible_cpus();
  return kCpus > 0 ? static_cast<std::size_t>(kCpus) : 1;
}

Result<bpf_map_info> info_of(const Fd& map) {
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0)
    return fail(system_error("asking for the shape of a map of series", errno));
  return info;
}

template <class Value>
void add_words(Value& sum, const Value& part) {
  static_assert(sizeof(Value) % sizeof(std::uint64_t) == 0);
  constexpr std::size_t kWords = sizeof(Value) / sizeof(std::uint64_t);
  std::uint64_t a[kWords];
  std::uint64_t b[kWords];
  std::memcpy(a, &sum, sizeof sum);
  std::memcpy(b, &part, sizeof part);
  for (std::size_t i = 0; i < kWords; ++i) a[i] += b[i];
  std::memcpy(&sum, a, sizeof sum);
}

/// Calls take(key, sum over all CPUs) for each row of a per-CPU hash.
template <class Key, class Value, class Take>
Result<> each_sum(const Fd& map, const Take& take) {
  std::vector<Value> values(cpus());
  Key key{};
  Key next{};
  for (int status = bpf_map_get_next_key(map.get(), nullptr, &next); status == 0;
       status = bpf_map_get_next_key(map.get(), &key, &next)) {
    key = next;
    if (bpf_map_lookup_elem(map.get(), &key, values.data()) != 0) continue;  // removed meanwhile
    Value sum = values[0];
    for (std::size_t cpu = 1; cpu < values.size(); ++cpu) add_words(sum, values[cpu]);
    take(key, sum);
  }
  if (errno != ENOENT) return fail(system_error("reading a map of series", errno));
  return {};
}

template <class Key>
Result<> remove_rows(const Fd& map, std::span<const Key> keys) {
  for (const auto& key : keys)
    if (bpf_map_delete_elem(map.get(), &key) != 0 && errno != ENOENT)
      return fail(system_error("removing a row of a map of series", errno));
  return {};
}

}  // namespace

std::span<const CounterKind> counter_kinds() { return kKinds; }

std::string counter_name(const CounterKind& kind) {
  const std::string labels = kind.label == nullptr ? "" : std::string("{") + kind.label + "=\"" + kind.value + "\"}";
  return std::string(kind.metric) + "_total" + labels;
}

std::string_view reason_name(std::uint32_t reason) {
  return reason < FL_REASONS && !kReasons[reason].name.empty() ? kReasons[reason].name : "other";
}

std::string_view reason_text(std::uint32_t reason) {
  return reason < FL_REASONS && !kReasons[reason].text.empty() ? kReasons[reason].text : "another error";
}

Result<Counters> Counters::open(Fd map) {
  Counters counters;
  counters.map_ = std::move(map);
  return counters;
}

Result<std::array<std::uint64_t, FL_COUNTERS>> Counters::read() const {
  std::array<std::uint64_t, FL_COUNTERS> sums{};
  std::vector<std::uint64_t> values(cpus());
  for (std::uint32_t i = 0; i < FL_COUNTERS; ++i) {
    if (bpf_map_lookup_elem(map_.get(), &i, values.data()) != 0)
      return fail(system_error("reading fl_counters", errno));
    for (const auto value : values) sums[i] += value;
  }
  for (const auto& table : kTables) sums[table.added] -= std::min(sums[table.added], table.room);
  return sums;
}

Result<Pairs> Pairs::open(Fd map) {
  Pairs pairs;
  FL_TRY(const auto info, info_of(map));
  pairs.capacity_ = info.max_entries;
  const fl_pair_key overflow{};
  const std::vector<fl_pair_stats> zero(cpus());
  if (bpf_map_update_elem(map.get(), &overflow, zero.data(), BPF_NOEXIST) != 0 && errno != EEXIST && errno != E2BIG)
    return fail(system_error("making the overflow row of fl_pairs", errno));
  pairs.map_ = std::move(map);
  return pairs;
}

Result<std::vector<Pair>> Pairs::read() const {
  std::vector<Pair> pairs;
  const auto read = each_sum<fl_pair_key, fl_pair_stats>(
      map_, [&](const fl_pair_key& key, const fl_pair_stats& sum) { pairs.push_back({.key = key, .stats = sum}); });
  if (!read) return fail(read.error());
  return pairs;
}

Result<> Pairs::remove(std::span<const fl_pair_key> keys) const { return remove_rows(map_, keys); }

Result<BackendRows> BackendRows::open(Fd map) {
  BackendRows rows;
  rows.map_ = std::move(map);
  return rows;
}

Result<BackendSums> BackendRows::read() const {
  BackendSums sums;
  const auto read = each_sum<fl_backend_key, fl_backend_stats>(
      map_, [&](const fl_backend_key& key, const fl_backend_stats& sum) { sums.emplace(key, sum); });
  if (!read) return fail(read.error());
  return sums;
}

Result<> BackendRows::remove(std::span<const fl_backend_key> keys) const { return remove_rows(map_, keys); }

}  // namespace fairlead::telemetry
