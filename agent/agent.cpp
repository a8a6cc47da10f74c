// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "agent/configuration.hpp"
#include "agent/kernel/capabilities.hpp"
#include "agent/kernel/pins.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/notify.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::agent {
namespace {

Result<Fd> take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  // Blocked before any thread starts, so that all inherit it.
  if (::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return fail(system_error("blocking signals", errno));
  ::signal(SIGPIPE, SIG_IGN);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail(system_error("signalfd", errno));
  return fd;
}

Result<std::uint64_t> own_netns_cookie() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) != 0)
    return fail(system_error("asking for the network namespace's cookie", errno));
  return cookie;
}

void report_cgroup(const kernel::Cgroup& cgroup, bool asked_for) {
  if (!cgroup.root_namespace)
    spdlog::warn("THIS CGROUP NAMESPACE IS NOT THE ROOT: programs attached to {} reach no process outside of it, and "
                 "so balance nothing for the node's pods. Run in the host's cgroup namespace (hostPID alone does not do).",
                 cgroup.path);
  if (asked_for) spdlog::info("confined to cgroup {}", cgroup.path);
  else if (!cgroup.root)
    spdlog::warn("{} IS NOT THE ROOT OF THE CGROUP HIERARCHY: processes outside of it are not served", cgroup.path);
}

std::string node_name(const Settings& settings) {
  if (!settings.node.empty()) return settings.node;
  char name[HOST_NAME_MAX + 1] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

struct Agent::Parts {
  Settings settings;
  Fd signals;
  Fd lock;
  std::unique_ptr<event::Loop> loop;
  std::unique_ptr<kernel::Datapath> datapath;
  std::unique_ptr<Configuration> configuration;

  Result<> start();
  Result<> load_kernel();
  Result<> apply_settings() const;
  void handle_signals();
};

Result<> Agent::Parts::load_kernel() {
  kernel::DatapathOptions options{.cgroup = settings.cgroup, .pin_dir = settings.pin_dir, .sizes = {}};
  options.sizes.emplace_back("fl_pairs", settings.max_series);
  FL_TRY(datapath, kernel::Datapath::load(options));
  report_cgroup(datapath->cgroup(), !settings.cgroup.empty());
  if (datapath->adopted()) spdlog::info("adopted the state under {}", settings.pin_dir);
  if (!datapath->replaced_because().empty())
    spdlog::warn("replacing the state under {}: {}", settings.pin_dir, datapath->replaced_because());
  for (const auto& feature : datapath->features())
    if (!feature.available) spdlog::warn("this kernel does not take {}: {}", feature.name, feature.reason);
  return apply_settings();
}

Result<> Agent::Parts::apply_settings() const {
  fl_settings& row = datapath->settings();
  FL_TRY(row.host_netns, own_netns_cookie());
  row.balance = settings.balance;
  row.policy = settings.policy;
  row.default_deny = settings.default_deny;
  row.metrics = settings.series;
  row.events = settings.flows;
  row.redirect = settings.redirect;
  row.label_unknown = settings.label_unknown;
  row.node_port_low = htons(settings.node_port_low);
  row.node_port_high = htons(settings.node_port_high);
  return {};
}

Result<> Agent::Parts::start() {
  FL_CHECK(kernel::require_capabilities());
  FL_TRY(signals, take_signals());
  FL_TRY(lock, kernel::lock_pins(settings.pin_dir, settings.run_dir));
  FL_TRY(loop, event::Loop::create());
  FL_CHECK(loop->watch(signals.get(), EPOLLIN, [this](std::uint32_t) { handle_signals(); }));
  FL_CHECK(load_kernel());
  FL_TRY(configuration, Configuration::open(settings.config, node_name(settings), settings.pin_dir, *datapath));
  FL_CHECK(configuration->load());
  FL_CHECK(configuration->follow(*loop));
  FL_CHECK(datapath->attach());
  // Servers and their threads start below this line only: threads inherit what is left.
  return kernel::drop_capabilities();
}

void Agent::Parts::handle_signals() {
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      configuration->reread();
      continue;
    }
    spdlog::info("signal {}: ending, the programs stay in place", info.ssi_signo);
    loop->stop();
  }
}

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::start(Settings settings) {
  auto parts = std::make_unique<Parts>();
  parts->settings = std::move(settings);
  FL_CHECK(parts->start());
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

void Agent::run() {
  std::puts("ready");
  std::fflush(stdout);
  notify_manager("READY=1");
  parts_->loop->run();
  notify_manager("STOPPING=1");
}

}  // namespace fairlead::agent
