// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/filter/chain.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/metrics/exposition.hpp"

namespace fairlead::filter {

class Request;
class Probe;

enum class Verdict : std::uint8_t {
  kContinue,  ///< the next filter, please
  kAnswered,  ///< Request::answer() was called: the backend is not asked
  kWait,      ///< Request::resume() or answer() follows, later: never from within the call
  kNeedBody,  ///< on_request_body() is called with the whole body, or enough of it, or the client gets 413
};

/// Changes or watches a response's body as it passes. Owner: the request. Thread: the worker's.
class BodyFilter {
 public:
  virtual ~BodyFilter() = default;
  /// What goes on in place of `data`: a view of it, or of a buffer that stays until the next call. `end`: the last
  /// piece; empty data is possible. Nothing: the body is broken, the client's stream is reset.
  virtual std::optional<std::string_view> on_data(std::string_view data, bool end) = 0;
  /// Before the last piece: what it has seen is for this request alone.
  virtual void not_to_be_kept() {}
};

/// What a filter keeps of one request. Destroyed when the request is over, however it ended: what is under way on its
/// behalf is given up there.
class State {
 public:
  virtual ~State() = default;
};

/// What a filter would do with a request that somebody asks about.
struct Preview {
  enum class Kind : std::uint8_t {
    kDepends,  ///< on what is not known before there is a request, or would change something
    kPasses,
    kAnswers,
  };
  Kind kind = Kind::kDepends;
  std::uint16_t status = 0;  ///< of an answer
  std::string why{};  ///< what decides, and how that stands now; may be empty
};

/// A number that a filter has at this moment, beside what requests count: how much is stored, how often something went.
struct Held {
  const char* family;  ///< a metric, without `_total`
  const char* help;
  metrics::Type type = metrics::Type::kGauge;  ///< or kCounter
  std::uint64_t value = 0;
};

/// One section of a policy, ready to run. Immutable but for what its settings count on purpose (limits, caches), which
/// is safe to use from all workers.
/// Owner: chains. Thread: any worker's, several at a time.
class Filter {
 public:
  virtual ~Filter() = default;

  /// The request's head has come. It may be changed; texts that are put into it live in request.arena().
  virtual Verdict on_request(Request&) const { return Verdict::kContinue; }
  /// With kNeedBody: the most that is taken, bytes.
  [[nodiscard]] virtual std::size_t most_body() const { return 0; }
  /// With kNeedBody: the first bytes that will do, bytes; on_request_body() is called once they are there, or the whole
  /// of a shorter body, and must leave them as they are. The rest is sent on behind them. Beyond most_body(): the
  /// whole.
  [[nodiscard]] virtual std::size_t enough_body() const { return std::numeric_limits<std::size_t>::max(); }
  /// The whole body, which may be changed: what it then holds is sent on, with its length. Or enough_body().
  virtual Verdict on_request_body(Request&, std::string& /*body*/) const { return Verdict::kContinue; }

  /// A response goes to the client, a backend's or one of ours; called for every filter whose on_request has said
  /// kContinue, from the last to the first. kAnswered: answer() was called, and takes the response's place.
  virtual Verdict on_response(Request&, http::ResponseHead&) const { return Verdict::kContinue; }

  /// The request is over, with its record complete; for those whose on_request was called.
  virtual void on_end(Request&) const {}

  /// For `fairctl gateway why`. Thread: main.
  [[nodiscard]] virtual Preview preview(Probe&) const { return {.why = "it is told once there is a request"}; }
  /// For metrics and `fairctl gateway filters`. Thread: main.
  [[nodiscard]] virtual std::vector<Held> held() const { return {}; }
};

}  // namespace fairlead::filter
