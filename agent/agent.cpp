// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <arpa/inet.h>
#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "agent/configuration.hpp"
#include "agent/datapath/sizes.hpp"
#include "agent/guarding.hpp"
#include "agent/kernel/capabilities.hpp"
#include "agent/kernel/links.hpp"
#include "agent/kernel/netns.hpp"
#include "agent/kernel/pins.hpp"
#include "agent/kernel/seccomp.hpp"
#include "agent/kernel/skeleton.hpp"
#include "agent/notify.hpp"
#include "agent/redirect.hpp"
#include "agent/serving.hpp"
#include "agent/succession.hpp"
#include "agent/upkeep.hpp"
#include "fairlead/event/loop.hpp"

namespace fairlead::agent {
namespace {

constexpr int kLargeBlock = 128 * 1024;

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

void report_cgroup(const kernel::Cgroup& cgroup, bool asked_for) {
  if (!cgroup.root_namespace)
    spdlog::warn(
        "THIS CGROUP NAMESPACE IS NOT THE ROOT: programs attached to {} reach no process outside of it, and "
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
  kernel::PinLock lock;
  std::unique_ptr<event::Loop> loop;
  std::unique_ptr<kernel::Datapath> datapath;
  std::unique_ptr<Configuration> configuration;
  std::unique_ptr<Guarding> guarding;
  std::unique_ptr<Upkeep> upkeep;
  std::unique_ptr<Redirect> redirect;
  std::unique_ptr<Serving> serving;

  Result<> start();
  Result<> load_kernel(const model::ChangeSet& objects);
  Result<> apply_settings() const;
  void note_zone() const;
  policy::PoliciesOptions policy_options() const;
  void handle_signals();
  void undo() const;
};

Result<> Agent::Parts::load_kernel(const model::ChangeSet& objects) {
  kernel::DatapathOptions options{
      .cgroup = settings.cgroup, .pin_dir = settings.pin_dir, .sizes = datapath::table_sizes(objects)};
  for (const char* series : {"fl_pairs", "fl_be_stats"}) options.sizes.emplace_back(series, settings.max_series);
  FL_TRY(datapath, kernel::Datapath::load(options));
  report_cgroup(datapath->cgroup(), !settings.cgroup.empty());
  if (datapath->adopted()) spdlog::info("adopted the state under {}", settings.pin_dir);
  if (!datapath->replaced_because().empty())
    spdlog::warn("replacing the state under {}: {}", settings.pin_dir, datapath->replaced_because());
  if (const auto reason = datapath->walks_by_namespace(); !reason.empty())
    spdlog::info("sockets are walked over one network namespace after the other: {}", reason);
  for (const auto& feature : datapath->features())
    // Redirect speaks of its own, and of the ways to count UDP's bytes one is enough.
    if (!feature.available && !datapath->is_replaceable(feature.name) && !feature.name.starts_with("fl_redir_") &&
        !feature.name.starts_with("fl_udp_"))
      spdlog::warn("this kernel does not take {}: {}", feature.name, feature.reason);
  return apply_settings();
}

Result<> Agent::Parts::apply_settings() const {
  fl_settings& row = datapath->settings();
  FL_TRY(row.host_netns, kernel::own_netns_cookie());
  row.balance = settings.balance;
  row.policy = settings.policy;
  row.default_deny = settings.default_deny;
  row.metrics = settings.series;
  row.events = settings.flows;
  row.label_unknown = settings.label_unknown;
  row.end_tcp = settings.end_tcp;
  row.node_port_low = htons(settings.node_port_low);
  row.node_port_high = htons(settings.node_port_high);
  return {};
}

/// The zone of the node is known from its Node object, which may come, change or go with any update.
void Agent::Parts::note_zone() const {
  datapath->settings().node_zone = datapath::zone_number(configuration->services().topology().zone);
}

policy::PoliciesOptions Agent::Parts::policy_options() const {
  policy::PoliciesOptions options;
  options.compiler.node_name = node_name(settings);
  options.compiler.mesh = settings.mesh;
  options.compiler.default_closed = settings.default_deny;
  options.settings = &datapath->settings();
  return options;
}

Result<> Agent::Parts::start() {
  // Large blocks go back to the kernel when they are freed, instead of staying between others.
  ::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  FL_CHECK(kernel::require_capabilities());
  FL_TRY(signals, take_signals());
  FL_TRY(lock, kernel::lock_pins(settings.pin_dir, settings.run_dir, true));
  FL_TRY(loop, event::Loop::create());
  FL_CHECK(loop->watch(signals.get(), EPOLLIN, [this](std::uint32_t) { handle_signals(); }));
  FL_TRY(auto first, FirstReading::of(settings.config, kernel::kept_path(settings.pin_dir, settings.run_dir)));
  FL_CHECK(load_kernel(first.update.changes));
  FL_TRY(configuration,
         Configuration::open(std::move(first), node_name(settings), settings.pin_dir, *datapath, policy_options()));
  FL_CHECK(configuration->load());
  FL_CHECK(configuration->follow(*loop));
  if (settings.policy) {
    FL_TRY(guarding, Guarding::open(*datapath, configuration->policies(), settings.pin_dir, *loop));
    FL_CHECK(guarding->refresh());
    FL_CHECK(guarding->follow());
  }
  Succession succession(*datapath, configuration->services());
  succession.prepare();
  FL_CHECK(datapath->attach());
  succession.complete();
  FL_TRY(serving, Serving::open(settings, *datapath, *configuration, node_name(settings), *loop));
  note_zone();
  FL_TRY(upkeep, Upkeep::open(*datapath, configuration->services(), *loop));
  FL_TRY(redirect, Redirect::open(*datapath, *loop, settings.redirect, settings.redirect_programs));
  FL_CHECK(redirect->follow(configuration->policies().compiler().redirected(), true));
  configuration->on_applied(
      [this](const model::ChangeSet& changes, const datapath::Applied& services, const policy::Applied& policies) {
        if (guarding != nullptr && policies.verdicts_changed) guarding->look();
        if (services.backends_removed != 0 || policies.verdicts_changed) upkeep->end_sockets();
        note_zone();
        serving->refresh(changes);
        if (const auto followed =
                redirect->follow(configuration->policies().compiler().redirected(), policies.redirect_changed);
            !followed)
          spdlog::error("switching redirection: {}", followed.error().message);
      });
  upkeep->end_sockets();  // what vanished while no agent ran
  upkeep->recount();
  // Servers and their threads start below this line only: threads inherit what is left.
  FL_CHECK(kernel::drop_capabilities());
  FL_CHECK(kernel::confine());
  serving->start(redirect.get());
  return {};
}

void Agent::Parts::handle_signals() {
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGHUP) {
      configuration->reread();
      serving->reopen();
      continue;
    }
    spdlog::info("signal {}: ending, the programs stay in place", info.ssi_signo);
    loop->stop();
  }
}

/// A first start that fails leaves nothing in force. Where an agent was before, its successor's programs serve on.
void Agent::Parts::undo() const {
  // Empty where it was made for the lock; else it stays.
  if (datapath == nullptr && lock.directory) ::rmdir(settings.pin_dir.c_str());
  if (datapath == nullptr || datapath->adopted() || !datapath->replaced_because().empty()) return;
  if (const auto undone = kernel::uninstall(settings.pin_dir); !undone)
    spdlog::error("removing what was attached: {}", undone.error().message);
}

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::start(Settings settings) {
  auto parts = std::make_unique<Parts>();
  parts->settings = std::move(settings);
  if (const auto started = parts->start(); !started) {
    parts->undo();
    return fail(started.error());
  }
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
