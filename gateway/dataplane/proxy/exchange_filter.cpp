// SPDX-License-Identifier: Apache-2.0
// What filters ask of an exchange: to wait, to keep bodies, to answer in the backend's place.
#include <algorithm>

#include "fairlead/route/cors.hpp"
#include "fairlead/route/trailers.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/exchange.hpp"
#include "gateway/dataplane/proxy/kong_answers.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

/// Filters would go by the first, and the backend by another.
bool has_two_types(const http::Fields& fields) {
  constexpr std::string_view kName = "content-type";  // of one line (RFC 9110 sections 5.3 and 8.3)
  const auto* first = http::find(fields, kName);
  return first != nullptr && std::ranges::any_of(fields, [&](const http::Field& field) {
           return field.name == kName && field.value != first->value;
         });
}

}  // namespace

/// True: the request may go on now; else a filter has answered or waits.
bool Exchange::filter_request() {
  const auto* backend = target_backend_ != nullptr ? target_backend_->chain.get() : nullptr;
  if (route_->chain == nullptr && action_->chain == nullptr && backend == nullptr) return true;
  if (filters_ == nullptr) filters_ = std::make_unique<FilterRun>(*this);
  if (!filters_->begin({route_->chain.get(), action_->chain.get(), backend})) return true;
  if (!client_known_) find_client();
  record_.tls = connection_->tls();
  const auto& ends = connection_->ends();
  record_.peer = ends.peer;
  record_.local = ends.local;
  name_request();  // what filters answer may name it
  clean_head();
  if (has_two_types(head_.fields)) {
    reply(400, Flag::kDownstreamProtocolError, "two lines of Content-Type that differ");
    return false;
  }
  return filters_->run();
}

/// As with the head's fields, what tells of the client is not the client's to say. Others may be anything.
void Exchange::strip_trailers() {
  route::drop_forwarded(trailers_);
  if (filters_ != nullptr) filters_->strip_identity(trailers_);
}

const filter::Chain* Exchange::consumer_chain(const filter::Identity& identity) const {
  const auto& consumers = generation_->consumers;
  if (consumers == nullptr || identity.consumer == nullptr) return nullptr;
  const auto found = consumers->find(std::string(identity.consumer_ns).append("/").append(identity.consumer->name()));
  return found == consumers->end() ? nullptr : found->second.get();
}

/// Of a request that filters hold.
void Exchange::hold_body(std::string_view data) {
  kept_.append(data);
  if (filters_->on_body()) return forward();
  if (over_ || response_ended_ || !holds() || client_ == nullptr || client_paused_) return;
  if (kept_.size() <= filters_->most_held()) return;
  client_paused_ = true;
  client_->pause();
}

/// A filter waits for the whole of it: the client need not wait for the backend's leave, nor be held back.
void Exchange::ask_for_body() {
  if (client_ == nullptr) return;
  if (std::exchange(head_.expects_continue, false)) {
    http::ResponseHead go_on;
    go_on.status = 100;
    client_->send_informational(go_on);
  }
  on_backend_writable();
}

/// A filter has had the whole body in its hands.
void Exchange::measure_body() {
  if (has_trailers_ || (head_.body == http::Body::kNone && kept_.empty())) return;
  head_.body = http::Body::kLength;
  head_.content_length = kept_.size();
}

void Exchange::answer_whole(const filter::Answer& answer) {
  if (answer.flagged) record_.flags.set(answer.flag);
  record_.details = answer.details.empty() ? std::string_view("direct_response") : answer.details;
  record_.status = answer.status;
  // A backend's response that is whole already (a 304) ends by itself, and its connection serves others.
  if (!response_started_ || !response_ended_ || !request_sent_) drop_try();
  if (client_ == nullptr) return over();
  http::ResponseHead head;
  const auto* type = http::find(answer.fields, "content-type");
  const bool problem = record_.grpc || (type != nullptr && type->value == "application/problem+json");
  if (answer.flagged && as_kong() && problem) return answer_as_kong(answer, false);
  if (record_.grpc && answer.flagged) {
    head.fields = answer.fields;
    std::erase_if(head.fields, [](const http::Field& field) { return field.name == "content-type"; });
    return reply_grpc(std::move(head.fields), grpc_status_of(answer.status),
                      answer.sentence.empty() ? record_.details : answer.sentence);
  }
  head.status = answer.status;
  head.fields = answer.fields;
  send_whole(head, answer.body);
}

/// From the first one on it is as if a backend answered.
void Exchange::answer_part(const filter::AnswerPart& part) {
  if (part.head != nullptr && !begin_parts(*part.head)) return;
  if (client_ == nullptr || response_ended_) return;
  if (part.end && !part.trailers.empty()) {
    if (!part.body.empty()) on_response_body(part.body, false);
    auto trailers = part.trailers;
    if (client_ != nullptr) on_response_trailers(trailers);
  } else {
    on_response_body(part.body, part.end);
  }
}

/// False: a filter has answered in its place, or the client is gone.
bool Exchange::begin_parts(const filter::Answer& answer) {
  record_.details = answer.details;
  response_started_ = true;
  http::ResponseHead head;
  head.status = answer.status;
  head.fields = answer.fields;
  head.body = http::Body::kStream;
  if (cors_ != nullptr) route::apply_cors(*cors_, head_, head, arena_);
  if (!filters_->on_response(head, true)) return false;
  send_head(head, false);
  return client_ != nullptr;
}

/// `answer`: a filter's problem, or what the gateway has to say itself.
void Exchange::answer_as_kong(const filter::Answer& answer, bool of_gateway) {
  if (!client_known_) find_client();
  if (record_.request_id.empty()) name_request();
  const OwnAnswer own{.status = answer.status,
                      .flag = answer.flag,
                      .of_gateway = of_gateway,
                      .connect_timed_out = connect_timed_out_,
                      .details = answer.details,
                      .reason = answer.reason,
                      .message = answer.message,
                      .fields = &answer.fields,
                      .request = &head_,
                      .client = client_addr_.address,
                      .request_id = record_.request_id};
  http::ResponseHead head;
  head.status = record_.status = kong_status(own);
  head.fields = answer.fields;
  std::erase_if(head.fields, [](const http::Field& field) { return field.name == "content-type"; });
  change_challenges(head.fields, arena_);
  if (record_.grpc) return reply_grpc(std::move(head.fields), kong_grpc_status(head.status), kong_message(own));
  const auto text = kong_text(own);
  head.fields.push_back({"content-type", text.type});
  if (head.status == 426 && head_.version != http::Version::kHttp2)
    head.fields.push_back({"upgrade", "TLS/1.2, HTTP/1.1"});
  send_whole(head, text.body);
}

/// An answer of ours: filters that the request has passed see it as they see a backend's.
void Exchange::send_whole(http::ResponseHead& head, std::string_view body) {
  response_started_ = response_ended_ = true;
  const bool bodiless = head.status == 204 || head.status == 304 || head.status < 200;
  const bool follows = !bodiless && head_.method != http::Method::kHead;
  head.body = follows ? http::Body::kLength : http::Body::kNone;
  head.has_length = !bodiless;
  head.content_length = bodiless ? 0 : body.size();
  if (cors_ != nullptr) route::apply_cors(*cors_, head_, head, arena_);  // else a page could not see what is wrong
  if (filters_ != nullptr && filters_->active() && !filters_->on_response(head, follows)) return;
  if (!follows || (body.empty() && head.body == http::Body::kLength)) return send_head(head, true);
  send_head(head, false);
  if (client_ != nullptr) send_piece(body, true);
}

/// Of a response's body, through the filters, to the client.
void Exchange::send_piece(std::string_view data, bool end) {
  if (changes_body()) {
    const auto passed = filters_->on_data(data, end);
    if (!passed) return reset_client(http::Reset::kInternal);
    data = *passed;
    if (data.empty() && !end) return;
  }
  record_.bytes.response_body += data.size();
  const bool goes_on = client_->send_body(data, end);
  if (end || client_ == nullptr || backend_stream_ == nullptr) return;
  if (!goes_on) backend_stream_->pause();
}

}  // namespace fairlead::proxy
