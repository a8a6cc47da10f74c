// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/directory.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <unordered_map>

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

#include "gateway/dataplane/config/parse.hpp"
#include "fairlead/base/fd.hpp"

namespace fairlead::config {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t kWatched = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CREATE | IN_DELETE_SELF;

struct Document {
  std::uint64_t hash = 0;
  std::size_t lines_before = 0;
  ParsedText parsed;
};

using DocumentPtr = std::shared_ptr<Document>;

struct Stamp {
  fs::file_time_type written;
  std::uintmax_t size = 0;
  std::string real;  // behind symlinks: a swap changes it
  bool operator==(const Stamp&) const = default;
};

struct File {
  Stamp stamp;
  std::vector<DocumentPtr> documents;
  Diagnostics diagnostics;  // of the file as a whole
};

bool is_config_name(const fs::path& path) {
  const auto extension = path.extension();
  return !path.filename().native().starts_with('.') && (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

std::vector<std::string_view> cut(std::string_view text, bool json) {
  std::vector<std::string_view> out;
  std::size_t start = 0;
  std::size_t from = 0;
  while (!json) {
    const auto found = text.find("\n---", from);
    if (found == std::string_view::npos) break;
    from = found + 1;
    const auto after = found + 4;
    const bool line = after >= text.size() || text[after] == '\n' || text[after] == '\r' || text[after] == ' ' || text[after] == '\t';
    // A directive belongs to the `---` that follows it.
    const bool directive = text.substr(start, found - start).starts_with('%');
    if (!line || directive) continue;
    out.push_back(text.substr(start, found + 1 - start));
    start = found + 1;
  }
  out.push_back(text.substr(start));
  return out;
}

/// By priority: a good object before one held over from a refused document, then by path and place.
struct Claim {
  bool held;
  std::string_view path;
  model::ObjectPtr object;
  std::size_t line;
};

}  // namespace

struct Directory::State {
  std::string path;
  Fd notify;
  std::map<std::string, File> files;
  std::map<model::ObjectKey, model::ObjectPtr> in_force;
  std::uint64_t parsed = 0;

  Result<> watch();
  Result<std::vector<std::string>> list() const;
  void read_file(const std::string& name, File& file);
  void keep_last_good(const std::vector<DocumentPtr>& old, std::vector<DocumentPtr>& now) const;
  Result<Update> refresh();
  void collect(Update& update);
};

Result<> Directory::State::watch() {
  const std::string directory = fs::is_directory(path) ? path : fs::path(path).parent_path().string();
  std::vector<std::string> places{directory.empty() ? "." : directory};
  std::error_code code;
  if (fs::is_directory(path))
    for (const auto& entry : fs::directory_iterator(path, code))
      if (std::error_code ignored; entry.is_directory(ignored)) places.push_back(entry.path().string());
  for (const auto& place : places)  // adding a place twice is harmless
    if (inotify_add_watch(notify.get(), place.c_str(), kWatched) < 0 && errno != ENOENT)
      return fail(system_error("watching " + place, errno));
  return {};
}

Result<std::vector<std::string>> Directory::State::list() const {
  std::vector<std::string> out;
  std::error_code code;
  if (!fs::is_directory(path, code)) {
    if (fs::exists(path, code)) out.push_back(path);
    return out;
  }
  for (fs::recursive_directory_iterator at(path, code), end; at != end && !code; at.increment(code)) {
    std::error_code ignored;
    const bool hidden = at->path().filename().native().starts_with('.');
    if (at->is_directory(ignored) && (hidden || at.depth() > 0)) at.disable_recursion_pending();
    if (is_config_name(at->path()) && !at->is_directory(ignored)) out.push_back(at->path().string());
  }
  if (code) return fail("reading " + path + ": " + code.message(), code.value());
  std::ranges::sort(out);
  return out;
}

void Directory::State::keep_last_good(const std::vector<DocumentPtr>& old, std::vector<DocumentPtr>& now) const {
  std::map<model::ObjectKey, model::ObjectPtr> good;
  std::set<model::ObjectKey> named;
  DocumentPtr broken;
  for (const auto& document : now) {
    if (document->parsed.unreadable) broken = document;
    for (const auto& object : document->parsed.objects) named.insert(object.key);
  }
  for (const auto& document : old)
    for (const auto& object : document->parsed.objects) {
      const auto& last = object.object ? object.object : object.stand_in;
      if (last) good.try_emplace(object.key, last);
    }
  for (const auto& document : now)
    for (auto& object : document->parsed.objects)
      if (const auto found = good.find(object.key); !object.object && found != good.end() &&
                                                    !std::holds_alternative<model::RefusedPolicy>(*found->second))
        object.stand_in = found->second;
  if (!broken) return;
  // Which objects the unreadable document held is not known: whatever is missing now may be among them.
  for (const auto& [key, object] : good)
    if (!named.contains(key)) broken->parsed.objects.push_back(ParsedObject{key, nullptr, object});
}

void Directory::State::read_file(const std::string& name, File& file) {
  file.diagnostics.clear();
  std::ifstream in(name, std::ios::binary | std::ios::ate);
  const auto size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  std::string text;
  if (size >= 0) text.resize(static_cast<std::size_t>(size));
  if (size < 0 || !in.seekg(0).read(text.data(), size)) {
    file.diagnostics.push_back(Diagnostic{.severity = Severity::kError, .file = name, .line = 0, .column = 0, .object = {},
                                          .field = {}, .found = {}, .expected = "cannot be read: its last good state stays"});
    return;
  }
  const bool json = name.ends_with(".json");
  std::unordered_multimap<std::uint64_t, DocumentPtr> known;
  for (const auto& document : file.documents) known.emplace(document->hash, document);
  std::vector<DocumentPtr> now, fresh;
  std::size_t lines = 0;
  for (const auto chunk : cut(text, json)) {
    const auto hash = XXH3_64bits(chunk.data(), chunk.size());
    if (const auto found = known.find(hash); found != known.end()) {
      now.push_back(found->second);
      known.erase(found);
    } else {
      ++parsed;
      now.push_back(std::make_shared<Document>(Document{hash, 0, parse_text(chunk, json)}));
      fresh.push_back(now.back());
    }
    now.back()->lines_before = lines;
    lines += static_cast<std::size_t>(std::ranges::count(chunk, '\n'));
  }
  std::vector<DocumentPtr> gone;
  for (const auto& document : file.documents)
    if (std::ranges::any_of(std::ranges::subrange(known.equal_range(document->hash).first, known.equal_range(document->hash).second),
                            [&](const auto& entry) { return entry.second == document; }))
      gone.push_back(document);
  keep_last_good(gone, fresh);
  file.documents = std::move(now);
}

void Directory::State::collect(Update& update) {
  std::map<model::ObjectKey, Claim> winners;
  for (const auto& [name, file] : files) {
    ++update.files;
    update.documents += file.documents.size();
    update.diagnostics.insert(update.diagnostics.end(), file.diagnostics.begin(), file.diagnostics.end());
    for (const auto& document : file.documents) {
      for (auto diagnostic : document->parsed.diagnostics) {
        diagnostic.file = name;
        diagnostic.line += static_cast<std::uint32_t>(document->lines_before);
        update.diagnostics.push_back(std::move(diagnostic));
      }
      for (const auto& object : document->parsed.objects) {
        const auto& given = object.object ? object.object : object.stand_in;
        if (!given) continue;
        const Claim claim{!object.object, name, given, document->lines_before + 1};
        const auto [at, is_new] = winners.try_emplace(object.key, claim);
        if (is_new) continue;
        if (at->second.held && !claim.held) {
          at->second = claim;
        } else if (!claim.held) {
          update.diagnostics.push_back(Diagnostic{
              .severity = Severity::kError, .file = name, .line = static_cast<std::uint32_t>(claim.line), .column = 1,
              .object = object.key.text(), .field = {}, .found = "a second definition",
              .expected = "one only: the first is in " + std::string(at->second.path) + ":" + std::to_string(at->second.line)});
        }
      }
    }
  }
  for (const auto& [key, object] : in_force)
    if (!winners.contains(key)) update.changes.push_back({key, nullptr});
  for (const auto& change : update.changes) in_force.erase(change.key);
  for (const auto& [key, claim] : winners) {
    auto& current = in_force[key];
    if (current == claim.object) continue;
    current = claim.object;
    update.changes.push_back({key, claim.object});
  }
  std::ranges::stable_sort(update.diagnostics, {}, [](const Diagnostic& d) { return std::tie(d.file, d.line); });
}

Result<Update> Directory::State::refresh() {
  FL_CHECK(watch());
  FL_TRY(const auto names, list());
  std::map<std::string, File> next;
  parsed = 0;
  for (const auto& name : names) {
    const auto old = files.find(name);
    File file = old == files.end() ? File{} : std::move(old->second);
    std::error_code code;
    Stamp stamp{fs::last_write_time(name, code), fs::file_size(name, code), fs::weakly_canonical(name, code).string()};
    if (old == files.end() || file.stamp != stamp || !file.diagnostics.empty()) read_file(name, file);
    file.stamp = std::move(stamp);
    next.emplace(name, std::move(file));
  }
  files = std::move(next);
  Update update;
  update.documents_parsed = parsed;
  collect(update);
  return update;
}

Directory::Directory(std::unique_ptr<State> state) : state_(std::move(state)) {}
Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(std::string path) {
  std::error_code code;
  if (!fs::exists(path, code)) return fail("configuration " + path + ": found nothing there, expected a directory or a file", ENOENT);
  auto state = std::make_unique<State>();
  state->path = std::move(path);
  state->notify = Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!state->notify) return fail(system_error("inotify_init1", errno));
  FL_CHECK(state->watch());
  return std::unique_ptr<Directory>(new Directory(std::move(state)));
}

Result<Update> Directory::load() { return state_->refresh(); }

int Directory::fd() const { return state_->notify.get(); }

Result<Update> Directory::changed() {
  // The events only wake us: what changed is told by time, size and target of each file, which no lost event can miss.
  alignas(inotify_event) std::array<char, 65536> events;
  while (::read(state_->notify.get(), events.data(), events.size()) > 0) continue;
  return state_->refresh();
}

}  // namespace fairlead::config
