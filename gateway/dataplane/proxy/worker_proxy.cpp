// SPDX-License-Identifier: Apache-2.0
#include "fairlead/proxy/worker_proxy.hpp"

#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {

ProtocolCounters& ProtocolCounters::operator+=(const ProtocolCounters& other) {
  http1 += other.http1;
  http2_clients += other.http2_clients;
  http2_backends += other.http2_backends;
  accepts += other.accepts;
  return *this;
}

Counters& Counters::operator+=(const Counters& other) {
  connections += other.connections;
  requests += other.requests;
  refused += other.refused;
  out_of_memory += other.out_of_memory;
  streams += other.streams;
  datagram_sessions += other.datagram_sessions;
  for (std::size_t i = 0; i < stream_bytes.size(); ++i) stream_bytes[i] += other.stream_bytes[i];
  for (std::size_t i = 0; i < datagrams.size(); ++i) datagrams[i] += other.datagrams[i];
  for (std::size_t i = 0; i < stream_refusals.size(); ++i) stream_refusals[i] += other.stream_refusals[i];
  spliced_bytes += other.spliced_bytes;
  pipes_refused += other.pipes_refused;
  mirrors += other.mirrors;
  mirrors_dropped += other.mirrors_dropped;
  mirrors_failed += other.mirrors_failed;
  hedges += other.hedges;
  hedges_won += other.hedges_won;
  protocols += other.protocols;
  open_connections += other.open_connections;
  active_requests += other.active_requests;
  open_datagram_sessions += other.open_datagram_sessions;
  buffer_bytes += other.buffer_bytes;
  return *this;
}

WorkerProxy::WorkerProxy(event::Reactor& reactor, const Options& options)
    : worker_(std::make_unique<Worker>(reactor, options)) {}
WorkerProxy::~WorkerProxy() = default;

std::vector<BoundSocket> WorkerProxy::sockets() const { return worker_->sockets(); }
std::vector<DatagramSession> WorkerProxy::hold_datagrams() { return worker_->hold_datagrams(); }
Result<> WorkerProxy::take_datagrams(std::vector<DatagramSession>& sessions) {
  return worker_->take_datagrams(sessions);
}

Result<> WorkerProxy::apply(const Update& update, std::vector<BoundSocket> sockets) {
  return worker_->apply(update, std::move(sockets));
}
void WorkerProxy::apply(const upstream::ClusterChanges& changes) { worker_->apply(changes); }
void WorkerProxy::apply(const upstream::HealthChange& change) { worker_->apply(change); }
void WorkerProxy::leave() { worker_->leave(); }
void WorkerProxy::drain() { worker_->drain(); }
void WorkerProxy::close_connections() { worker_->close_connections(); }
void WorkerProxy::shut() { worker_->shut(); }
std::size_t WorkerProxy::connections() const { return worker_->connections(); }

View WorkerProxy::view() const { return worker_->view(); }
std::vector<ClusterTotals> WorkerProxy::clusters() const { return worker_->clusters(); }

Counters WorkerProxy::counters() const {
  using telemetry::ListenerCounter;
  const auto& meter = worker_->meter();
  Counters counters = worker_->counters();
  counters.connections = meter.total(ListenerCounter::kConnectionsOpened);
  counters.requests = meter.total(ListenerCounter::kRequestsBegun);
  counters.refused = meter.total(ListenerCounter::kMalformed);
  counters.pipes_refused = worker_->pipes().refused();
  counters.protocols = worker_->protocols();
  counters.open_connections = worker_->connections();
  counters.active_requests = worker_->exchanges();
  counters.open_datagram_sessions = worker_->datagram_sessions();
  counters.buffer_bytes = worker_->pool().budget().used();
  return counters;
}

}  // namespace fairlead::proxy
