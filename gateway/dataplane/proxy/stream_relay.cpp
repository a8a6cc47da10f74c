// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/stream_relay.hpp"

#include <system_error>

#include "fairlead/net/listener.hpp"
#include "fairlead/net/proxy_protocol.hpp"
#include "fairlead/route/choice.hpp"
#include "fairlead/tls/tls_stream.hpp"
#include "fairlead/upstream/backend.hpp"
#include "gateway/dataplane/proxy/connection.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::uint64_t kIdleMs = 3'600'000;  // where no policy says else
constexpr std::uint64_t kLooks = 4;           // at whether something has passed, in an idle time-out

using telemetry::ResponseFlag;

ResponseFlag flag_of(StreamRefusal why) {
  switch (why) {
    case StreamRefusal::kLimit: return ResponseFlag::kUpstreamOverflow;
    case StreamRefusal::kConnect: return ResponseFlag::kUpstreamConnectionFailure;
    case StreamRefusal::kOverloaded: return ResponseFlag::kOverloaded;
    default: return ResponseFlag::kNoHealthyUpstream;
  }
}

}  // namespace

StreamRelay::StreamRelay(Worker& worker, Connection& connection, GenerationRef generation, const StreamRoute& route)
    : worker_(worker),
      connection_(connection),
      generation_(std::move(generation)),
      route_(route),
      begun_ns_(worker.reactor().now_ns()) {}

StreamRelay::~StreamRelay() {
  end(true);
  auto& timers = worker_.reactor().timers();
  timers.cancel(connect_alarm_);
  timers.cancel(idle_alarm_);
}

void StreamRelay::begin(std::unique_ptr<net::Stream> client, std::string server_name) {
  client_ = std::move(client);
  server_name_ = std::move(server_name);
  client_->set_handler(&client_side_);
  if (worker_.overloaded()) return refuse(StreamRefusal::kOverloaded);
  if (!choose()) return refuse(StreamRefusal::kNoBackend);
  attempt();
}

bool StreamRelay::choose() {
  const auto chosen = route::pick_weighted(route_.action.backends, worker_.random().next());
  if (!chosen) return false;
  cluster_number_ = route_.action.backends[*chosen].cluster;
  return cluster_number_ != WeightedBackend::kInvalid;
}

void StreamRelay::attempt() {
  auto* const cluster = worker_.cluster(generation_, cluster_number_);
  if (cluster == nullptr) return refuse(StreamRefusal::kNoBackend);
  const auto begun = cluster->begin({.tried = {tried_.data(), tries_}}, false);
  if (begun.backend == nullptr)
    return refuse(begun.refusal || begun.reason == upstream::PickReason::kAllLimited ? StreamRefusal::kLimit
                                                                                     : StreamRefusal::kNoBackend);
  cluster_ = cluster;
  backend_ = begun.backend;
  last_ = backend_->endpoint().address;
  tried_[tries_++] = backend_;
  auto stream = net::TcpStream::connect(worker_.reactor(), net::SocketAddress(backend_->endpoint().address),
                                        {.source = {}, .keep_alive = cluster_->spec().pool.keep_alive});
  if (!stream) return failed(stream.error().message);
  connected_ = false;
  backend_stream_ = std::move(*stream);
  backend_stream_->set_handler(this);
  const auto limit = cluster_->spec().pool.connect_timeout;
  if (limit.count() > 0)
    worker_.reactor().timers().arm(connect_alarm_,
                                   worker_.reactor().now_ms() + static_cast<std::uint64_t>(limit.count()));
}

/// Connected; with TLS towards the backend a second time, when that is agreed on.
void StreamRelay::on_writable() {
  if (tunnel_) return;
  if (connected_) return pass();
  connected_ = true;
  if (!send_proxy_header()) return failed("the PROXY header was not taken");
  if (cluster_->spec().tls != nullptr && route_.backend_tls) return secure();
  pass();
}

/// Small, and the first bytes of the connection: the kernel takes it whole.
bool StreamRelay::send_proxy_header() {
  const auto version = cluster_->spec().pool.proxy_protocol;
  if (version == 0) return true;
  net::ProxyHeader header;
  header.has_endpoints = true;
  header.source = connection_.ends().peer;
  header.destination = connection_.ends().local;
  header.authority = server_name_;
  if (client_->tls() != nullptr) header.alpn = client_->tls()->alpn;
  std::string text;
  if (!net::write_proxy(version, header, text)) return false;
  const iovec piece{text.data(), text.size()};
  return backend_stream_->write({&piece, 1}).bytes == text.size();
}

void StreamRelay::secure() {
  auto context = std::const_pointer_cast<tls::ClientContext>(
      std::static_pointer_cast<const tls::ClientContext>(cluster_->spec().tls));
  std::unique_ptr<net::TcpStream> plain(static_cast<net::TcpStream*>(backend_stream_.release()));
  plain->set_handler(nullptr);
  auto secured = tls::TlsStream::connect(std::move(plain), std::move(context), backend_->name());
  if (!secured) return failed(secured.error().message);
  auto* const raw = secured->get();
  backend_stream_ = std::move(*secured);
  raw->set_handler(this);
  raw->start();
}

void StreamRelay::pass() {
  auto& reactor = worker_.reactor();
  reactor.timers().cancel(connect_alarm_);
  cluster_->observe(*backend_, {.status = 200});
  ++worker_.counters().streams;
  connected_ns_ = reactor.now_ns();
  if (const auto local = net::local_address(backend_stream_->fd())) last_local_ = local->endpoint();
  const auto idle = cluster_->spec().pool.stream_idle;
  idle_ms_ = idle.count() > 0 ? static_cast<std::uint64_t>(idle.count()) : kIdleMs;
  moved_ms_ = reactor.now_ms();
  reactor.timers().arm(idle_alarm_, moved_ms_ + idle_ms_ / kLooks + 1);
  net::TunnelOwner& owner = *this;
  tunnel_.emplace(reactor, worker_.pool(), worker_.pipes(), *client_, *backend_stream_, owner);
  tunnel_->start();
}

void StreamRelay::account() {
  if (!tunnel_) return;
  const std::array<std::uint64_t, 2> now{tunnel_->sent(), tunnel_->received()};
  if (now != told_) moved_ms_ = worker_.reactor().now_ms();
  for (std::size_t i = 0; i < now.size(); ++i) worker_.counters().stream_bytes[i] += now[i] - told_[i];
  told_ = now;
}

void StreamRelay::on_idle() {
  account();
  auto& reactor = worker_.reactor();
  if (reactor.now_ms() >= moved_ms_ + idle_ms_) {
    flags_.set(ResponseFlag::kStreamIdleTimeout);
    details_ = "idle_timeout";
    return end(false);
  }
  reactor.timers().arm(idle_alarm_, reactor.now_ms() + idle_ms_ / kLooks + 1);
}

void StreamRelay::on_failed(int error, std::string_view what) {
  failed(error != 0 ? std::generic_category().message(error) : std::string(what));
}

/// Not connected: another backend may be.
void StreamRelay::failed(std::string_view what) {
  failure_ = what;
  drop_try(upstream::Failure::kConnect);
  if (tries_ == kTries) return refuse(StreamRefusal::kConnect);
  attempt();
}

void StreamRelay::drop_try(upstream::Failure failure) {
  worker_.reactor().timers().cancel(connect_alarm_);
  if (backend_stream_ != nullptr) {
    backend_stream_->set_handler(nullptr);
    backend_stream_->close(true);
    worker_.let_go(std::move(backend_stream_));  // it may be on the stack
  }
  if (backend_ == nullptr) return;
  cluster_->observe(*backend_, {.failure = failure});
  cluster_->finish(*std::exchange(backend_, nullptr), false);
}

void StreamRelay::refuse(StreamRefusal why) {
  ++worker_.counters().stream_refusals[static_cast<std::size_t>(why)];
  flags_.set(flag_of(why));
  details_ = name_of(why);
  end(true);
}

/// The client has left before a backend was there.
void StreamRelay::give_up() {
  flags_.set(ResponseFlag::kDownstreamConnectionTermination);
  end(true);
}

void StreamRelay::on_tunnel_end(const net::TunnelEnd& how) {
  if (how.error != 0)
    flags_.set(how.by_client ? ResponseFlag::kDownstreamConnectionTermination
                             : ResponseFlag::kUpstreamConnectionTermination);
  end(how.error != 0);
}

/// Once, at the end.
void StreamRelay::tell() {
  if (client_ == nullptr || connection_.port().logs.empty()) return;
  telemetry::RequestRecord record;
  record.times.start = record.times.head = begun_ns_;
  record.times.connected = connected_ns_;
  record.bytes.request_body = told_[0];
  record.bytes.response_body = told_[1];
  record.attempts = static_cast<std::uint16_t>(tries_);
  record.flags = flags_;
  record.details = details_;
  record.route = route_.action.name;
  const auto& clusters = generation_->clusters;
  if (cluster_number_ < clusters.size() && clusters[cluster_number_] != nullptr)
    record.cluster = clusters[cluster_number_]->name;
  record.has_backend = last_.has_value();
  if (last_) record.backend = *last_;
  record.backend_local = last_local_;
  if (!tunnel_) record.failure = failure_;
  net::TlsFacts asked{.alpn = {}, .server_name = server_name_, .version = {}, .cipher = {}, .peer_identity = {}};
  record.tls = client_->tls() != nullptr ? client_->tls() : &asked;
  worker_.observer().passed(connection_, record);
}

/// The streams are closed and stay until this is destroyed, as they may be on the stack.
void StreamRelay::end(bool reset) {
  if (ended_) return;
  ended_ = true;
  account();
  tell();
  auto& timers = worker_.reactor().timers();
  timers.cancel(connect_alarm_);
  timers.cancel(idle_alarm_);
  for (auto* stream : {client_.get(), backend_stream_.get()}) {
    if (stream == nullptr) continue;
    stream->set_handler(nullptr);
    stream->close(reset);
  }
  if (backend_ != nullptr) {
    if (!tunnel_) cluster_->observe(*backend_, {.failure = upstream::Failure::kCancelled});
    cluster_->finish(*std::exchange(backend_, nullptr), false);
  }
  connection_.on_relay_end();
}

}  // namespace fairlead::proxy
