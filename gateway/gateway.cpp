// SPDX-License-Identifier: Apache-2.0
#include "gateway/gateway.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include "fairlead/event/loop.hpp"
#include "fairlead/tls/ktls.hpp"
#include "gateway/backend_watch.hpp"
#include "gateway/certificate_files.hpp"
#include "gateway/config_plan.hpp"
#include "gateway/confinement.hpp"
#include "gateway/kong_metrics.hpp"
#include "gateway/kong_source.hpp"
#include "gateway/machine_limits.hpp"
#include "gateway/plan.hpp"
#include "gateway/publisher.hpp"
#include "gateway/quota_keeper.hpp"
#include "gateway/redis_watch.hpp"
#include "gateway/serving.hpp"
#include "gateway/session_keys.hpp"
#include "gateway/succession.hpp"
#include "gateway/telemetry_parts.hpp"
#include "gateway/workers.hpp"

namespace fairlead::gateway {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrainLook = 20ms;  // between two looks at what is still under way
constexpr auto kNamesWait = 5s;    // at the start, for the first answers of name servers
constexpr auto kRedisLook = 1s;
constexpr auto kFilesLook = 1s;    // at --cert and --key
constexpr auto kTick = 60s;        // between two looks at what is only a matter of time

Result<Fd> take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&set, number);
  // Blocked before any thread starts, so that all inherit it.
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return fail(system_error("blocking signals", errno));
  ::signal(SIGPIPE, SIG_IGN);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail(system_error("signalfd", errno));
  return fd;
}

}  // namespace

struct Gateway::Parts {
  Arguments arguments;
  Fd signals;
  std::unique_ptr<event::Loop> loop;
  std::unique_ptr<TelemetryParts> telemetry;
  std::shared_ptr<tls::TicketKeys> tickets;
  std::unique_ptr<CertificateFiles> certificate;  // null: without TLS by the command line
  std::unique_ptr<Workers> workers;
  std::unique_ptr<QuotaKeeper> quotas;  // null: nothing is kept
  std::unique_ptr<BackendWatch> watch;
  std::unique_ptr<KongSource> kong;    // null: --config is none of Kong's
  std::unique_ptr<ConfigPlan> config;  // null: by the command line alone
  RedisWatch redis;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Serving> serving;
  std::unique_ptr<Succession> succession;
  event::Loop::TimerId drain_limit = 0;
  bool leaving = false;   // told to end
  bool draining = false;  // and no longer accepting
  MachineLimits limits;
  event::Loop::Clock::time_point told_of_exhaustion{};

  Result<> start();
  Result<> listen();
  Result<> follow();
  Result<> serve();
  Result<> await_successor();
  void take(Result<std::optional<proxy::Update>> update);
  void handle_signals();
  void exhausted(int error);
  void take_certificate(Result<bool> changed);
  void relieve();
  void hand_over();
  void take_datagrams(std::vector<proxy::DatagramSession> sessions);
  void leave(std::uint32_t signal);
  void drain();
};

Result<> Gateway::Parts::listen() {
  if (!arguments.certificate.empty()) {
    FL_TRY(certificate, CertificateFiles::open(arguments.certificate, arguments.key, arguments.ocsp, tickets));
    loop->every(kFilesLook, [this] { take_certificate(certificate->look()); });
  }
  const auto tls = certificate != nullptr ? certificate->context() : nullptr;
  std::vector<std::uint16_t> ports(arguments.listen.size(), 0);
  FL_TRY(const auto wanted, plan_from_arguments(arguments, ports, telemetry->logs().standard(), tls));
  for (std::size_t i = 0; i < ports.size(); ++i) {
    FL_TRY(const auto at, workers->listen(wanted.snapshot->listeners[i]->addresses[0]));
    ports[i] = at.endpoint().port;
  }
  FL_TRY(const auto plan, plan_from_arguments(arguments, ports, telemetry->logs().standard(), tls));
  auto clusters = std::make_shared<const upstream::ClusterChanges>(watch->apply(*plan.clusters));
  FL_CHECK(workers->apply({plan.snapshot, std::move(clusters)}));
  for (const auto& listener : plan.snapshot->listeners)
    std::printf("listening on %s://%s\n", listener->tls != nullptr ? "https" : "http",
                listener->addresses[0].text().c_str());
  return {};
}

/// Serves the configuration, and follows it.
Result<> Gateway::Parts::follow() {
  FL_TRY(kong, KongSource::open(arguments));
  if (kong != nullptr) {
    FL_CHECK(loop->watch(kong->fd(), EPOLLIN, [this](std::uint32_t) { kong->changed(); }));
  }
  FL_TRY(config, ConfigPlan::open(kong != nullptr ? kong->folder() : arguments.config, arguments.zone, tickets,
                                  &telemetry->logs(), &telemetry->meter()));
  publisher = std::make_unique<Publisher>(*workers, *watch);
  FL_TRY(const auto first, config->load());
  set_kong_meter(telemetry->kong_meter(), config->objects());
  FL_CHECK(publisher->publish(*first));
  // What one Gateway asks for and cannot have is no reason not to serve the others. Kong serves all ports or none.
  const auto& failures = publisher->failures();
  if (!failures.empty() && (kong != nullptr || !publisher->serves_any())) return fail(failures.front());
  config->set_unusable(publisher->unusable());
  if (first->snapshot->listeners.empty())
    spdlog::warn("{}: found no listener that can be served; waiting for one", arguments.config);
  loop->every(kTick, [this] { config->tick(); });
  loop->every(kRedisLook, [this] { redis.look(config->filters()); });
  return loop->watch(config->fd(), EPOLLIN, [this](std::uint32_t) { take(config->follow()); });
}

/// What cannot be used leaves the one before in force.
void Gateway::Parts::take_certificate(Result<bool> changed) {
  if (!changed) return spdlog::error("--cert: {}: the certificate before stays in force", changed.error().message);
  if (draining || !*changed) return;
  if (const auto done = workers->apply(with_tls(*workers->snapshot(), certificate->context())); !done)
    return spdlog::error("--cert: {}", done.error().message);
  spdlog::info("--cert: another certificate is in force");
}

/// What cannot be read or opened leaves what is served as it is.
void Gateway::Parts::take(Result<std::optional<proxy::Update>> update) {
  if (!update) return spdlog::error("{}: {}", arguments.config, update.error().message);
  if (draining || !*update) return;
  set_kong_meter(telemetry->kong_meter(), config->objects());
  if (const auto done = publisher->publish(**update); !done)
    spdlog::error("{}: {}", arguments.config, done.error().message);
  config->set_unusable(publisher->unusable());
}

Result<> Gateway::Parts::start() {
  limits = {.files = raise_file_limit(), .memory = buffer_limit(arguments.memory_limit)};
  FL_CHECK(confine());
  if (arguments.kernel_tls == "auto") tls::use_ktls(tls::probe_ktls());
  FL_TRY(signals, take_signals());
  FL_TRY(loop, event::Loop::create());
  FL_CHECK(loop->watch(signals.get(), EPOLLIN, [this](std::uint32_t) { handle_signals(); }));
  const auto count = arguments.workers != 0 ? arguments.workers : static_cast<unsigned>(event::usable_cpus());
  take_kong_tracing(arguments);
  FL_TRY(telemetry, TelemetryParts::create(arguments));
  FL_TRY(tickets, tls::TicketKeys::create({}, event::Loop::Clock::now()));
  loop->every(kTick, [this] {
    if (const auto done = tickets->rotate_if_due(event::Loop::Clock::now()); !done)
      spdlog::error("session ticket keys: {}", done.error().message);
  });
  FL_TRY(auto references, make_session_references(arguments.session_key));
  FL_TRY(workers,
         Workers::start(count,
                        {.memory_limit = limits.memory,
                         .queue_limit_ms = arguments.queue_limit_ms,
                         .on_exhausted = [this](int error) { loop->post([this, error] { exhausted(error); }); },
                         .references = std::move(references)},
                        *telemetry));
  FL_TRY(watch, BackendWatch::start(*workers, *loop, arguments.dns));
  FL_CHECK(serve());
  FL_TRY(serving, Serving::open(arguments, *workers, *watch, *loop, *telemetry, config.get(), quotas.get(), limits));
  if (serving->metrics_port() != 0) std::printf("admin on %s\n", serving->metrics_address().c_str());
  serving->start();
  FL_CHECK(await_successor());
  std::puts("ready");
  std::fflush(stdout);
  return {};
}

/// With --upgrade on the sockets of the gateway before, which drains from then on.
Result<> Gateway::Parts::serve() {
  std::unique_ptr<Predecessor> before;
  if (arguments.upgrade) {
    FL_TRY(before, Predecessor::meet(succession_path(arguments.socket)));
    if (before != nullptr) workers->inherit(before->take());
    else spdlog::info("--upgrade: nobody waits for a successor at {}", succession_path(arguments.socket));
  }
  if (const auto directory = state_directory(arguments.state_dir); !directory.empty()) {
    FL_TRY(quotas, QuotaKeeper::open(directory, before != nullptr, before != nullptr ? before->take_lock() : Fd()));
  }
  FL_CHECK(arguments.config.empty() ? listen() : follow());
  workers->forget_inherited();
  watch->await_names(kNamesWait);
  if (before != nullptr) {
    FL_TRY(auto legacy, before->relieve());
    take_datagrams(std::move(legacy.sessions));
    if (!legacy.tickets.empty()) FL_CHECK(tickets->inherit(std::move(legacy.tickets), event::Loop::Clock::now()));
  }
  if (quotas == nullptr) return {};
  if (before != nullptr) quotas->take_over();
  quotas->start();
  return {};
}

Result<> Gateway::Parts::await_successor() {
  if (arguments.socket.empty()) return {};
  FL_TRY(succession, Succession::open(succession_path(arguments.socket), *loop,
                                      {.sockets = [this] { return workers->sockets(); },
                                       .lock = [this] { return quotas != nullptr ? quotas->lock().get() : -1; },
                                       .relieved = [this] { relieve(); },
                                       .tickets = [this] { return tickets->keys(); },
                                       .sessions = [this] { return workers->hold_datagrams(); },
                                       .drain = [this] { hand_over(); },
                                       .resume = [this] { take_datagrams({}); }}));
  return {};
}

void Gateway::Parts::handle_signals() {
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1) telemetry->logs().reopen();
    if (info.ssi_signo == SIGUSR1) continue;
    if (info.ssi_signo == SIGHUP) {
      if (draining) continue;
      if (certificate != nullptr) {
        const auto read = certificate->load();
        take_certificate(read ? Result<bool>(true) : fail(read.error()));
      }
      if (config == nullptr) continue;
      spdlog::info("SIGHUP: looking at the configuration again");
      if (kong != nullptr) kong->changed();
      take(config->load());
      publisher->retry();
      config->set_unusable(publisher->unusable());
      continue;
    }
    if (leaving || draining) {
      spdlog::warn("signal {} again: not waiting for {} connections", info.ssi_signo, workers->connections());
      loop->stop();
      return;
    }
    leave(info.ssi_signo);
  }
}

/// Readiness goes first. Who sends clients here needs a while to learn of it: whoever still comes is served, and told
/// by the answer to connect elsewhere.
void Gateway::Parts::leave(std::uint32_t signal) {
  leaving = true;
  serving->not_ready();
  if (arguments.drain_delay_seconds > 0) {
    spdlog::info("signal {}: not ready; new connections are served for {} s more", signal,
                 arguments.drain_delay_seconds);
    workers->leave();
    loop->after(std::chrono::seconds(arguments.drain_delay_seconds), [this] { drain(); });
    return;
  }
  spdlog::info("signal {}: no new connections, {} are to end", signal, workers->connections());
  drain();
}

/// Metrics count each; the log says it once in a while.
void Gateway::Parts::exhausted(int error) {
  const auto now = event::Loop::Clock::now();
  if (told_of_exhaustion != event::Loop::Clock::time_point{} && now < told_of_exhaustion + kTick) return;
  told_of_exhaustion = now;
  spdlog::warn("{}: new connections are closed, and idle ones make room; {} files may be open (systemd: LimitNOFILE=)",
               system_error("accepting connections", error).message, limits.files);
}

/// The successor reads what is written here next.
void Gateway::Parts::relieve() {
  serving->stop();
  if (quotas != nullptr) quotas->write();
}

void Gateway::Parts::take_datagrams(std::vector<proxy::DatagramSession> sessions) {
  if (const auto taken = workers->take_datagrams(std::move(sessions)); !taken)
    spdlog::error("UDP: {}", taken.error().message);
}

/// From here on the successor writes the counts; those of requests that are still taken here are not in them.
void Gateway::Parts::hand_over() {
  quotas.reset();
  drain();
}

/// No new connections; what is idle ends, then the rest as it is over.
void Gateway::Parts::drain() {
  if (std::exchange(draining, true)) return;
  serving->not_ready();
  workers->drain();
  loop->every(kDrainLook, [this] {
    if (workers->connections() == 0) loop->stop();
  });
  loop->after(std::chrono::seconds(arguments.drain_seconds), [this] {
    spdlog::warn("{} connections have not ended within {} s: closed", workers->connections(), arguments.drain_seconds);
    loop->stop();
  });
}

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::start(Arguments arguments) {
  auto parts = std::make_unique<Parts>();
  parts->arguments = std::move(arguments);
  FL_CHECK(parts->start());
  return std::unique_ptr<Gateway>(new Gateway(std::move(parts)));
}

void Gateway::run() {
  parts_->loop->run();
  parts_->serving->stop();
  if (parts_->quotas == nullptr) return;
  parts_->quotas->stop();
  parts_->quotas->write();
}

}  // namespace fairlead::gateway
