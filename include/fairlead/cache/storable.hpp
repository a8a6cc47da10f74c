// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether a shared cache may store a response, and for how long it is fresh (RFC 9111 sections 3 and 4.2).

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "fairlead/cache/control.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::cache {

/// Why a response is not stored; each is a counter.
enum class Reason : std::uint8_t {
  kStorable,
  kMethod,         ///< the request was none that is stored
  kStatus,         ///< 1xx, 206, 304, or must-understand with a status that we do not know
  kFailure,        ///< made by the gateway since the backend failed
  kNoStore,
  kPrivate,
  kAuthorization,  ///< for one caller only, and nothing says that it may be shared (RFC 9111 section 3.5)
  kCookie,         ///< cookies came with the request, and the response has no time of its own
  kSetCookie,
  kVaryAny,        ///< Vary: *
  kNotFresh,       ///< no time, or one that has passed, and nothing to validate it by
  kTooLarge,
};
inline constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::kTooLarge) + 1;
[[nodiscard]] std::string_view name_of(Reason reason);  ///< "no_store"

struct StatusTtl {
  std::uint16_t status = 0;
  std::uint32_t seconds = 0;
};

/// What settings say where responses say nothing. Seconds.
struct Defaults {
  std::optional<std::uint32_t> ttl{};   ///< for 200, 203, 300, 301 and 308; nothing: by Last-Modified
  std::span<const StatusTtl> statuses{};  ///< before `ttl`
  std::uint32_t stale_while_revalidate = 0;
  std::uint32_t stale_if_error = 0;
};

/// What the request was like.
struct Asked {
  bool get = true;           ///< GET, without a body
  bool no_store = false;     ///< the request said so, and is listened to
  bool authorized = false;   ///< it had Authorization, or its caller is known
  bool own_key = false;      ///< its key holds the caller, so that nobody else can be given the response
  bool cookies = false;      ///< it had cookies that are not in its key
};

/// How a response may be used. Times in milliseconds.
struct Terms {
  Reason reason = Reason::kStorable;
  std::int64_t age = 0;        ///< when it came here (RFC 9111 section 4.2.3)
  std::int64_t lifetime = 0;   ///< fresh until it is so old
  std::int64_t stale_while_revalidate = 0;  ///< beyond lifetime
  std::int64_t stale_if_error = 0;          ///< the same
  bool validate_always = false;  ///< no-cache
  bool validate_stale = false;   ///< must-revalidate and its likes: never served once it is not fresh
};

/// `now`: seconds since 1970; `delay_ms`: from sending the request to its response; `targeted`: what the response says
/// to this cache alone, in place of Cache-Control and Expires (RFC 9213 section 2.2). Thread: any.
[[nodiscard]] Terms judge(const http::ResponseHead& head, const Asked& asked, const Defaults& defaults,
                          std::int64_t now, std::int64_t delay_ms,
                          const std::optional<Control>& targeted = std::nullopt);

/// A response to an unsafe method that makes what is stored for its target invalid (section 4.4).
[[nodiscard]] bool is_unsafe(http::Method method);

}  // namespace fairlead::cache
