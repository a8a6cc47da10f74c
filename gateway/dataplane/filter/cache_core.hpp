// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/cache/flights.hpp"
#include "fairlead/cache/store.hpp"
#include "fairlead/filter/filter.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_cache.hpp"
#include "gateway/dataplane/filter/cache_shared.hpp"

// What the parts of the filter `cache` share: cache_key.cpp makes keys, cache_answer.cpp answers from what is stored,
// cache_pending.cpp waits, cache_response.cpp stores, cache_shared.cpp asks what gateways share, cache.cpp decides.
namespace fairlead::filter {

/// How a request was served; counted, and told in Cache-Status (RFC 9211 section 2).
enum class CacheOutcome : std::uint8_t {
  kHit,
  kStale,         ///< a hit that is not fresh: somebody revalidates, max-stale allows it, or the backend fails
  kUriMiss,
  kVaryMiss,
  kStaleForward,  ///< stored, but not fresh: validated or fetched anew
  kPass,          ///< not storable at present
  kMethod,
  kBypass,        ///< by its headers, a body, or a condition that only the origin can answer
  kRequest,       ///< its own Cache-Control: what is fresh is not for it, or 504 to only-if-cached
  kValidated,     ///< after kStaleForward: the backend said 304
  kAfterError,    ///< after kStaleForward: the backend failed, and what is stored was served
};
inline constexpr std::size_t kCacheOutcomes = static_cast<std::size_t>(CacheOutcome::kAfterError) + 1;

/// The numbers of a cache's counters, each the first of its set.
struct CacheCounters {
  telemetry::CounterId outcomes = 0;   ///< by CacheOutcome
  telemetry::CounterId responses = 0;  ///< by cache::Reason
  telemetry::CounterId waits = 0;      ///< that took too long
};

/// Owner: the filter, and what is under way for it. Thread: any.
struct CacheCore {
  model::ResponseCache settings;
  std::vector<cache::StatusTtl> statuses;
  cache::Defaults defaults;
  std::shared_ptr<cache::Store> store;
  std::shared_ptr<cache::Flights> flights;
  SharedPtr shared;  ///< null: in memory alone
  CacheCounters counters;

  /// `meter`: the worker's; null: nobody counts.
  void count(telemetry::WorkerMeter* meter, CacheOutcome outcome) const {
    if (meter != nullptr) meter->add(counters.outcomes + static_cast<telemetry::CounterId>(outcome));
  }
  void count(telemetry::WorkerMeter* meter, cache::Reason reason) const {
    if (meter != nullptr) meter->add(counters.responses + static_cast<telemetry::CounterId>(reason));
  }
};
using CorePtr = std::shared_ptr<const CacheCore>;

/// Appends scheme, host, port, path and query, as they stand at the beginning of a key.
void append_url(Request& request, const model::CacheKey& settings, std::string& out);
/// Of it the query alone: the parameters that are in keys.
void append_query(const route::Target& target, const model::CacheKey& settings, std::string& out);
/// The key of a request; its text is in `out`.
[[nodiscard]] cache::Key make_key(Request& request, const CacheCore& core, std::string& out);
/// The same for a cache by settings: of the method, too, and whatever the order of parameters.
[[nodiscard]] cache::Key make_settings_key(Request& request, const CacheCore& core, std::string& out);
/// A cache by settings.
[[nodiscard]] FilterPtr make_settings_cache(CorePtr core);
/// Takes query parameters away that are not in the key, so that the backend cannot answer by them.
void strip_query(Request& request, const model::CacheKey& settings);
/// Whether there are cookies that are not in the key.
[[nodiscard]] bool has_other_cookies(const http::Fields& fields, const model::CacheKey& settings);

/// How an answer from the store is told.
struct Told {
  bool collapsed = false;      ///< it waited for another request's response
  bool shared = false;         ///< it came from the shared store just now
  std::string_view key{};      ///< for X-Cache-Key; empty: not told
  std::uint16_t status = 0;    ///< of a backend that was asked; 0: none was
  bool by_request = false;     ///< which was asked since the request would not have what is fresh
};
/// 200, 206, 304 or 416, as the client asked: `fields` are those that it sent.
void answer_stored(Request& request, const CacheCore& core, const cache::Entry& entry, const http::Fields& fields,
                   const Told& told);
/// The value of Cache-Status for a request that is forwarded.
[[nodiscard]] std::string_view forward_status(CacheOutcome outcome, bool stored);

/// A string of the thread's own, empty: keys are built in it, so that a hit allocates nothing for them.
std::string& key_scratch();
std::string& vary_scratch();

}  // namespace fairlead::filter
