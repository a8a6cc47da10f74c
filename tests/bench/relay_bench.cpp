// SPDX-License-Identifier: Apache-2.0
// What a bare TCP relay costs, written in several ways, beside nginx: CPU of the relay for each request. The relays run
// on the first CPU, clients and servers on the last. No root.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "bench/figures.hpp"
#include "bench/relay_load.hpp"
#include "bench/relay_uring.hpp"
#include "bench/relay_ways.hpp"
#include "fairlead/event/worker.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::bench;
namespace fs = std::filesystem;

constexpr std::size_t kConnections = 64;
constexpr int kRounds = 7;

void run_on(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  sched_setaffinity(0, sizeof set, &set);
}

double cpu_us(pid_t process) {
  clockid_t clock{};
  timespec now{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &now) != 0) return 0;
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// One way of relaying, in a process of its own.
struct Way {
  std::string name;
  std::function<void(Fd listener, std::uint16_t backend)> serve;  // never returns; none: a peer's program
  pid_t process = -1;
  std::vector<double> costs{};  // us of CPU for a request, by round
};

/// Where the stream module of nginx is; FAIRLEAD_NGINX_STREAM names another place.
std::string nginx_module() {
  const char* named = std::getenv("FAIRLEAD_NGINX_STREAM");
  return named != nullptr ? named : "/usr/lib/nginx/modules/ngx_stream_module.so";
}

[[noreturn]] void run_nginx(std::uint16_t backend, std::uint16_t port, const fs::path& folder) {
  const std::string prefix = folder.string();
  const std::string conf = prefix + "/nginx.conf";
  std::ofstream(conf) << "load_module " << nginx_module()
                      << "; daemon off; master_process off; worker_processes 1; pid " << prefix
                      << "/nginx.pid; error_log stderr crit;\nevents { worker_connections 1024; }\n"
                      << "stream { access_log off; server { listen 127.0.0.1:" << port
                      << "; proxy_pass 127.0.0.1:" << backend << "; } }\n";
  ::execlp("nginx", "nginx", "-p", prefix.c_str(), "-c", conf.c_str(), nullptr);
  std::_Exit(1);
}

[[noreturn]] void run_haproxy(std::uint16_t backend, std::uint16_t port, const fs::path& folder) {
  const std::string conf = (folder / "haproxy.cfg").string();
  std::ofstream(conf) << "global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n"
                      << "  timeout server 1h\n  option splice-auto\nlisten relay\n  bind 127.0.0.1:" << port
                      << "\n  server echo 127.0.0.1:" << backend << "\n";
  ::execlp("haproxy", "haproxy", "-db", "-q", "-f", conf.c_str(), nullptr);
  std::_Exit(1);
}

/// The relays of one question, measured in turns.
class Contest {
 public:
  Contest(Figures& figures, int relay_cpu, std::vector<Way> ways)
      : figures_(figures), relay_cpu_(relay_cpu), ways_(std::move(ways)) {
    server_ = listen_at(port_);
    load_ = std::make_unique<Load>(server_.get());
    std::string pattern = fs::temp_directory_path() / "fl-relay-bench-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) folder_ = pattern;
  }
  ~Contest() {
    for (const Way& way : ways_) {
      if (way.process <= 0) continue;
      ::kill(way.process, SIGKILL);
      ::waitpid(way.process, nullptr, 0);
    }
    fs::remove_all(folder_);
  }
  Contest(const Contest&) = delete;
  Contest& operator=(const Contest&) = delete;

  bool start() {
    for (Way& way : ways_)
      if (!start(way)) {
        std::fprintf(stderr, "relay_bench: %s does not serve\n", way.name.c_str());
        return false;
      }
    return true;
  }

  /// Prints the first way's median cost, and of the others the median of the ratios to it.
  bool measure(const std::string& work, std::size_t requests, std::uint64_t answer) {
    for (Way& way : ways_) way.costs.clear();
    for (int round = -1; round < kRounds; ++round)
      for (std::size_t i = 0; i < ways_.size(); ++i) {
        // Each round begins with another, so that none always follows the same.
        const std::size_t turn = (i + static_cast<std::size_t>(round + 1)) % ways_.size();
        const double before = cpu_us(ways_[turn].process);
        if (!load_->run(turn, requests, answer)) {
          std::fprintf(stderr, "relay_bench: %s, %s: no answer\n", work.c_str(), ways_[turn].name.c_str());
          return false;
        }
        const double cost = (cpu_us(ways_[turn].process) - before) / static_cast<double>(requests);
        if (round >= 0) ways_[turn].costs.push_back(cost);  // the first warms up
      }
    for (const Way& way : ways_) {
      figures_.add(work + ": " + way.name, median(way.costs), "us");
      if (&way == ways_.data()) continue;
      std::vector<double> ratios;
      for (std::size_t i = 0; i < way.costs.size(); ++i) ratios.push_back(way.costs[i] / ways_[0].costs[i]);
      figures_.add(work + ": " + way.name + " / " + ways_[0].name, median(ratios), "");
    }
    return true;
  }

 private:
  bool start(Way& way) {
    std::uint16_t port = 0;
    Fd listener = listen_at(port);
    const bool peer = !way.serve;
    if (peer) listener.reset();
    way.process = ::fork();
    if (way.process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGPIPE, SIG_IGN);
      run_on(relay_cpu_);
      if (peer) way.name == "nginx" ? run_nginx(port_, port, folder_) : run_haproxy(port_, port, folder_);
      way.serve(std::move(listener), port_);
      std::_Exit(1);
    }
    // What we have opened serves at once; peers open for themselves, so the first connect is tried again.
    for (int attempt = 0; peer && attempt < 2000 && !connect_to(port); ++attempt) ::usleep(5000);
    return load_->open(port, kConnections);
  }

  Figures& figures_;
  int relay_cpu_;
  std::vector<Way> ways_;
  std::uint16_t port_ = 0;
  Fd server_;
  std::unique_ptr<Load> load_;
  fs::path folder_;
};

net::SocketAddress address_of(std::uint16_t port) {
  return net::SocketAddress(net::Endpoint{*Address::parse("127.0.0.1"), port});
}

Way machines(const std::string& name, Keep keep = Keep::kNothing) {
  return {name, [keep](Fd listener, std::uint16_t backend) {
            serve_machines(std::move(listener), address_of(backend), keep);
          }};
}
Way coroutines(const std::string& name, bool nested) {
  return {name, [nested](Fd listener, std::uint16_t backend) {
            serve_coroutines(std::move(listener), address_of(backend), nested);
          }};
}
Way spliced(const std::string& name, std::size_t capacity) {
  return {name, [capacity](Fd listener, std::uint16_t backend) {
            serve_spliced(std::move(listener), address_of(backend), capacity);
          }};
}
Way tunnels() {
  return {"tunnel",
          [](Fd listener, std::uint16_t backend) { serve_tunnels(std::move(listener), address_of(backend)); }};
}
/// The peers that are installed.
std::vector<Way> peers(Figures& figures) {
  std::vector<Way> found;
  if (fs::exists("/usr/sbin/nginx") && fs::exists(nginx_module())) found.push_back({"nginx", {}});
  else figures.lack("nginx", "it, or its stream module, is not installed");
  if (fs::exists("/usr/sbin/haproxy")) found.push_back({"haproxy", {}});
  else figures.lack("haproxy", "it is not installed");
  return found;
}
Way uring() {
  return {"io_uring", [](Fd listener, std::uint16_t backend) { UringRelay().serve(listener, backend); }};
}

bool small(Figures& figures, int relay_cpu) {
  std::vector<Way> ways{machines("epoll, state machine"), coroutines("epoll, coroutine a direction", false),
                        coroutines("epoll, coroutine a read and a write", true), tunnels()};
  if (UringRelay::usable()) ways.push_back(uring());
  else figures.lack("io_uring", "the kernel or a filter does not allow it");
  for (Way& peer : peers(figures)) ways.push_back(std::move(peer));
  Contest contest(figures, relay_cpu, std::move(ways));
  return contest.start() && contest.measure("100 B each way", 4'000, kRequest);
}

bool memory(Figures& figures, int relay_cpu) {
  Contest contest(figures, relay_cpu,
                  {machines("no head kept"), machines("ten fields in an arena", Keep::kArena),
                   machines("ten fields in the heap", Keep::kHeap)});
  return contest.start() && contest.measure("100 B each way", 4'000, kRequest);
}

bool bulk(Figures& figures, int relay_cpu) {
  std::vector<Way> ways{machines("read and write"), spliced("splice, pipe of 64 KiB", 64 * 1024),
                        spliced("splice, pipe of 512 KiB", 512 * 1024), tunnels()};
  for (Way& peer : peers(figures)) ways.push_back(std::move(peer));
  Contest contest(figures, relay_cpu, std::move(ways));
  if (!contest.start()) return false;
  for (const auto& [name, size, requests] : {std::tuple{"4 KiB", 4UL, 600UL},
                                             {"16 KiB", 16UL, 400UL},
                                             {"64 KiB", 64UL, 200UL},
                                             {"256 KiB", 256UL, 80UL},
                                             {"1 MiB", 1024UL, 32UL}})
    if (!contest.measure(std::string("answers of ") + name, requests, size * 1024)) return false;
  return true;
}

}  // namespace

int main(int argument_count, char** arguments) {
  const auto cpus = event::allowed_cpus();
  Figures figures(argument_count > 1 && std::string_view(arguments[1]) == "--json");
  if (cpus.size() < 2) {
    figures.lack("relay", "needs two CPUs: one for the relay, one for clients and servers");
    return 0;
  }
  run_on(cpus.back());
  const int relay_cpu = cpus.front();
  // One part alone, where it is named.
  const std::string_view part = argument_count > 1 ? arguments[argument_count - 1] : "";
  const auto run = [&](std::string_view name, bool (*measure)(Figures&, int)) {
    return (part == "small" || part == "memory" || part == "bulk") && part != name ? true : measure(figures, relay_cpu);
  };
  const bool good = run("small", small) && run("memory", memory) && run("bulk", bulk);
  return good ? 0 : 1;
}
