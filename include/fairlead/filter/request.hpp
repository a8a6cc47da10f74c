// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "fairlead/auth/consumer.hpp"
#include "fairlead/base/address.hpp"
#include "fairlead/base/arena.hpp"
#include "fairlead/event/reactor.hpp"
#include "fairlead/filter/filter.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/route/path.hpp"
#include "fairlead/telemetry/meter.hpp"
#include "fairlead/telemetry/record.hpp"
#include "fairlead/telemetry/response_flags.hpp"
#include "fairlead/upstream/random.hpp"

namespace fairlead::filter {

/// Who calls, as far as an authentication has found out. Texts live as long as the request (in its arena, or in what
/// `hold` keeps).
struct Identity {
  const auth::Consumer* consumer = nullptr;  ///< null: none, or not known
  std::string_view consumer_ns{};  ///< its namespace: names are unique there
  std::string_view credential;  ///< its name or id; never a secret
  std::string_view credential_id{};  ///< of itself: a user name, a key's id, an API key's name
  std::string_view subject;     ///< a token's sub, a certificate's name
  std::string_view claims;      ///< the payload of a verified token, JSON
  bool authenticated = false;   ///< false: anonymous
  std::shared_ptr<const void> hold{};  ///< what `consumer` points into
};

/// A whole answer in the backend's place. Views are good during Request::answer() only.
struct Answer {
  std::uint16_t status = 500;
  http::Fields fields{};  ///< content-type and others, without content-length
  std::string_view body{};
  telemetry::ResponseFlag flag = telemetry::ResponseFlag::kPolicyDenied;
  bool flagged = true;  ///< false: no failure (a cached answer, a mock): `flag` is not noted
  std::string_view details{};  ///< for the log: "rate_limited"; a literal
  /// Of problem details, for those who word answers otherwise: which method of several has refused, and why
  /// ("jwt:expired"); what settings say in the gateway's place.
  std::string_view reason{};
  std::string_view message{};
  std::string_view sentence{};  ///< what the body says to people; clients of gRPC get no body
};

/// A part of an answer that goes out as it comes. Views are good during Request::answer_part() only.
struct AnswerPart {
  const Answer* head = nullptr;  ///< of the first part, and only of it; its body does not count
  std::string_view body{};
  bool end = false;
  http::Fields trailers{};  ///< with the end
  bool kept = true;  ///< with the end: caches may, as far as the head lets them
};

/// What another server said to a call.
struct CallAnswer {
  http::ResponseHead head;
  http::Fields trailers;
  std::string body;
};

class CallHandler {
 public:
  /// One of them, once; never from within Request::call(). The answer is good during the call; its body may be moved
  /// from. The Call may be destroyed at any time, here too.
  virtual void on_call_answer(CallAnswer& answer) = 0;
  virtual void on_call_failure(std::string_view why) = 0;

 protected:
  ~CallHandler() = default;
};

/// A request of the gateway's own. Destroying it gives it up: the handler is not called any more.
class Call {
 public:
  virtual ~Call() = default;
};

struct CallSpec {
  std::uint32_t cluster = 0;  ///< by number, as a factory got it
  const http::RequestHead* head = nullptr;  ///< copied; content_length is set from body
  std::string_view body{};  ///< copied
  std::chrono::milliseconds timeout{5000};  ///< until the answer is whole
  std::size_t most_answer = 1024 * 1024;  ///< bytes of its body; a longer one is a failure
};

/// One object of a kind for each worker: connections to Redis, for instance. Thread: the worker's.
class Local {
 public:
  virtual ~Local() = default;
};

/// A request as filters see it, and what they may do. Owner: the proxy. Thread: the worker's.
class Request {
 public:
  [[nodiscard]] virtual http::RequestHead& head() = 0;
  /// Lower case, without a port; empty where there is none.
  [[nodiscard]] virtual std::string_view host() const = 0;
  /// The normalised path and the query, which may be replaced.
  [[nodiscard]] virtual route::Target& target() = 0;
  /// What a group of the expression has matched by which the path was chosen: by its name, or its number.
  [[nodiscard]] virtual std::optional<std::string_view> capture(std::string_view /*name*/) { return std::nullopt; }
  /// Behind trusted hops.
  [[nodiscard]] virtual const Address& client() const = 0;
  [[nodiscard]] virtual Identity& identity() = 0;
  [[nodiscard]] virtual std::string_view route_name() const = 0;  ///< "HTTPRoute default/web"
  [[nodiscard]] virtual std::string_view rule_name() const = 0;
  [[nodiscard]] virtual const telemetry::RequestRecord& record() const = 0;
  [[nodiscard]] virtual Arena& arena() = 0;  ///< as long as the request
  [[nodiscard]] virtual event::Reactor& reactor() = 0;
  [[nodiscard]] virtual upstream::Random& random() = 0;
  /// The worker's counters, which outlive it; null: nobody counts.
  [[nodiscard]] virtual telemetry::WorkerMeter* meter() { return nullptr; }
  /// Adds to one of Context::counters(): the first of them and the place of the one that is meant.
  void count(telemetry::CounterId counter, std::uint64_t by = 1) {
    if (auto* into = meter()) into->add(counter, by);
  }

  /// Another server has let the request pass: what answers it may be for that caller alone, known here or not.
  void set_authorized_elsewhere(bool value) { authorized_elsewhere_ = value; }
  [[nodiscard]] bool authorized_elsewhere() const { return authorized_elsewhere_; }

  /// Somebody only wants to know what would become of such a request: nothing may be begun or counted for it.
  [[nodiscard]] virtual bool asks_only() const { return false; }

  /// What the filter that is called now keeps; null: nothing yet.
  [[nodiscard]] virtual State* state() = 0;
  virtual void set_state(std::unique_ptr<State> state) = 0;

  /// After kWait. The request may be over when these two return, and with it all states: touch nothing of them then.
  virtual void resume() = 0;
  /// In place of resume(): as if the call that has waited had said kNeedBody.
  virtual void resume_with_body() {}
  virtual void answer(const Answer& answer) = 0;
  /// The same in parts, after which the request goes on until the last. Filters in front see a body of unknown
  /// length; where one answers in its place, further parts go nowhere.
  virtual void answer_part(const AnswerPart& /*part*/) {}
  /// From on_response: the body passes through it. Never for tunnels, nor where no body follows. The filter has set
  /// head.body to kStream where the length changes.
  virtual void pass_body(std::unique_ptr<BodyFilter> filter) = 0;

  /// The rule's canary takes the place of the backend that was chosen; false: there is none.
  virtual bool take_canary() { return false; }
  [[nodiscard]] virtual bool canary() const { return false; }  ///< it has taken that place

  /// Null: it could not begin, as there is no such cluster, no backend, or a limit was met.
  [[nodiscard]] virtual std::unique_ptr<Call> call(const CallSpec& spec, CallHandler& handler) = 0;
  /// The request as its own backend would be sent it now, as a call that may outlive the request, which goes on as if
  /// nothing had been asked: for who answers it otherwise. Null: as call(), or the rule has no backend.
  [[nodiscard]] virtual std::unique_ptr<Call> call_backend(CallHandler& /*handler*/,
                                                           std::chrono::milliseconds /*timeout*/,
                                                           std::size_t /*most_answer*/) {
    return nullptr;
  }
  /// The worker's own object for `key` (settings that several requests share), made where there is none. It goes some
  /// time after `key` has gone.
  template <class T, class Make>
  T& local(const std::shared_ptr<const void>& key, Make&& make) {
    auto& slot = local_slot(key);
    if (slot == nullptr) slot = make();
    return static_cast<T&>(*slot);
  }

 protected:
  ~Request() = default;
  [[nodiscard]] virtual std::unique_ptr<Local>& local_slot(const std::shared_ptr<const void>& key) = 0;

 private:
  bool authorized_elsewhere_ = false;
};

}  // namespace fairlead::filter
