// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/arena.hpp"
#include "fairlead/event/timer_wheel.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/http/exchange.hpp"
#include "fairlead/proxy/snapshot.hpp"
#include "fairlead/route/forwarded.hpp"
#include "fairlead/route/router.hpp"
#include "fairlead/telemetry/record.hpp"
#include "fairlead/upstream/cluster.hpp"
#include "fairlead/upstream/persistence.hpp"
#include "gateway/dataplane/proxy/body_splice.hpp"
#include "gateway/dataplane/proxy/filter_run.hpp"
#include "gateway/dataplane/proxy/generation.hpp"

namespace fairlead::proxy {

class Worker;
class Connection;
class Hedge;
class Mirror;

using Flag = telemetry::ResponseFlag;

/// Calls a method of its owner when it is due.
template <class Owner>
class Alarm final : public event::Timer {
 public:
  using Method = void (Owner::*)();
  Alarm(Owner& owner, Method method) : owner_(owner), method_(method) {}
  void on_timer() override { (owner_.*method_)(); }

 private:
  Owner& owner_;
  Method method_;
};

/// One request and its response: routes it, tries backends until one answers, passes both bodies on, each held back by
/// the other side. It never sees a wire format.
/// Owner: its worker, which uses it again for another request. Thread: the worker's.
class Exchange final : public http::ServerHandler {
 public:
  explicit Exchange(Worker& worker);
  ~Exchange();

  /// Takes over a stream that a client has opened; gives itself back to the worker once all is over.
  void begin(Connection& connection, http::ServerStream& client);

  // What the client's session tells.
  void on_head(http::RequestHead& head, bool end) override;
  void on_body(std::string_view data, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_writable() override;
  void on_refused(const http::Refusal& refusal) override;
  void on_reset(http::Reset why) override;
  void on_done() override;

 private:
  friend class Worker;
  friend class Hedge;
  friend class FilterRun;

  /// The backend's side of the try that is under way: hands everything on.
  class Try final : public http::ClientHandler, public upstream::PoolWaiter {
   public:
    explicit Try(Exchange& exchange) : exchange_(exchange) {}
    void on_stream(http::ClientStream& stream) override { exchange_.on_backend_stream(stream); }
    void on_pool_failure(upstream::PoolFailure why, std::string_view text) override {
      exchange_.on_pool_failure(why, text);
    }
    void on_informational(http::ResponseHead& head) override { exchange_.on_informational(head); }
    void on_head(http::ResponseHead& head, bool end) override { exchange_.on_response_head(head, end); }
    void on_body(std::string_view data, bool end) override { exchange_.on_response_body(data, end); }
    void on_trailers(http::Fields& trailers) override { exchange_.on_response_trailers(trailers); }
    void on_writable() override { exchange_.on_backend_writable(); }
    void on_reset(http::Reset why) override { exchange_.on_backend_reset(why); }
    void on_done() override { exchange_.on_backend_done(); }

   private:
    Exchange& exchange_;
  };

  // Routing, exchange_route.cpp.
  bool normalise();
  [[nodiscard]] bool asks_to_connect() const;
  [[nodiscard]] bool misdirected() const;
  [[nodiscard]] std::optional<std::string_view> server_name() const;
  void route();
  [[nodiscard]] bool choose_cluster();
  [[nodiscard]] bool choose_canary();
  [[nodiscard]] bool answered_by_filter(const route::Match& match);
  void name_request();
  void prepare_head(std::string_view prefix);
  void change_response(http::ResponseHead& head);
  void answer(http::ResponseHead head);
  void answer_as_last();
  [[nodiscard]] bool switched(const http::ResponseHead& head) const;
  void find_client();
  void tell_identity();
  void clean_head();
  void strip_trailers();
  void on_slow_request();
  void limit_request();
  [[nodiscard]] bool too_large();

  // Filters on the way, exchange_filter.cpp.
  [[nodiscard]] bool filter_request();
  void forward();
  void hold_body(std::string_view data);
  void ask_for_body();
  void measure_body();
  void answer_whole(const filter::Answer& answer);
  void answer_part(const filter::AnswerPart& part);
  [[nodiscard]] bool begin_parts(const filter::Answer& answer);
  void send_whole(http::ResponseHead& head, std::string_view body);
  void send_piece(std::string_view data, bool end);
  [[nodiscard]] const filter::Chain* consumer_chain(const filter::Identity& identity) const;
  [[nodiscard]] bool holds() const { return filters_ != nullptr && filters_->holds(); }
  [[nodiscard]] bool changes_body() const { return filters_ != nullptr && filters_->changes_body(); }

  // Which backend, exchange_pick.cpp.
  [[nodiscard]] upstream::Begun begin_try();
  void hash_request(upstream::PickRequest& request) const;
  [[nodiscard]] std::string_view hashed_text(upstream::HashBy by, std::string_view name) const;
  void read_session();
  void start_session(http::ResponseHead& head);
  [[nodiscard]] const upstream::RetrySpec& retry_spec() const;
  void arm_request_timeout();
  void arm_try_timeout();
  void arm_idle_timeout();
  void on_idle();
  void moved();
  void begin_mirrors();

  // A second try beside the first, hedge.cpp.
  void arm_hedge();
  void hedge();
  bool on_hedge_answer(Hedge& hedge, std::uint16_t status);
  void on_hedge_failure(Hedge& hedge, upstream::Failure failure);
  void drop_hedges();

  // Trying, exchange_try.cpp.
  void attempt();
  [[nodiscard]] std::string_view authority_for(const upstream::Backend& backend);
  void send_request(http::ClientStream& stream);
  void on_backend_stream(http::ClientStream& stream);
  void on_pool_failure(upstream::PoolFailure why, std::string_view text);
  void on_backend_reset(http::Reset why);
  void on_backend_writable();
  void on_backend_done();
  void on_try_timeout();
  void on_request_timeout();
  /// `lost`: what it was where an answer had begun, or none could be read.
  void failed(upstream::Failure failure, std::string_view why, Flag lost = Flag::kUpstreamConnectionTermination);
  bool retry(const upstream::Outcome& outcome, std::uint32_t* grpc_status);
  void observe(const upstream::Outcome& outcome);
  void end_try();
  void drop_try();
  [[nodiscard]] bool trying() const { return backend_ != nullptr || waiting_; }

  // Answering.
  void on_informational(http::ResponseHead& head);
  void on_response_head(http::ResponseHead& head, bool end);
  void on_response_body(std::string_view data, bool end);
  void on_response_trailers(http::Fields& trailers);
  void reply(std::uint16_t status, Flag flag, std::string_view text);
  /// gRPC's mapping of HTTP statuses (doc/http-grpc-status-mapping.md of the gRPC project).
  [[nodiscard]] static std::string_view grpc_status_of(std::uint16_t status);
  std::string_view grpc_message(std::string_view text);
  void reply_grpc(http::Fields fields, std::string_view status, std::string_view text);
  [[nodiscard]] bool as_kong() const { return listener_->limits->style == AnswerStyle::kKong; }
  void tell_as_kong(std::string_view prefix);
  void answer_as_kong(const filter::Answer& answer, bool of_gateway);
  void reset_client(http::Reset why);
  void forget_kept();
  bool pass_on(std::string_view data, bool end);
  void keep(std::string_view data);
  void hold_client();
  void take_rest();

  // Long bodies, past the sessions, exchange_splice.cpp.
  void splice_request(std::size_t come);
  void splice_response(std::size_t come);
  [[nodiscard]] std::uint64_t last_moved_ms() const;
  void stop_splices();

  void over();

  // Telling, exchange_record.cpp.
  void begin_record();
  void record_head(bool end);
  void record_response(const http::ResponseHead& head);
  void record_grpc_status(const http::Fields& fields);
  void record_trailers(const http::Fields& trailers);
  void record_time(std::uint64_t telemetry::RequestTimes::* stage);
  void record_try(http::ClientStream& stream);
  void record_ends();
  void send_head(http::ResponseHead& head, bool end);
  void tell();

  Worker& worker_;
  Connection* connection_ = nullptr;
  GenerationRef generation_;
  http::ServerStream* client_ = nullptr;     // until it is done or reset
  http::ClientStream* backend_stream_ = nullptr;
  upstream::Cluster* cluster_ = nullptr;     // while a try is admitted to it
  upstream::Backend* backend_ = nullptr;     // a try was admitted to it
  const ListenerSpec* listener_ = nullptr;
  const RuleAction* action_ = nullptr;
  const RouteAction* route_ = nullptr;
  const WeightedBackend* target_backend_ = nullptr;
  const model::Cors* cors_ = nullptr;

  Try try_{*this};
  std::unique_ptr<FilterRun> filters_;           // made by the first request with filters, and kept
  std::unique_ptr<BodySplice> request_splice_;   // made by the first long body, and kept
  std::unique_ptr<BodySplice> response_splice_;
  Alarm<Exchange> request_alarm_{*this, &Exchange::on_request_timeout};
  Alarm<Exchange> receive_alarm_{*this, &Exchange::on_slow_request};
  Alarm<Exchange> try_alarm_{*this, &Exchange::on_try_timeout};
  Alarm<Exchange> backoff_alarm_{*this, &Exchange::attempt};
  Alarm<Exchange> idle_alarm_{*this, &Exchange::on_idle};
  Alarm<Exchange> hedge_alarm_{*this, &Exchange::hedge};

  Arena arena_;
  http::RequestHead head_;
  http::Fields trailers_;       // of the request, kept
  std::string kept_;            // of the request's body: not sent yet, or to be sent again by a retry
  std::string_view host_;       // normalised, as the next
  std::string_view prefix_;     // of the path, that the rule matched
  route::Match match_;          // of the router of the generation
  std::string_view matched_path_;  // filters may change the target
  route::Target target_;
  telemetry::RequestRecord record_;  // what counters, log and spans are told
  http::Fields request_fields_;      // as received; only while shown_, as the next two
  http::Fields response_fields_;
  http::Fields response_trailers_;
  route::Client client_addr_;        // who asks
  upstream::Outcome observed_;
  std::vector<Mirror*> mirrors_;                // while the request comes
  std::vector<std::unique_ptr<Hedge>> hedges_;  // under way, or the one whose answer goes to the client
  upstream::Session session_;                   // that the client brought
  Address client_address_;
  std::uint64_t idle_ms_ = 0;   // longest time in which nothing moves; 0: no limit
  std::uint64_t moved_ms_ = 0;  // when something did
  std::uint32_t cluster_number_ = 0;
  const upstream::Backend* tried_ = nullptr;  // by the try before; only compared, it may be gone
  std::uint32_t retries_ = 0;
  bool waiting_ = false;            // for the pool
  bool connect_timed_out_ = false;  // the last that was tried
  bool is_retry_ = false;           // the try that is under way
  bool observed_try_ = false;
  bool request_ended_ = false;      // whole, from the client
  bool request_sent_ = false;       // whole, to the backend
  bool has_trailers_ = false;
  bool replayable_ = true;          // kept_ is the whole body so far
  bool response_started_ = false;
  bool response_ended_ = false;
  bool client_paused_ = false;
  bool tunnel_ = false;
  bool shown_ = false;              // log or spans are told more than counters
  bool client_known_ = false;
  bool over_ = true;
};

}  // namespace fairlead::proxy
