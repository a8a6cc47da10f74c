// SPDX-License-Identifier: Apache-2.0
// From files to objects: load, one change, memory. No root, no kernel.
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "bench/cluster_text.hpp"
#include "bench/figures.hpp"
#include "fairlead/config/directory.hpp"
#include "gateway/dataplane/config/tree.hpp"

namespace {

using namespace fairlead;
using bench::cluster_text;
using bench::Form;
using bench::median;
namespace fs = std::filesystem;

double milliseconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

long memory_kib(const char* field) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(field)) return std::stol(line.substr(std::string(field).size() + 1));
  return 0;
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

bool expect(const Result<config::Update>& update, std::size_t changes) {
  if (update && update->changes.size() == changes && update->diagnostics.empty()) return true;
  std::fprintf(stderr, "%s\n", update ? "other changes than expected" : update.error().message.c_str());
  return false;
}

using Add = std::function<void(const std::string& name, double value, const std::string& unit)>;

/// Runs in a process of its own, so that memory is this case's alone; its figures come back by a pipe.
bool apart(bench::Figures& figures, const std::function<bool(const Add&)>& work) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const auto child = fork();
  if (child == 0) {
    const bool good = work([&](const std::string& name, double value, const std::string& unit) {
      dprintf(ends[1], "%s\t%f\t%s\n", name.c_str(), value, unit.c_str());
    });
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

bool one_file(const Add& add, const fs::path& root, std::uint32_t count, Form form, int rounds) {
  const auto file = root / "all.yaml";
  fs::create_directory(root);
  write(file, cluster_text(count, form));
  const auto bytes = fs::file_size(file);
  auto directory = config::Directory::open(root);
  if (!directory) return false;
  model::Cluster cluster;
  Result<config::Update> update = config::Update{};
  const auto before = memory_kib("VmRSS:");
  const double load = milliseconds_of([&] { update = (*directory)->load(); });
  if (!expect(update, count * 2UL)) return false;
  cluster.apply(update->changes);
  *update = {};
  const auto label = std::to_string(count) + " services and slices in one file (" +
                     (form == Form::kList ? "List" : "documents") + "): ";
  add(label + "bytes", static_cast<double>(bytes) / 1e6, "MB");
  add(label + "load", load, "ms");
  add(label + "memory then", static_cast<double>(memory_kib("VmRSS:") - before) / 1024, "MiB");
  add(label + "peak memory", static_cast<double>(memory_kib("VmHWM:")) / 1024, "MiB");
  std::vector<double> change;
  for (int round = 0; round < rounds; ++round) {
    write(file, cluster_text(count, form, 1 + static_cast<std::uint32_t>(round)));
    change.push_back(milliseconds_of([&] { update = (*directory)->changed(); }));
    if (!expect(update, 1)) return false;
    cluster.apply(update->changes);
  }
  add(label + "one endpoint changed", median(change), "ms");
  return true;
}

bool many_files(const Add& add, const fs::path& root, std::uint32_t count, int rounds) {
  fs::create_directory(root);
  for (std::uint32_t i = 0; i < count; ++i) {
    write(root / ("service-" + std::to_string(i) + ".yaml"), bench::service_text(i));
    write(root / ("slice-" + std::to_string(i) + ".yaml"), bench::slice_text(i));
  }
  auto directory = config::Directory::open(root);
  if (!directory) return false;
  Result<config::Update> update = config::Update{};
  const double load = milliseconds_of([&] { update = (*directory)->load(); });
  if (!expect(update, count * 2UL)) return false;
  std::vector<double> change;
  for (int round = 0; round < rounds; ++round) {
    write(root / "slice-17.yaml", bench::slice_text(17, 1 + static_cast<std::uint32_t>(round)));
    change.push_back(milliseconds_of([&] { update = (*directory)->changed(); }));
    if (!expect(update, 1)) return false;
  }
  const auto label = std::to_string(count) + " services and slices in " + std::to_string(2 * count) + " files: ";
  add(label + "load", load, "ms");
  add(label + "one endpoint changed", median(change), "ms");
  return true;
}

/// Trees of documents by both readers, in turns: what the quick one saves.
bool both_readers(const Add& add, std::uint32_t count, int rounds) {
  constexpr std::string_view kBorder = "---\n";
  const auto text = cluster_text(count, Form::kDocuments);
  std::vector<std::string_view> documents;
  for (std::string_view rest = text; !rest.empty();) {
    const auto size = std::min(rest.find(kBorder, kBorder.size()), rest.size());
    documents.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  std::vector<double> times[2];
  for (int round = 0; round < rounds; ++round) {
    for (const bool quick : {true, false}) {
      bool good = true;
      times[quick ? 1 : 0].push_back(milliseconds_of([&] {
        config::Tree tree;
        for (const auto& document : documents)
          good =
              good && config::TreeReader(document, false, quick).next(tree) == config::TreeReader::Outcome::kDocument;
      }));
      if (!good) return false;
    }
  }
  const auto label = std::to_string(documents.size()) + " documents into trees: ";
  add(label + "with the quick reader", median(times[1]), "ms");
  add(label + "by libfyaml alone", median(times[0]), "ms");
  return true;
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::string pattern = fs::temp_directory_path() / "fl-config-bench-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const fs::path root(pattern);
  bench::Figures figures(argument_count > 1 && std::string_view(arguments[1]) == "--json");
  const auto one = [&](const char* name, std::uint32_t count, Form form, int rounds) {
    return apart(figures, [&](const Add& add) { return one_file(add, root / name, count, form, rounds); });
  };
  const bool good = one("documents", 10'000, Form::kDocuments, 11) && one("list", 10'000, Form::kList, 11) &&
                    apart(figures, [&](const Add& add) { return many_files(add, root / "files", 10'000, 11); }) &&
                    one("big", 60'000, Form::kDocuments, 3) &&
                    apart(figures, [&](const Add& add) { return both_readers(add, 10'000, 5); });
  fs::remove_all(root);
  return good ? 0 : 1;
}
