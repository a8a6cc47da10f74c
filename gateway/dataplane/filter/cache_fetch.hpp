// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "gateway/dataplane/filter/cache_core.hpp"

namespace fairlead::filter {

inline constexpr std::int64_t kPassMs = 10'000;  ///< for so long nobody waits for what was not stored

/// In memory, then in the shared store. False: not, as it was purged meanwhile or is too large.
bool store_entry(const CacheCore& core, const cache::Key& key, const cache::EntryPtr& entry, std::uint64_t epoch,
                 const SharedTicket& ticket);

/// What has to be known of a request once its response comes. Texts live as long as whoever has it sees to.
struct CacheFetch {
  CorePtr core;
  telemetry::WorkerMeter* meter = nullptr;
  cache::Key key;
  http::Fields asked;  ///< as the client sent them
  cache::Asked who;
  std::int64_t sent_ms = 0;  ///< CLOCK_MONOTONIC
  std::uint64_t epoch = 0;   ///< of the store then
  SharedTicket ticket{};     ///< the same of the shared one

  bool store(const cache::EntryPtr& entry) const { return store_entry(*core, key, entry, epoch, ticket); }

  /// Whether a response may be stored; `failed`: the gateway made it.
  [[nodiscard]] cache::Terms judge(const http::ResponseHead& head, bool failed, std::int64_t now_ms) const;
  /// Without status and body.
  [[nodiscard]] std::shared_ptr<cache::Entry> make_entry(const http::Fields& fields, const cache::Terms& terms,
                                                         std::int64_t now_ms) const;
  /// The stored response holds: its fields and times become those of the 304. `stored`: and so they stand in the store.
  [[nodiscard]] cache::EntryPtr freshen(const cache::Entry& stale, const http::Fields& update, std::int64_t now_ms,
                                        bool& stored) const;
  /// Takes a key's entries away and lets nobody wait for it for a while, where the reason holds for whoever asks next.
  void not_stored(std::uint16_t status, cache::Reason reason, std::int64_t now_ms) const;
};

/// Asks the backend, beside a request that is answered from `stale`, whether that still holds, and stores what it says.
/// The request's head has the conditions. Takes `lead` where it returns true; false: it could not begin.
/// Thread: the worker's.
[[nodiscard]] bool refetch(Request& request, const CacheFetch& fetch, const cache::EntryPtr& stale,
                           std::unique_ptr<cache::Lead>& lead);

}  // namespace fairlead::filter
