// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/model/request_limits.hpp"

namespace fairlead::model {

struct Compression {
  enum class Encoding : std::uint8_t { kGzip, kBrotli, kZstd };
  struct One {
    Encoding encoding = Encoding::kGzip;
    int level = 0;
  };
  /// The earlier one wins where a client likes both as much.
  std::vector<One> encodings = {{Encoding::kZstd, 3}, {Encoding::kBrotli, 4}, {Encoding::kGzip, 6}};
  std::uint64_t min_length = 1024;  ///< bytes; of answers whose length is known
  /// "text/*", "application/json", "*+json"; in lower case. Empty: the list that docs/reference gives.
  std::vector<std::string> content_types;
};

/// Which part of a request tells responses apart, beside scheme, host and path.
struct CacheKey {
  std::optional<std::vector<std::string>> query_include;  ///< nothing: all of them
  std::vector<std::string> query_exclude;
  std::vector<std::string> headers;  ///< in lower case
  std::vector<std::string> cookies;
  bool consumer = false;
  bool ignore_case = false;  ///< of paths; with ResponseCache::by_settings
};

struct ResponseCache {
  struct StatusTtl {
    std::uint16_t status = 0;
    std::chrono::milliseconds ttl{};
  };
  std::uint64_t max_bytes = 64 << 20;
  std::uint64_t max_object_bytes = 1 << 20;
  std::optional<std::chrono::milliseconds> default_ttl;
  std::vector<StatusTtl> statuses;
  bool get = true;
  bool head = true;
  /// What is stored, and for how long, is said by the fields below alone, whatever responses and clients say; with
  /// honour_request_directives by both. Else by RFC 9111.
  bool by_settings = false;
  std::vector<std::string> methods{"GET", "HEAD"};  ///< with by_settings
  std::vector<std::string> content_types;  ///< the same; of them "*" stands for any part; empty: all
  std::chrono::milliseconds keep_for{};    ///< the same: what is older than this has not been there
  CacheKey key;
  std::chrono::milliseconds stale_while_revalidate{};
  std::chrono::milliseconds stale_if_error{};
  bool honour_request_directives = false;
  std::vector<std::string> bypass_headers;  ///< in lower case
  bool cache_status_header = true;
  bool age_header = true;
  bool key_header = false;  ///< X-Cache-Key; with by_settings
  std::vector<std::string> tag_headers = {"surrogate-key", "cache-tag"};  ///< in lower case
  std::vector<std::string> control_headers;  ///< before Cache-Control and Expires (RFC 9213); in lower case
  bool coalesce = true;
  std::chrono::milliseconds max_wait{5000};  ///< for another request's response
  std::shared_ptr<const RedisSettings> redis{};  ///< shared with other gateways; null: in memory alone
  std::uint64_t max_shared_bytes = 256 << 10;    ///< of a response there, with its fields
};

}  // namespace fairlead::model
