// SPDX-License-Identifier: Apache-2.0
// From YAML to the compiled view of HTTPRoutes: CPU time of a load and of one change, memory. No root, no kernel.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bench/figures.hpp"
#include "fairlead/config/directory.hpp"
#include "fairlead/config/gateway_state.hpp"

namespace {

using namespace fairlead;
namespace fs = std::filesystem;
constexpr std::uint32_t kRoutes = 5000;

/// CPU time, which a busy machine changes little; all of it is one thread's.
double milliseconds_of(auto&& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
  };
  const auto start = now();
  work();
  return now() - start;
}

long memory_kib(const char* field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(field)) return std::stol(line.substr(std::string(field).size() + 1));
  return 0;
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

std::string route_text(std::uint32_t index, std::uint32_t version = 0) {
  const auto n = std::to_string(index);
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: route-" + n +
         "\nspec:\n  parentRefs:\n  - name: web\n  hostnames:\n  - host-" + n +
         ".example.com\n  rules:\n  - matches:\n    - path:\n        type: PathPrefix\n        value: /v" +
         std::to_string(version) + "\n    backendRefs:\n    - name: service-" + std::to_string(index % 100) +
         "\n      port: 80\n";
}

std::string rest_text() {
  std::string out =
      "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: fairlead}\nspec: "
      "{controllerName: "
      "fairlead.io/gateway-controller}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: "
      "web}\nspec: {gatewayClassName: fairlead, listeners: [{name: http, port: 8080, protocol: HTTP}]}\n";
  for (std::uint32_t i = 0; i < 100; ++i) {
    const auto name = "service-" + std::to_string(i);
    out +=
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
        "}\nspec: {ports: [{port: 80}]}\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " +
        name + "-1, labels: {kubernetes.io/service-name: " + name +
        "}}\naddressType: IPv4\nports: [{port: 8080}]\nendpoints: [{addresses: [10.0.0." + std::to_string(i + 1) +
        "]}]\n";
  }
  return out;
}

struct Run {
  std::unique_ptr<config::Directory> directory;
  model::Cluster cluster;
  config::GatewayState state;
  double read = 0, compiled = 0;

  bool take(bool first) {
    auto update = first ? directory->load() : directory->changed();
    if (!update || !update->diagnostics.empty()) return false;
    compiled = milliseconds_of([&] {
      cluster.apply(update->changes);
      state.update(cluster, update->changes);
    });
    return true;
  }
};

/// In a process of its own, so that memory is this case's alone.
bool measure(const fs::path& root, bool one_file, int rounds, std::FILE* out) {
  fs::create_directories(root);
  write(root / "gateway.yaml", rest_text());
  std::string all;
  for (std::uint32_t i = 0; i < kRoutes; ++i) {
    if (one_file) all += route_text(i);
    else write(root / ("route-" + std::to_string(i) + ".yaml"), route_text(i));
  }
  if (one_file) write(root / "routes.yaml", all);
  all = {};
  const auto before = memory_kib("VmRSS:");
  Run run;
  auto opened = config::Directory::open(root, config::gateway_kinds());
  if (!opened) return false;
  run.directory = std::move(*opened);
  bool good = true;
  const auto load = milliseconds_of([&] { good = run.take(true); });
  const auto& listeners = run.state.listeners();
  if (!good || listeners.size() != 1 || listeners.begin()->second.routes.size() != kRoutes) return false;
  const std::string label = "5000 HTTPRoutes in " + std::string(one_file ? "one file" : "5000 files") + ": ";
  std::fprintf(out, "%sload\t%f\tms\n", label.c_str(), load);
  std::fprintf(out, "%sof it compiling\t%f\tms\n", label.c_str(), run.compiled);
  std::fprintf(out, "%smemory\t%f\tMiB\n", label.c_str(), static_cast<double>(memory_kib("VmRSS:") - before) / 1024);
  std::vector<double> change;
  for (int round = 1; round <= rounds; ++round) {
    const auto version = static_cast<std::uint32_t>(round);
    if (one_file) {
      for (std::uint32_t i = 0; i < kRoutes; ++i) all += route_text(i, i == 2500 ? version : 0);
      write(root / ".next", all);
      all = {};
      fs::rename(root / ".next", root / "routes.yaml");
    } else {
      write(root / ".next", route_text(2500, version));
      fs::rename(root / ".next", root / "route-2500.yaml");
    }
    change.push_back(milliseconds_of([&] { good = run.take(false); }));
    if (!good) return false;
  }
  std::fprintf(out, "%sone changed\t%f\tms\n", label.c_str(), bench::median(change));
  return true;
}

bool apart(bench::Figures& figures, const fs::path& root, bool one_file, int rounds) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const auto child = fork();
  if (child == 0) {
    std::FILE* out = fdopen(ends[1], "w");
    const bool good = measure(root, one_file, rounds, out);
    std::fclose(out);
    _exit(good ? 0 : 1);
  }
  close(ends[1]);
  std::FILE* lines = fdopen(ends[0], "r");
  char name[128], unit[16];
  double value = 0;
  while (std::fscanf(lines, "%127[^\t]\t%lf\t%15[^\n]\n", name, &value, unit) == 3) figures.add(name, value, unit);
  std::fclose(lines);
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::string pattern = fs::temp_directory_path() / "fl-gateway-bench-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const fs::path root(pattern);
  bench::Figures figures(argument_count > 1 && std::string_view(arguments[1]) == "--json");
  const bool good = apart(figures, root / "one", true, 11) && apart(figures, root / "many", false, 11);
  fs::remove_all(root);
  return good ? 0 : 1;
}
