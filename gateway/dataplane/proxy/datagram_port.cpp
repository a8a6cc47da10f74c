// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/datagram_port.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fairlead/net/listener.hpp"
#include "fairlead/route/choice.hpp"
#include "fairlead/upstream/backend.hpp"
#include "gateway/dataplane/proxy/worker.hpp"

namespace fairlead::proxy {
namespace {

constexpr std::uint64_t kIdleMs = 60'000;  // where no policy says else
constexpr std::uint64_t kPatienceMs = 1000;  // with a backend that is ill, as others may be
constexpr int kMostPerTurn = 64;           // datagrams of a socket, so that others have their turn

/// The source of an answer is the address that was asked; the interface is the routing's to choose.
void forget_interface(msghdr& message) {
  for (auto* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != IPPROTO_IP || part->cmsg_type != IP_PKTINFO) continue;
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(part), sizeof info);
    info.ipi_ifindex = 0;
    info.ipi_spec_dst = info.ipi_addr;
    std::memcpy(CMSG_DATA(part), &info, sizeof info);
  }
}

}  // namespace

Result<std::unique_ptr<DatagramPort>> DatagramPort::create(Worker& worker, const net::SocketAddress& address, Fd fd) {
  const int on = 1;
  if (address.is_wildcard()) {
    if (address.family() == AF_INET6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    else setsockopt(fd.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  }
  return std::unique_ptr<DatagramPort>(new DatagramPort(worker, address, std::move(fd)));
}

DatagramPort::~DatagramPort() {
  worker_.reactor().timers().cancel(*this);
  if (reading_) worker_.reactor().remove(fd_.get(), *this);
  while (!quiet_.empty()) end(*quiet_.front(), upstream::Failure::kCancelled);
}

void DatagramPort::serve(GenerationRef generation, const ListenerSpec& spec) {
  generation_ = std::move(generation);
  spec_ = &spec;
}

Result<> DatagramPort::resume() {
  if (reading_) return {};
  FL_CHECK(worker_.reactor().add_level(fd_.get(), *this));
  reading_ = true;
  return {};
}

void DatagramPort::hold(std::vector<DatagramSession>& into) {
  if (std::exchange(reading_, false)) worker_.reactor().remove(fd_.get(), *this);
  const auto own = net::socket_cookie(fd_.get());
  while (!quiet_.empty()) {
    auto& session = *quiet_.front();
    worker_.reactor().remove(session.fd.get(), session);
    into.push_back({.port = own,
                    .client = session.client,
                    .control = std::string(session.control.data(), session.control_length),
                    .fd = std::move(session.fd),
                    .cluster = session.cluster->spec().name,
                    .backend = upstream::EndpointKey::of(session.backend->endpoint()),
                    .silent_ms = worker_.reactor().now_ms() - session.moved_ms,
                    .answered = session.answered});
    end(session, upstream::Failure::kCancelled);
  }
}

void DatagramPort::take(DatagramSession given, upstream::Cluster* cluster) {
  auto* const backend = cluster != nullptr ? cluster->find(given.backend) : nullptr;
  const auto endpoint = given.client.endpoint();
  const Key key{endpoint.address, endpoint.port};
  if (backend == nullptr || sessions_.contains(key) || given.control.size() > sizeof(Session::control) ||
      cluster->admit(*backend, false))
    return;
  auto session = std::make_unique<Session>(*this);
  session->client = given.client;
  std::ranges::copy(given.control, session->control.begin());
  session->control_length = given.control.size();
  session->fd = std::move(given.fd);
  session->cluster = cluster;
  session->backend = backend;
  session->answered = given.answered;
  auto& taken = add(key, std::move(session));
  const auto now = worker_.reactor().now_ms();
  taken.moved_ms = now - std::min(now, given.silent_ms);
  if (!worker_.reactor().add_level(taken.fd.get(), taken)) return end(taken, upstream::Failure::kPool);
  set_idle(taken);
  if (!armed()) look_later();
}

void DatagramPort::refuse(StreamRefusal why) { ++worker_.counters().stream_refusals[static_cast<std::size_t>(why)]; }

void DatagramPort::on_io(std::uint32_t) {
  for (int i = 0; i < kMostPerTurn; ++i)
    if (!take_one()) return;
}

/// One datagram of a client; false: there is none.
bool DatagramPort::take_one() {
  const auto into = worker_.pool().scratch();
  net::SocketAddress client;
  std::array<char, 64> control{};
  iovec piece{into.data(), into.size()};
  msghdr message{};
  message.msg_name = client.get_mutable();
  message.msg_namelen = *client.length_mutable();
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  if (got < 0) return errno == EINTR;
  *client.length_mutable() = message.msg_namelen;
  auto* const session = session_of(client);
  if (session == nullptr) return true;
  forget_interface(message);
  session->control = control;
  session->control_length = message.msg_controllen;
  if (::send(session->fd.get(), into.data(), static_cast<std::size_t>(got), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno == ECONNREFUSED) end(*session, upstream::Failure::kConnect);
    else refuse(StreamRefusal::kOverloaded);
    return true;
  }
  ++worker_.counters().datagrams[0];
  moved(*session);
  return true;
}

DatagramPort::Session* DatagramPort::session_of(const net::SocketAddress& client) {
  const auto endpoint = client.endpoint();
  const Key key{endpoint.address, endpoint.port};
  const auto known = sessions_.find(key);
  if (known == sessions_.end()) return begin(key, client);
  if (!leaves(*known->second)) return known->second.get();
  end(*known->second, upstream::Failure::kCancelled);
  return begin(key, client);
}

/// Whether another backend is to take over, as nobody would tell the client that its own is gone; or ill: then others
/// may be no better, so that this is not asked at each datagram.
bool DatagramPort::leaves(const Session& session) const {
  const auto& backend = *session.backend;
  if (backend.removed()) return true;
  if (backend.healthy() && !backend.ejection().ejected()) return false;
  return worker_.reactor().now_ms() - session.chosen_ms >= kPatienceMs;
}

/// Nullptr: refused, and counted.
DatagramPort::Session* DatagramPort::begin(const Key& key, const net::SocketAddress& client) {
  if (worker_.overloaded()) return refuse(StreamRefusal::kOverloaded), nullptr;
  if (sessions_.size() >= kMostSessions) return refuse(StreamRefusal::kLimit), nullptr;
  auto session = std::make_unique<Session>(*this);
  session->client = client;
  if (!choose(*session)) return nullptr;
  auto& made = add(key, std::move(session));
  const net::SocketAddress to(made.backend->endpoint().address);
  made.fd = Fd(::socket(to.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.fd || ::connect(made.fd.get(), to.get(), to.length()) != 0 ||
      !worker_.reactor().add_level(made.fd.get(), made)) {
    made.fd.reset();
    refuse(StreamRefusal::kConnect);
    end(made, upstream::Failure::kPool);
    return nullptr;
  }
  ++worker_.counters().datagram_sessions;
  set_idle(made);
  return &made;
}

DatagramPort::Session& DatagramPort::add(const Key& key, std::unique_ptr<Session> session) {
  auto& added = *session;
  added.place = quiet_.insert(quiet_.end(), &added);
  sessions_.emplace(key, std::move(session));
  return added;
}

void DatagramPort::set_idle(Session& session) {
  const auto idle = session.cluster->spec().pool.stream_idle;
  session.idle_ms = idle.count() > 0 ? static_cast<std::uint64_t>(idle.count()) : kIdleMs;
}

bool DatagramPort::choose(Session& session) {
  const auto* route = spec_->streams->find({});
  if (route == nullptr || route->action.backends.empty()) return refuse(StreamRefusal::kNoRoute), false;
  const auto chosen = route::pick_weighted(route->action.backends, worker_.random().next());
  const auto number = chosen ? route->action.backends[*chosen].cluster : WeightedBackend::kInvalid;
  auto* const cluster = number != WeightedBackend::kInvalid ? worker_.cluster(generation_, number) : nullptr;
  const auto begun = cluster != nullptr ? cluster->begin({}, false) : upstream::Begun{};
  if (begun.refusal) return refuse(StreamRefusal::kLimit), false;
  if (begun.backend == nullptr) return refuse(StreamRefusal::kNoBackend), false;
  session.cluster = cluster;
  session.backend = begun.backend;
  session.chosen_ms = worker_.reactor().now_ms();
  return true;
}

/// What the backend has sent.
void DatagramPort::receive(Session& session) {
  const auto into = worker_.pool().scratch();
  for (int i = 0; i < kMostPerTurn; ++i) {
    const auto got = ::recv(session.fd.get(), into.data(), into.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      return end(session, upstream::Failure::kConnect);  // an ICMP error: nobody listens there
    }
    if (!std::exchange(session.answered, true)) session.cluster->observe(*session.backend, {.status = 200});
    answer(session, static_cast<std::size_t>(got));
    moved(session);
  }
}

void DatagramPort::answer(const Session& session, std::size_t bytes) {
  auto client = session.client;
  auto control = session.control;
  iovec piece{worker_.pool().scratch().data(), bytes};
  msghdr message{};
  message.msg_name = client.get_mutable();
  message.msg_namelen = session.client.length();
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = session.control_length > 0 ? control.data() : nullptr;
  message.msg_controllen = session.control_length;
  if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return refuse(StreamRefusal::kOverloaded);
  ++worker_.counters().datagrams[1];
}

void DatagramPort::moved(Session& session) {
  session.moved_ms = worker_.reactor().now_ms();
  quiet_.splice(quiet_.end(), quiet_, session.place);
  if (!armed()) look_later();
}

void DatagramPort::end(Session& session, upstream::Failure failure) {
  if (session.fd) worker_.reactor().remove(session.fd.get(), session);
  session.fd.reset();
  if (!session.answered) session.cluster->observe(*session.backend, {.failure = failure});
  session.cluster->finish(*session.backend, false);
  quiet_.erase(session.place);
  const auto endpoint = session.client.endpoint();
  const auto at = sessions_.find({endpoint.address, endpoint.port});
  worker_.reactor().retire(std::move(at->second));  // it may be on the stack
  sessions_.erase(at);
}

/// Sessions of one port mostly have one idle time-out, so that the longest silent ends first; where a route has
/// several, a short one waits for the look at the longest silent, a second later at most.
void DatagramPort::look_later() {
  constexpr std::uint64_t kLook = 1000;
  if (quiet_.empty()) return;
  const auto& first = *quiet_.front();
  const auto now = worker_.reactor().now_ms();
  worker_.reactor().timers().arm(*this, std::min(std::max(first.moved_ms + first.idle_ms, now + 1), now + kLook));
}

void DatagramPort::on_timer() {
  const auto now = worker_.reactor().now_ms();
  while (!quiet_.empty() && quiet_.front()->moved_ms + quiet_.front()->idle_ms <= now)
    end(*quiet_.front(), upstream::Failure::kCancelled);
  look_later();
}

}  // namespace fairlead::proxy
