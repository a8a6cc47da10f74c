// SPDX-License-Identifier: Apache-2.0
#include "gateway/workers.hpp"

#include <sys/random.h>

#include "fairlead/net/listener.hpp"

namespace fairlead::gateway {

Result<std::unique_ptr<Workers>> Workers::start(unsigned count, const Common& common, TelemetryParts& telemetry) {
  std::unique_ptr<Workers> self(new Workers);
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) return fail(system_error("getrandom", errno));
  const auto clusters = std::make_shared<upstream::SharedClusters>(count);
  for (unsigned number = 0; number < count; ++number) {
    auto& part = *self->parts_.emplace_back(std::make_unique<Part>());
    proxy::WorkerProxy::Options options{.worker = number,
                                        .workers = count,
                                        .memory_limit = common.memory_limit / count,
                                        .queue_limit_ms = common.queue_limit_ms,
                                        .seed = seed,
                                        .on_exhausted = common.on_exhausted,
                                        .clusters = clusters,
                                        .references = common.references};
    telemetry.give(options);
    FL_TRY(part.thread, event::Worker::start(
                            {.name = "worker-" + std::to_string(number)},
                            [&part, options](event::Reactor& reactor) -> Result<> {
                              part.proxy = std::make_unique<proxy::WorkerProxy>(reactor, options);
                              return {};
                            },
                            [&part] { part.proxy.reset(); }));
  }
  return self;
}

Workers::~Workers() {
  for (auto& part : parts_) {
    if (part->thread == nullptr) continue;
    part->thread->call([&part] { part->proxy->shut(); });
    part->thread->stop();
    part->thread->join();
  }
}

/// Shares out what a predecessor had at this address: none may be left out, as connections may wait in its queue.
bool Workers::take_inherited(const net::SocketAddress& at, bool datagram) {
  std::size_t next = 0;
  for (auto& socket : inherited_)
    if (socket.fd && socket.address == at && socket.datagram == datagram)
      parts_[next++ % parts_.size()]->opened.push_back(std::move(socket));
  std::erase_if(inherited_, [](const auto& socket) { return !socket.fd; });
  return next >= parts_.size();
}

Result<net::SocketAddress> Workers::listen(const net::SocketAddress& at, bool datagram) {
  if (take_inherited(at, datagram)) return at;
  auto address = at;
  for (auto& part : parts_) {
    if (!part->opened.empty() && part->opened.back().address == at && part->opened.back().datagram == datagram)
      continue;  // inherited
    FL_TRY(Fd fd, datagram ? net::open_datagram(address) : net::open_listener(address, {.reuse_port = true}));
    FL_TRY(address, net::local_address(fd.get()));
    part->opened.push_back({address, std::move(fd), datagram});
  }
  return address;
}

Result<> Workers::apply(const proxy::Update& update) {
  Result<> result;
  snapshot_ = update.snapshot;
  for (auto& part : parts_)
    part->thread->call([&] {
      if (auto applied = part->proxy->apply(update, std::exchange(part->opened, {})); !applied)
        result = std::move(applied);
    });
  return result;
}

std::vector<proxy::BoundSocket> Workers::sockets() {
  std::vector<proxy::BoundSocket> all;
  for (auto& part : parts_)
    part->thread->call([&] {
      for (auto& socket : part->proxy->sockets()) all.push_back(std::move(socket));
    });
  return all;
}

std::vector<proxy::DatagramSession> Workers::hold_datagrams() {
  std::vector<proxy::DatagramSession> all;
  for (auto& part : parts_)
    part->thread->call([&] {
      for (auto& session : part->proxy->hold_datagrams()) all.push_back(std::move(session));
    });
  return all;
}

Result<> Workers::take_datagrams(std::vector<proxy::DatagramSession> sessions) {
  Result<> result;
  for (auto& part : parts_)
    part->thread->call([&] {
      if (auto taken = part->proxy->take_datagrams(sessions); !taken) result = std::move(taken);
    });
  return result;
}

void Workers::apply(const upstream::ClusterChanges& changes) {
  for (auto& part : parts_) part->thread->call([&] { part->proxy->apply(changes); });
}

void Workers::post(upstream::HealthChange change) {
  for (auto& part : parts_) part->thread->post([proxy = part->proxy.get(), change] { proxy->apply(change); });
}

void Workers::leave() {
  for (auto& part : parts_) part->thread->call([&part] { part->proxy->leave(); });
}

void Workers::drain() {
  for (auto& part : parts_) part->thread->call([&part] { part->proxy->drain(); });
}

std::size_t Workers::connections() {
  std::size_t sum = 0;
  for (auto& part : parts_) part->thread->call([&] { sum += part->proxy->connections(); });
  return sum;
}

proxy::Counters Workers::counters() {
  proxy::Counters sum;
  for (auto& part : parts_) part->thread->call([&] { sum += part->proxy->counters(); });
  return sum;
}

proxy::View Workers::view() {
  proxy::View sum;
  for (auto& part : parts_) part->thread->call([&] { sum.add(part->proxy->view()); });
  return sum;
}

std::vector<proxy::ClusterTotals> Workers::clusters() {
  std::vector<proxy::ClusterTotals> sum;
  for (auto& part : parts_) part->thread->call([&] { proxy::add(sum, part->proxy->clusters()); });
  return sum;
}

}  // namespace fairlead::gateway
