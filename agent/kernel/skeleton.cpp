// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/skeleton.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "agent/kernel/foresee.hpp"
#include "agent/kernel/info.hpp"
#include "agent/kernel/layout.hpp"
#include "agent/kernel/leaving.hpp"
#include "agent/kernel/replaced.hpp"
#include "datapath.skel.h"
#include "fairlead/abi/names.h"

namespace fairlead::kernel {
namespace {

constexpr const char* kSettingsMap = "fl_settings";

/// What chooses the storage that walks by namespace go over (bpf/lib/maps.h).
bool is_walked(const bpf_map* map) { return std::string_view(bpf_map__name(map)).ends_with("_walked"); }

/// Pins outlive the agent, and so must all maps but those that belong to one load of the programs: constants, and what
/// says where a walk goes.
bool is_pinned(const bpf_map* map) { return !bpf_map__is_internal(map) && !is_walked(map); }

/// Whether clients are sent somewhere else by it: such hooks go in last, when those that count and answer stand.
bool sends_clients(const bpf_program* program) {
  switch (bpf_program__expected_attach_type(program)) {
    case BPF_CGROUP_INET4_CONNECT:
    case BPF_CGROUP_INET6_CONNECT:
    case BPF_CGROUP_UDP4_SENDMSG:
    case BPF_CGROUP_UDP6_SENDMSG: return true;
    default: return false;
  }
}

/// fl_sweep_list of fl_sweep_list_tcp; empty where the name has no such end.
std::string walk_of(const std::string& program) {
  for (const std::string_view end : {"_tcp", "_udp"})
    if (program.ends_with(end)) return program.substr(0, program.size() - end.size());
  return {};
}

Result<bpf_map_info> shape_of(int fd) {
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return fail(system_error("asking for a map's shape", errno));
  return info;
}

bool same_shape(const bpf_map* map, const bpf_map_info& pinned) {
  return pinned.type == bpf_map__type(map) && pinned.key_size == bpf_map__key_size(map) &&
         pinned.value_size == bpf_map__value_size(map);
}

/// The version that the pinned settings name; 0 where they cannot be read.
std::uint32_t pinned_version(int fd) {
  const auto info = shape_of(fd);
  if (!info || info->value_size < sizeof(std::uint32_t) || info->key_size != sizeof(std::uint32_t)) return 0;
  std::vector<std::uint32_t> row(info->value_size / sizeof(std::uint32_t) + 2);
  const std::uint32_t zero = 0;
  return bpf_map_lookup_elem(fd, &zero, row.data()) == 0 ? row[0] : 0;
}

}  // namespace

struct Datapath::Skeleton {
  datapath* data = datapath::open();
  Skeleton() = default;
  ~Skeleton() { datapath::destroy(data); }
  Skeleton(const Skeleton&) = delete;
  Skeleton& operator=(const Skeleton&) = delete;

  template <class Function>
  void each_program(Function function) const {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, data->obj) function(program);
  }
  [[nodiscard]] std::vector<bpf_map*> pinned_maps() const {
    std::vector<bpf_map*> maps;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, data->obj) if (is_pinned(map)) maps.push_back(map);
    // The settings carry the version: pinned last, they say that all others are there.
    std::stable_partition(maps.begin(), maps.end(),
                          [](bpf_map* m) { return std::string(bpf_map__name(m)) != kSettingsMap; });
    return maps;
  }
};

Datapath::Datapath(PinDirectory pins, Cgroup cgroup) : pins_(std::move(pins)), cgroup_(std::move(cgroup)) {}

Datapath::~Datapath() {
  if (settings_ != nullptr) ::munmap(settings_, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

Result<std::unique_ptr<Datapath>> Datapath::load(const DatapathOptions& options) {
  FL_TRY(auto cgroup, open_cgroup(options.cgroup));
  FL_TRY(auto pins, PinDirectory::make(options.pin_dir));
  FL_CHECK(require_free(cgroup, pins));
  std::unique_ptr<Datapath> self(new Datapath(std::move(pins), std::move(cgroup)));
  for (bool loaded = false; !loaded;) {
    FL_CHECK(self->open(options));
    FL_TRY(self->adopted_, self->adopt_maps());
    // Maps that were adopted before one that does not fit was met: start over with a clean object.
    if (!self->adopted_) FL_CHECK(self->open(options));
    FL_TRY(loaded, self->load_programs());
  }
  // Growing tables pin themselves from here on: a death before attach() has to read as torn, not as adoptable.
  if (!self->adopted_) FL_CHECK(self->pins_.remove(kSettingsMap));
  FL_CHECK(self->map_settings());
  return self;
}

Result<bool> Datapath::load_programs() {
  LibbpfLog log;
  const int error = datapath::load(skeleton_->data);
  if (error == 0) return true;
  const auto refused = std::find_if(
      features_.begin(), features_.end(),
      [name = log.refused_program()](const auto& feature) { return feature.available && feature.name == name; });
  if (refused == features_.end())
    return fail(system_error("loading the programs", -error).message + "\n" + log.text(), -error);
  refused->available = false;
  refused->reason = log.gist();
  return false;
}

Result<> Datapath::open(const DatapathOptions& options) {
  LibbpfLog log;
  skeleton_ = std::make_unique<Skeleton>();
  if (skeleton_->data == nullptr) return fail("opening the BPF object: " + log.text(), errno);
  for (const auto& [name, entries] : options.sizes) {
    bpf_map* map = bpf_object__find_map_by_name(skeleton_->data->obj, name.c_str());
    if (map == nullptr || bpf_map__set_max_entries(map, entries) != 0)
      return fail("sizing map " + name + " to " + std::to_string(entries) + " entries", errno);
  }
  if (features_.empty()) foresee(options.walk_by_namespace);
  const bool by_namespace = !walks_by_namespace().empty();
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton_->data->obj) if (is_walked(map)) bpf_map__set_autocreate(map, by_namespace);
  for (const auto& feature : features_)
    if (!feature.available)
      bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton_->data->obj, feature.name.c_str()), false);
  return {};
}

void Datapath::foresee(bool walk_by_namespace) {
  const Foresight foresight(walk_by_namespace);
  skeleton_->each_program([&](const bpf_program* program) {
    if (!is_optional(program)) return;
    auto refusal = foresight.refusal(program);
    features_.push_back(
        {.name = bpf_program__name(program), .available = refusal.empty(), .reason = std::move(refusal)});
  });
  for (auto& it : features_) {
    if (!is_walk_of_protocol(it.name) || !feature(walk_of(it.name))->available) continue;
    it.available = false;
    it.reason = "not needed: " + walk_of(it.name) + " goes through all network namespaces at once";
  }
}

const Feature* Datapath::feature(const std::string& name) const {
  const auto found = std::ranges::find(features_, name, &Feature::name);
  return found == features_.end() ? nullptr : &*found;
}

bool Datapath::is_walk_of_protocol(const std::string& program) const { return feature(walk_of(program)) != nullptr; }

std::string Datapath::walks_by_namespace() const {
  const auto found = std::ranges::find_if(
      features_, [this](const Feature& it) { return it.available && is_walk_of_protocol(it.name); });
  return found == features_.end() ? std::string() : feature(walk_of(found->name))->reason;
}

bool Datapath::is_replaceable(const std::string& name) const {
  return is_walk_of_protocol(name) || program(name + "_tcp") >= 0;
}

Result<bool> Datapath::adopt_maps() {
  const Fd pinned_settings = pins_.open(kSettingsMap);
  if (!pinned_settings) {
    if (!pins_.names().empty()) replaced_because_ = "the pins are torn: no " + pins_.path(kSettingsMap);
    return false;
  }
  const auto version = pinned_version(pinned_settings.get());
  if (version != FL_ABI_VERSION) {
    replaced_because_ =
        "the pins are of version " + std::to_string(version) + ", this agent's is " + std::to_string(FL_ABI_VERSION);
    return false;
  }
  for (bpf_map* map : skeleton_->pinned_maps()) {
    const std::string name = bpf_map__name(map);
    const Fd fd = pins_.open(name);
    if (!fd) {
      replaced_because_ = "the pins are torn: no " + pins_.path(name);
      return false;
    }
    const auto shape = shape_of(fd.get());
    if (!shape || !same_shape(map, *shape)) {
      replaced_because_ = "pinned map " + pins_.path(name) + " has another type or size";
      return false;
    }
    if (const int error = bpf_map__reuse_fd(map, fd.get()); error != 0)
      return fail(system_error("adopting map " + pins_.path(name), -error));
  }
  return true;
}

Result<> Datapath::map_settings() {
  const int fd = bpf_object__find_map_fd_by_name(skeleton_->data->obj, kSettingsMap);
  void* page =
      ::mmap(nullptr, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return fail(system_error("mapping fl_settings", errno));
  settings_ = static_cast<fl_settings*>(page);
  settings_->abi_version = FL_ABI_VERSION;
  return {};
}

Result<> Datapath::attach() {
  if (!adopted_) FL_CHECK(retire_redirection(pins_));
  std::vector<Attachment> first;
  std::vector<Attachment> last;
  skeleton_->each_program([&](bpf_program* program) {
    if (is_optional(program)) return;  // those come and go with need: they are paid for by every packet or call
    (sends_clients(program) ? last : first)
        .push_back({bpf_program__name(program), bpf_program__fd(program), bpf_program__expected_attach_type(program)});
  });
  first.insert(first.end(), last.begin(), last.end());
  for (const auto& attachment : first) {
    FL_CHECK(attach_pinned(pins_, cgroup_, attachment));
    attached_.push_back(attachment.program);
  }
  FL_CHECK(pin_maps());
  return remove_strangers();
}

Result<> Datapath::attach_program(const std::string& name) {
  const bpf_program* program = bpf_object__find_program_by_name(skeleton_->data->obj, name.c_str());
  if (program == nullptr || bpf_program__fd(program) < 0)
    return fail("attaching " + name + ": this kernel did not take it");
  FL_CHECK(attach_pinned(pins_, cgroup_, {name, bpf_program__fd(program), bpf_program__expected_attach_type(program)}));
  if (std::find(attached_.begin(), attached_.end(), name) == attached_.end()) attached_.push_back(name);
  return {};
}

Result<> Datapath::attach_tracing(const std::string& name) {
  const bpf_program* program = bpf_object__find_program_by_name(skeleton_->data->obj, name.c_str());
  if (program == nullptr || bpf_program__fd(program) < 0)
    return fail("attaching " + name + ": this kernel did not take it");
  return attach_tracing_pinned(pins_, {name, bpf_program__fd(program), bpf_program__expected_attach_type(program)},
                               adopted_);
}

Result<> Datapath::detach_program(const std::string& name) {
  std::erase(attached_, name);
  return detach_pinned(pins_, name);
}

Result<> Datapath::pin_maps() {
  if (adopted_) return {};
  for (bpf_map* map : skeleton_->pinned_maps()) {
    const std::string name = bpf_map__name(map);
    // The tables' inner maps may have grown, and been pinned, while they were filled.
    FL_TRY(const Fd current, map_in_force(name));
    FL_CHECK(pins_.pin(current.get(), name));
  }
  return {};
}

Result<> Datapath::remove_strangers() {
  // Links of programs that an earlier agent had and that are not attached now, and maps that this one does not know.
  std::vector<std::string> known;
  for (bpf_map* map : skeleton_->pinned_maps()) known.emplace_back(bpf_map__name(map));
  for (const auto& name : pins_.names()) {
    if (!is_own_pin(name)) continue;
    if (name.starts_with("link_")) {
      const std::string program = name.substr(5);
      const bool ours = std::find(attached_.begin(), attached_.end(), program) != attached_.end();
      // Links in pods' namespaces (link_sk_lookup_<netns>) and of needs are their modules' to judge.
      const bpf_program* same = bpf_object__find_program_by_name(skeleton_->data->obj, program.c_str());
      const bool needed = program.starts_with("fl_sk_lookup")
                              ? same == nullptr
                              : program.starts_with("fl_redir") || program.starts_with("fl_udp_");
      if (!ours && !needed) FL_CHECK(detach_pinned(pins_, program));
    } else if (std::find(known.begin(), known.end(), name) == known.end()) {
      FL_CHECK(pins_.remove(name));
    }
  }
  return {};
}

Result<Fd> Datapath::map(const std::string& name) const {
  const int fd = bpf_object__find_map_fd_by_name(skeleton_->data->obj, name.c_str());
  if (fd < 0) return fail("there is no map " + name, ENOENT);
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail(system_error("duplicating map " + name, errno));
  return copy;
}

Result<std::vector<Fd>> Datapath::replaced_maps(const std::string& name) const {
  std::vector<Fd> maps;
  if (adopted_) return maps;
  FL_TRY(const Fd ours, map(name));
  for (auto& old : maps_in_use(pins_, name)) {
    if (same_values(old.get(), ours.get())) maps.push_back(std::move(old));
  }
  return maps;
}

std::vector<MapSet> Datapath::replaced_agents() const {
  if (adopted_) return {};
  auto agents = agents_in_use(pins_);
  // Pods' namespaces are guarded, and those links pinned, before all else: an agent of that kind is ourselves.
  const auto number = [](int fd) { return info_of<bpf_map_info>(fd).value_or(bpf_map_info{}).id; };
  const auto ours = number(bpf_object__find_map_fd_by_name(skeleton_->data->obj, kSettingsMap));
  std::erase_if(agents, [&](const MapSet& maps) {
    const auto settings = maps.find(kSettingsMap);
    return settings != maps.end() && number(settings->second.get()) == ours;
  });
  return agents;
}

Result<Fd> Datapath::map_in_force(const std::string& name) const {
  const int outer = bpf_object__find_map_fd_by_name(skeleton_->data->obj, (name + "_of").c_str());
  return outer < 0 ? map(name) : map_inside(outer);
}

int Datapath::program(const std::string& name) const {
  const bpf_program* program = bpf_object__find_program_by_name(skeleton_->data->obj, name.c_str());
  return program == nullptr ? -1 : bpf_program__fd(program);
}

Loaded Datapath::loaded() const {
  return {.program = [this](const std::string& name) { return program(name); },
          .map = [this](const std::string& name) { return map(name); }};
}

}  // namespace fairlead::kernel
