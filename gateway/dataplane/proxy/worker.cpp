// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/worker.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "fairlead/net/listener.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::size_t kKeptExchanges = 1024;  // for other requests; beyond, memory is given back
constexpr std::size_t kClosedWhenExhausted = 16;  // idle connections, so that new ones find descriptors

Fd duplicate(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

}  // namespace

void Port::on_accept(Fd fd, const net::Endpoint& peer, const net::Endpoint& local) {
  worker.accept(*this, std::move(fd), peer, local);
}

void Port::keep(const net::KeepAlive& keep_alive) {
  if (kept == keep_alive || address.is_unix()) return;
  net::set_keep_alive(listener->fd(), keep_alive);
  kept = keep_alive;
}

bool Port::make_room(int error) { return worker.make_room(error); }

void Port::on_shed(std::uint64_t count) {
  worker.meter().count(meter_id, telemetry::ListenerCounter::kConnectionsShed, count);
}

Worker::Worker(event::Reactor& reactor, const WorkerProxy::Options& options)
    : reactor_(reactor),
      budget_(options.memory_limit),
      queue_(reactor, options.queue_limit_ms),
      connector_(reactor, pool_, h1_, [this](int error) { return make_room(error); }),
      random_(options.seed + options.worker),
      upstream_{.clock = clock_,
                .factory = connector_,
                .random = random_,
                .events = nullptr,
                .worker = options.worker,
                .shared = options.clusters},
      references_(options.references),
      observer_(reactor, options),
      next_connection_(options.worker),
      workers_(options.workers),
      told_of_exhaustion_(options.on_exhausted) {
  upstream_.shared->join(options.worker, [this](upstream::SharedClusters::Message message) {
    reactor_.post([this, message = std::move(message)] {
      if (set_ != nullptr) message(*set_);
    });
  });
}

Worker::~Worker() {
  upstream_.shared->join(upstream_.worker, nullptr);
  reactor_.forget(*this);
}

/// Only where the snapshot has another spec: 5 000 clusters that stay cost a comparison each.
void Worker::number_clusters(const Snapshot& snapshot) {
  const auto before = generation_ ? generation_->clusters.size() : 0;
  clusters_.resize(snapshot.clusters.size());
  for (std::size_t i = 0; i < clusters_.size(); ++i) {
    const auto& spec = snapshot.clusters[i];
    if (i < before && spec == generation_->clusters[i]) continue;
    clusters_[i] = spec != nullptr ? set_->find(spec->name) : nullptr;
  }
}

Result<> Worker::apply(const Update& update, std::vector<BoundSocket> sockets) {
  set_->apply(*update.clusters);
  number_clusters(*update.snapshot);
  generation_ = GenerationRef(new Generation(update.snapshot));
  std::erase_if(locals_, [](const auto& entry) { return entry.second.key.expired(); });
  return open_ports(*update.snapshot, std::move(sockets));
}

upstream::Cluster* Worker::cluster(const GenerationRef& generation, std::uint32_t number) {
  if (number >= generation->clusters.size()) return nullptr;
  if (generation == generation_) return clusters_[number];
  const auto& spec = generation->clusters[number];  // its number may be another's by now
  return spec != nullptr ? set_->find(spec->name) : nullptr;
}

/// Sessions of ports that are gone end with them.
Result<> Worker::open_datagrams(const Snapshot& snapshot, std::vector<BoundSocket>& sockets) {
  auto before = std::exchange(datagrams_, {});
  for (const auto& listener : snapshot.listeners) {
    if (listener->kind != ListenerKind::kDatagram || draining_) continue;
    for (const auto& address : listener->addresses) {
      const auto first = datagrams_.size();
      for (auto& port : before)
        if (port != nullptr && port->address() == address) datagrams_.push_back(std::move(port));
      FL_CHECK(open_given_datagrams(address, sockets));
      if (datagrams_.size() == first) return fail("no socket was given for UDP " + address.text());
      for (auto i = first; i < datagrams_.size(); ++i) datagrams_[i]->serve(generation_, *listener);
    }
  }
  return {};
}

Result<> Worker::open_given_datagrams(const net::SocketAddress& address, std::vector<BoundSocket>& sockets) {
  for (auto& given : sockets) {
    if (!given.fd || !given.datagram || given.address != address) continue;
    FL_TRY(auto made, DatagramPort::create(*this, address, std::move(given.fd)));
    if (!given.waits) FL_CHECK(made->resume());
    datagrams_.push_back(std::move(made));
  }
  return {};
}

Result<> Worker::open_ports(const Snapshot& snapshot, std::vector<BoundSocket> sockets) {
  FL_CHECK(open_datagrams(snapshot, sockets));
  std::vector<Port*> stays;
  for (const auto& listener : snapshot.listeners) {
    if (listener->kind == ListenerKind::kDatagram) continue;
    for (const auto& address : listener->addresses) {
      FL_CHECK(open_given(address, sockets));
      const auto before = stays.size();
      for (auto& port : ports_) {
        if (port->listener == nullptr || port->address != address) continue;
        port->spec = listener.get();
        port->keep(listener->limits->keep_alive);
        port->meter_id = observer_.listener(listener->name);
        port->logs = observer_.logs_of(*listener);
        port->shows_response = std::ranges::any_of(port->logs, [](const auto& log) { return log->shows_response(); });
        port->generation = generation_;
        stays.push_back(port.get());
      }
      if (stays.size() == before) return fail("no socket was given for " + address.text());
    }
  }
  for (auto& port : ports_)
    if (port->listener != nullptr && std::ranges::find(stays, port.get()) == stays.end()) close_port(*port);
  std::erase_if(ports_, [](const auto& port) { return port->listener == nullptr && port->connections == 0; });
  return {};
}

Result<> Worker::open_given(const net::SocketAddress& address, std::vector<BoundSocket>& sockets) {
  for (auto& given : sockets) {
    if (!given.fd || given.datagram || given.address != address) continue;
    auto& port = *ports_.emplace_back(std::make_unique<Port>(*this, address));
    FL_TRY(port.listener, net::Listener::create(reactor_, std::move(given.fd), port));
    if (draining_) port.listener->pause();
  }
  return {};
}

std::vector<BoundSocket> Worker::sockets() const {
  std::vector<BoundSocket> all;
  for (const auto& port : ports_) {
    if (port->listener == nullptr) continue;
    if (Fd fd = duplicate(port->listener->fd())) all.push_back({port->address, std::move(fd)});
  }
  for (const auto& port : datagrams_)
    if (Fd fd = duplicate(port->fd())) all.push_back({port->address(), std::move(fd), true});
  return all;
}

std::vector<DatagramSession> Worker::hold_datagrams() {
  std::vector<DatagramSession> all;
  for (const auto& port : datagrams_) port->hold(all);
  return all;
}

Result<> Worker::take_datagrams(std::vector<DatagramSession>& sessions) {
  for (const auto& port : datagrams_) {
    const auto own = net::socket_cookie(port->fd());
    for (auto& session : sessions) {
      if (!session.fd || session.port != own) continue;
      auto* const cluster = set_->find(session.cluster);  // not in the call: which argument comes first is open
      port->take(std::move(session), cluster);
    }
    FL_CHECK(port->resume());
  }
  return {};
}

std::size_t Worker::datagram_sessions() const {
  std::size_t sum = 0;
  for (const auto& port : datagrams_) sum += port->sessions();
  return sum;
}

void Worker::end_connections(const Port* port) {
  std::vector<Connection*> standing;
  for (const auto& connection : connections_)
    if (port == nullptr || &connection->port() == port) standing.push_back(connection.get());
  for (auto* connection : standing) connection->drain();
}

void Worker::close_port(Port& port) {
  port.listener->drain();
  closed_listeners_ += port.listener->counts();
  port.listener.reset();
  end_connections(&port);
}

void Worker::leave() {
  leaving_ = true;
  end_connections(nullptr);
}

void Worker::drain() {
  draining_ = true;
  datagrams_.clear();
  for (auto& port : ports_)
    if (port->listener != nullptr) close_port(*port);
}

void Worker::close_connections() {
  while (!connections_.empty()) {
    auto* last = connections_.back().get();
    last->close();
    last->end();  // where its session tells so only at the end of the turn
  }
}

/// What ends here is destroyed at the end of the turn, while the pools and buffers that it came from are still there.
void Worker::shut() {
  shut_ = true;
  datagrams_.clear();
  for (auto& port : ports_) port->listener.reset();
  close_connections();
  mirrors_.close();
  calls_.close();
  locals_.clear();
  reactor_.defer(*this);
}

void Worker::accept(Port& port, Fd fd, const net::Endpoint& peer, const net::Endpoint& local) {
  auto stream = net::TcpStream::accepted(reactor_, std::move(fd), peer, local);
  if (!stream) {
    meter().count(port.meter_id, telemetry::ListenerCounter::kConnectionsShed);
    return;
  }
  meter().count(port.meter_id, telemetry::ListenerCounter::kConnectionsOpened);
  ++port.connections;
  auto connection = std::make_unique<Connection>(*this, port);
  auto* raw = connection.get();
  raw->place_ = connections_.size();
  raw->id_ = next_connection_ += workers_;
  connections_.push_back(std::move(connection));
  if (leaving_) raw->drain();
  raw->start(std::move(*stream));
}

void Worker::forget(Connection& connection) {
  const auto place = connection.place_;
  std::unique_ptr<Connection> gone = std::move(connections_[place]);
  if (place + 1 != connections_.size()) {
    connections_[place] = std::move(connections_.back());
    connections_[place]->place_ = place;
  }
  connections_.pop_back();
  gone_.push_back(std::move(gone));
  reactor_.defer(*this);
}

void Worker::release(Port& port) {
  --port.connections;
  meter().count(port.meter_id, telemetry::ListenerCounter::kConnectionsClosed);
}

void Worker::let_go(std::unique_ptr<net::Stream> stream) {
  streams_gone_.push_back(std::move(stream));
  reactor_.defer(*this);
}

void Worker::on_turn_end() {
  gone_.clear();
  streams_gone_.clear();
  for (auto& exchange : finished_)
    if (free_.size() < kKeptExchanges) free_.push_back(std::move(exchange));
  finished_.clear();
  if (!shut_) return;
  ports_.clear();
  generation_ = {};
  clusters_.clear();
  set_.reset();  // what its pools close is destroyed in this turn still
}

std::unique_ptr<filter::Local>& Worker::local(const std::shared_ptr<const void>& key) {
  auto& entry = locals_[key.get()];
  if (entry.key.expired()) entry = {key, nullptr};  // another object may have had the address before
  return entry.object;
}

bool Worker::make_room(int error) {
  if (told_of_exhaustion_) told_of_exhaustion_(error);
  std::vector<Connection*> idle;
  for (const auto& connection : connections_)
    if (connection->gives_way()) idle.push_back(connection.get());
  const auto count = std::min(idle.size(), kClosedWhenExhausted);
  // Who asked last is likely to ask again.
  std::ranges::partial_sort(idle, idle.begin() + static_cast<std::ptrdiff_t>(count), {}, &Connection::heard_ms);
  idle.resize(count);
  for (auto* connection : idle) {
    meter().count(connection->port().meter_id, telemetry::ListenerCounter::kConnectionsShed);
    connection->close();
  }
  return !idle.empty();
}

void Worker::refused(Connection& connection, const http::Refusal& refusal) {
  observer_.refused(connection, refusal);
  watch_.failed({.status = refusal.status, .flags = {Flag::kDownstreamProtocolError}, .reason = refusal.why});
}

/// One line in a while: whoever floods has many connections.
void Worker::flooded(const Connection& connection, std::string_view kind) {
  constexpr std::uint64_t kBetween = 10'000;  // ms
  watch_.failed({.flags = {Flag::kDownstreamProtocolError}, .reason = kind});
  ++floods_untold_;
  const auto now = reactor_.now_ms();
  if (now < next_told_ms_) return;
  next_told_ms_ = now + kBetween;
  spdlog::warn("{}: {} of HTTP/2 by {}: the connection is closed ({} such since the last line of this worker)",
               connection.port_.spec->name, kind, connection.ends().peer.address.text(),
               std::exchange(floods_untold_, 0));
}

ProtocolCounters Worker::protocols() const {
  ProtocolCounters out{.http1 = h1_.counts,
                       .http2_clients = h2_counters_,
                       .http2_backends = connector_.h2_counters(),
                       .accepts = closed_listeners_};
  for (const auto& port : ports_)
    if (port->listener != nullptr) out.accepts += port->listener->counts();
  return out;
}

Exchange& Worker::take_exchange(Connection& connection) {
  ++active_;
  meter().count(connection.port().meter_id, telemetry::ListenerCounter::kRequestsBegun);
  if (free_.empty()) return *new Exchange(*this);
  auto* exchange = free_.back().release();
  free_.pop_back();
  return *exchange;
}

void Worker::watch(const Exchange& exchange) {
  const auto& record = exchange.record_;
  watch_.ended(record, exchange.tunnel_);
  if (record.flags.empty() && record.status < 500) return;
  watch_.failed({.duration_ns = record.times.end - record.times.start,
                 .status = record.status,
                 .flags = record.flags,
                 .method = exchange.head_.method_text,
                 .host = exchange.host_,
                 .path = exchange.target_.path,
                 .route = exchange.route_ != nullptr ? std::string_view(exchange.route_->name) : std::string_view(),
                 .reason = record.details});
}

void Worker::finished(Exchange& exchange) {
  --active_;
  watch(exchange);
  exchange.generation_ = {};
  finished_.emplace_back(&exchange);
  reactor_.defer(*this);
}

}  // namespace fairlead::proxy
