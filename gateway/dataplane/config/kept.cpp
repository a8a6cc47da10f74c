// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/kept.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/file.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::config {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostText = std::size_t{64} << 20;  // of one object
constexpr std::size_t kBlock = std::size_t{256} << 10;

bool is_json(const std::string& path) { return path.ends_with(".json"); }

std::string absolute(const std::string& path) {
  std::error_code error;
  const auto out = fs::absolute(path, error).lexically_normal().string();
  return error ? path : out;
}

Result<> make_folder_of(const std::string& path) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return fail("making the folder of " + path + ": " + error.message(), error.value());
  return {};
}

/// A file that takes its name once it is whole. Where it is not given one, it goes.
class Passing {
 public:
  explicit Passing(std::string target)
      : target_(std::move(target)),
        name_(target_.substr(0, target_.rfind('/') + 1) + "." + target_.substr(target_.rfind('/') + 1)) {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;
  ~Passing() {
    if (fd_) ::unlink(name_.c_str());
  }
  [[nodiscard]] const std::string& name() const { return name_; }

  Result<> open() {
    FL_CHECK(make_folder_of(target_));
    fd_.reset(::open(name_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd_) return fail(system_error("writing " + name_, errno));
    return {};
  }
  Result<> write(std::string_view text) const {
    if (const int error = write_all(fd_.get(), text); error != 0) return fail(system_error("writing " + name_, error));
    return {};
  }
  Result<> finish() {
    if (std::rename(name_.c_str(), target_.c_str()) != 0) return fail(system_error("renaming " + name_, errno));
    fd_.reset();
    return {};
  }

 private:
  std::string target_;
  std::string name_;
  Fd fd_;
};

/// Whether the file at the path has these pieces and no others.
bool says_the_same(const std::string& path, const File& file, Window& window, const KindTable& kinds) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return false;
  std::uint64_t size = 0;
  for (const auto& piece : file.pieces) size += piece.span.length;
  if (static_cast<std::uint64_t>(found.st_size) != size) return false;
  const auto reading = read_file(window, path, file.pieces, kinds);
  if (!reading || reading->pieces.size() != file.pieces.size()) return false;
  std::size_t at = 0;
  return std::ranges::all_of(reading->pieces, [&](const auto& piece) { return piece.known == at++; });
}

Result<> copy(const std::string& from, const Passing& to, Window& window) {
  FL_CHECK(window.open(from));
  Result<> done;
  for (auto text = window.have(kBlock); done && !text.empty(); text = window.have(kBlock)) {
    done = to.write(text);
    window.advance(text.size());
  }
  if (done && window.failed()) done = fail("reading " + from + " broke off");
  window.close();
  return done;
}

std::string part(const Fd& file, std::uint64_t at, std::uint32_t length) {
  std::string out(length, '\0');
  const auto got = ::pread(file.get(), out.data(), length, static_cast<off_t>(at));
  return got == static_cast<ssize_t>(length) ? out : std::string();
}

/// A piece as a document of its own.
std::string document_at(const Fd& file, const Place& place, bool json) {
  auto text = part(file, place.at, place.length);
  if (place.form != PieceForm::kListItem) return text;
  if (const auto first = text.find_first_not_of(" \t\r\n"); json && first != std::string::npos && text[first] == ',')
    text[first] = ' ';
  return part(file, place.head_at, place.head_length) + text + (json ? "]}" : "");
}

}  // namespace

Place Place::next(const Span& span) const {
  Place out = *this;
  out.at += length;
  out.length = span.length;
  out.form = span.form;
  if (span.form == PieceForm::kListHead) {
    out.head_at = out.at;
    out.head_length = span.length;
  }
  return out;
}

Result<Kept> Kept::open(const std::string& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail("making " + directory + ": " + error.message(), error.value());
  if (::chmod(directory.c_str(), 0700) != 0) return fail(system_error("closing " + directory, errno));
  return Kept(directory);
}

std::string Kept::copy_of(const std::string& path) const { return directory_ + "/files" + absolute(path); }
std::string Kept::held_of(const std::string& path) const { return directory_ + "/held" + absolute(path); }

std::string Kept::held_file(const std::string& path, const std::string& object) const {
  return held_of(path) + "/" + std::to_string(text_hash(object)) + (is_json(path) ? ".json" : ".yaml");
}

std::vector<std::string> Kept::paths_below(const std::string& root) const {
  const auto top = copy_of(root);
  std::vector<std::string> out;
  std::error_code error;
  if (fs::is_regular_file(top, error)) return {root};
  for (fs::recursive_directory_iterator entry(top, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_regular_file(error) && is_config_name(entry->path().filename().string()))
      out.push_back(root + entry->path().string().substr(top.size()));
  std::ranges::sort(out);
  return out;
}

bool Kept::hold(const std::string& path, const std::string& object, const Place& place, const KindTable& kinds) const {
  const Fd file(::open(copy_of(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return false;
  const auto text = document_at(file, place, is_json(path));
  const auto parsed = parse_text(text, is_json(path), kinds);
  const auto gives = [&](const ParsedObject& one) { return one.object != nullptr && one.key.text() == object; };
  if (std::ranges::none_of(parsed.objects, gives)) return false;
  Passing passing(held_file(path, object));
  return passing.open() && passing.write(text) && passing.finish();
}

bool Kept::holds(const std::string& path, const std::string& object) const {
  return ::access(held_file(path, object).c_str(), F_OK) == 0;
}

std::vector<ParsedObject> Kept::held(const std::string& path, const KindTable& kinds) const {
  std::vector<ParsedObject> out;
  std::error_code error;
  for (fs::directory_iterator entry(held_of(path), error), end; !error && entry != end; entry.increment(error)) {
    const auto text = fairlead::read_file(entry->path().string(), kMostText, O_NOFOLLOW);
    if (!text) continue;
    auto parsed = parse_text(*text, is_json(path), kinds);
    for (auto& one : parsed.objects)
      if (one.object != nullptr && held_file(path, one.key.text()) == entry->path().string())
        out.push_back(std::move(one));
  }
  return out;
}

Result<> Kept::store(const File& file, const std::set<std::string>& held, Window& window,
                     const KindTable& kinds) const {
  const auto target = copy_of(file.path());
  if (!std::ranges::all_of(held, [&](const auto& object) { return holds(file.path(), object); })) return {};
  if (!says_the_same(target, file, window, kinds)) {
    Passing passing(target);
    FL_CHECK(passing.open());
    FL_CHECK(copy(file.path(), passing, window));
    if (!says_the_same(passing.name(), file, window, kinds)) return {};  // there is another reading to come
    FL_CHECK(passing.finish());
  }
  std::set<std::string> names;
  for (const auto& object : held) names.insert(held_file(file.path(), object));
  std::error_code error;
  for (fs::directory_iterator entry(held_of(file.path()), error), end; !error && entry != end; entry.increment(error))
    if (!names.contains(entry->path().string())) ::unlink(entry->path().c_str());
  if (names.empty()) ::rmdir(held_of(file.path()).c_str());
  return {};
}

void Kept::drop(const std::string& path) const {
  std::error_code unused;
  fs::remove(copy_of(path), unused);
  fs::remove_all(held_of(path), unused);
}

void Kept::drop_others(const std::set<std::string>& paths) const {
  std::set<std::string> copies;
  for (const auto& path : paths) copies.insert(copy_of(path));
  for (const auto& path : paths_below("/"))
    if (!copies.contains(copy_of(path))) drop(path);
}

}  // namespace fairlead::config
