// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/directory.hpp"

#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "gateway/dataplane/config/file.hpp"
#include "gateway/dataplane/config/kept.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::config {
namespace {

using Documents = std::vector<std::unique_ptr<Document>>;

constexpr const char* kNoFile =
    "holds no file at the start: what an earlier run read stays in force until there is one";
constexpr std::size_t kMostTexts = 64;  // of one reading that are held one by one

Diagnostic of_whole(const std::string& path, std::string remark) {
  return Diagnostic{.severity = Severity::kError,
                    .file = path,
                    .line = 0,
                    .column = 0,
                    .object = {},
                    .field = {},
                    .found = {},
                    .expected = std::move(remark)};
}

Stored stored(model::ObjectPtr object) {
  const auto* consumer = object == nullptr ? nullptr : std::get_if<model::Consumer>(object.get());
  if (consumer != nullptr) return {.consumer = model::pack(*consumer)};
  return {.object = std::move(object)};
}

/// Whether it may stand without a Document.
bool is_plain(const Reading::Piece& piece) {
  if (piece.consumer) return true;
  if (piece.parsed == nullptr) return false;
  const auto& [text, uses] = *piece.parsed;
  return text.objects.size() == 1 && text.objects.front().object != nullptr && text.diagnostics.empty() &&
         !text.unreadable && uses.empty();
}

/// A good object, and where its text stands in the copy of its file; nothing: it is held already.
struct LastGood {
  Stored object;
  std::optional<Place> place;
};

/// What was good in pieces that are gone, and what is named now.
struct Exchange {
  std::map<Claims::Node*, LastGood> good;
  std::set<const Claims::Node*> named;

  void lost(const Holder& holder, const Place& place) {
    if (auto* node = holder.node()) good.try_emplace(node, Claims::stored(*node), place);
    if (const auto* document = holder.document())
      for (const auto& given : document->gives)
        if (given.object) good.try_emplace(given.node, given.object, given.held ? std::nullopt : std::optional(place));
  }
  void came(const Holder& holder) {
    if (const auto* node = holder.node()) named.insert(node);
    if (const auto* document = holder.document())
      for (const auto& given : document->gives) named.insert(given.node);
  }
};

bool lacks_something(const Document& document) {
  return document.unreadable ||
         std::ranges::any_of(document.gives, [](const auto& given) { return !given.object || given.held; });
}

bool is_stand_in(const Stored& stored) {
  return stored.object != nullptr && std::holds_alternative<model::RefusedPolicy>(*stored.object);
}

}  // namespace

struct Directory::State {
  State(const KindTable& kinds_read, Pace pace) : kinds(kinds_read), settling(pace) {}

  const KindTable& kinds;
  Fd either;  // epoll: what changed, or the time to read it
  Fd timer;
  Settling settling;
  Seen waiting;  // taken, and not yet read
  Watcher watcher;
  SideFiles side{watcher};
  Window window;
  std::map<std::string, File> files;
  std::map<std::string, Inode> links;        // as last listed
  std::map<std::string, Inode> directories;  // the same
  std::set<std::string> noted;               // files that have diagnostics, of their own or of documents
  std::optional<Kept> kept;
  std::set<std::string> to_keep;  // files that were read since they were kept
  bool begun = false;             // the directory has been listed
  bool fileless = false;          // what was kept is in force until there is a first file
  Claims claims;
  Documents leaving;  // kept until their objects are settled
  Diagnostics of_directory;
  std::uint64_t documents = 0;
  std::uint64_t parsed = 0;

  Result<> open(std::string path);
  void set_timer() const;
  void take();
  void read(const std::string& path);
  File& file_of(const std::string& path);
  void read_kept(File& file);
  void add_kept(const File& file, Exchange& exchange);
  void lend(const File& file, const LastGood& last, Claims::Given& given, std::size_t& texts);
  void keep_last_good(const File& file, const Exchange& exchange, const std::vector<Document*>& fresh);
  void wait_with_kept(const std::vector<std::string>& paths);
  Result<bool> keep(std::size_t most);
  void drop(const std::string& path);
  void replace(File& file, Reading reading);
  std::unique_ptr<Document> make_document(File& file, Reading::Parsed from);
  std::unique_ptr<Document> make_document(File& file, Claims::Node* node, Stored object);
  Holder hold(File& file, Reading::Piece& piece);
  void add(File& file, Holder& holder, const Reading::Piece& piece);
  void remove(Holder& holder);
  void promote_crowded();
  Result<> look_again(const Seen& seen);
  std::set<std::string> take_stale(const Seen& seen);
  Result<Update> refresh(const Seen& seen);
  void collect(Update& update);
};

std::unique_ptr<Document> Directory::State::make_document(File& file, Reading::Parsed from) {
  auto& text = from.text;
  auto document = std::make_unique<Document>();
  side.add(*document, std::move(from.uses));
  document->file = &file;
  document->unreadable = text.unreadable;
  document->gives.reserve(text.objects.size());
  for (auto& object : text.objects) {
    const bool held = object.object == nullptr;
    document->gives.push_back({.node = claims.node_of(object.key),
                               .object = stored(held ? std::move(object.stand_in) : std::move(object.object)),
                               .document = document.get(),
                               .held = held});
  }
  if (!text.diagnostics.empty()) document->diagnostics = std::make_unique<Diagnostics>(std::move(text.diagnostics));
  return document;
}

std::unique_ptr<Document> Directory::State::make_document(File& file, Claims::Node* node, Stored object) {
  auto document = std::make_unique<Document>();
  document->file = &file;
  document->gives.push_back({.node = node, .object = std::move(object), .document = document.get()});
  return document;
}

/// What a piece that was not there before gives; of a plain one not what, yet.
Holder Directory::State::hold(File& file, Reading::Piece& piece) {
  if (piece.consumer) return Holder(claims.node_of(piece.consumer));
  if (is_plain(piece)) return Holder(claims.node_of(piece.parsed->text.objects.front().key));
  return piece.parsed == nullptr ? Holder() : Holder(make_document(file, std::move(*piece.parsed)));
}

void Directory::State::add(File& file, Holder& holder, const Reading::Piece& piece) {
  if (auto* node = holder.node()) {
    auto object =
        piece.consumer ? Stored{.consumer = piece.consumer} : stored(piece.parsed->text.objects.front().object);
    if (node->uses == 0) claims.add_plain(*node, object);
    else holder = Holder(make_document(file, node, std::move(object)));
  }
  if (const auto* document = holder.document()) {
    for (const auto& given : document->gives) claims.add(given);
    if (document->diagnostics != nullptr) ++file.noted;
  }
  ++documents;
}

void Directory::State::remove(Holder& holder) {
  if (auto* node = holder.node()) claims.remove_plain(*node);
  if (auto document = holder.take_document()) {
    for (const auto& given : document->gives) claims.remove(given);
    side.remove(*document);
    if (document->diagnostics != nullptr) --document->file->noted;
    leaving.push_back(std::move(document));
  }
  --documents;
}

/// What an earlier run read of the file, as if it had been read before.
void Directory::State::add_kept(const File& file, Exchange& exchange) {
  if (!kept) return;
  const auto add = [&](const ParsedObject& object, const std::optional<Place>& place) {
    if (object.object == nullptr) return;
    auto* node = claims.node_of(object.key);
    claims.touch(*node);
    exchange.good.try_emplace(node, stored(object.object), place);
  };
  Place place;
  if (const auto reading = read_file(window, kept->copy_of(file.path()), {}, kinds))
    for (const auto& piece : reading->pieces) {
      place = place.next(piece.span);
      if (piece.parsed != nullptr)
        for (const auto& object : piece.parsed->text.objects) add(object, place);
    }
  for (const auto& object : kept->held(file.path(), kinds)) add(object, std::nullopt);
}

/// `texts`: how many are taken from the copy so far.
void Directory::State::lend(const File& file, const LastGood& last, Claims::Given& given, std::size_t& texts) {
  given.object = last.object;
  // Beyond that many the whole copy stays, until they are good again.
  if (kept && last.place && ++texts <= kMostTexts)
    static_cast<void>(kept->hold(file.path(), Claims::text_of(*given.node), *last.place, kinds));
}

/// Lends refused objects of `fresh` their last good version from what is gone.
void Directory::State::keep_last_good(const File& file, const Exchange& exchange, const std::vector<Document*>& fresh) {
  Document* broken = nullptr;
  std::size_t texts = 0;
  for (auto* document : fresh) {
    if (document->unreadable) broken = document;
    for (auto& given : document->gives) {
      const auto last = exchange.good.find(given.node);
      const bool refused = !given.object || given.held;
      if (refused && last != exchange.good.end() && !is_stand_in(last->second.object))
        lend(file, last->second, given, texts);
    }
  }
  if (broken == nullptr) return;
  // Which objects the unreadable document held is not known: whatever is missing now may be among them.
  for (const auto& [node, last] : exchange.good) {
    if (exchange.named.contains(node)) continue;
    auto& given =
        broken->gives.emplace_back(Claims::Given{.node = node, .object = {}, .document = broken, .held = true});
    lend(file, last, given, texts);
  }
}

void Directory::State::replace(File& file, Reading reading) {
  std::vector<File::Piece> now;
  now.reserve(reading.pieces.size());
  std::vector<Document*> lacking;
  for (auto& piece : reading.pieces) {
    auto& next = now.emplace_back(File::Piece{.span = piece.span});
    const bool known = piece.known != Reading::kUnknown;
    next.holder = known ? std::move(file.pieces[piece.known].holder) : hold(file, piece);
    if (auto* document = next.holder.document(); !known && document != nullptr && lacks_something(*document))
      lacking.push_back(document);
  }
  if (!lacking.empty()) {
    Exchange exchange;
    Place place;
    for (const auto& piece : file.pieces) exchange.lost(piece.holder, place = place.next(piece.span));
    if (file.pieces.empty()) add_kept(file, exchange);
    for (std::size_t i = 0; i < now.size(); ++i)
      if (reading.pieces[i].known == Reading::kUnknown) exchange.came(now[i].holder);
    keep_last_good(file, exchange, lacking);
  }
  for (auto& piece : file.pieces)
    if (!piece.holder.is_empty()) remove(piece.holder);
  for (std::size_t i = 0; i < now.size(); ++i)
    if (reading.pieces[i].known == Reading::kUnknown && !now[i].holder.is_empty())
      add(file, now[i].holder, reading.pieces[i]);
  file.pieces = std::move(now);
}

/// Several give the same object: which is the first, and where the others are, is to be said.
void Directory::State::promote_crowded() {
  if (!claims.has_crowded()) return;
  for (auto& [path, file] : files)
    for (auto& piece : file.pieces) {
      auto* node = piece.holder.node();
      if (node == nullptr || !claims.is_crowded(*node)) continue;
      auto document = make_document(file, node, Claims::stored(*node));
      claims.promote(document->gives.front());
      piece.holder = Holder(std::move(document));
    }
}

void Directory::State::drop(const std::string& path) {
  const auto found = files.find(path);
  if (found == files.end()) return;
  replace(found->second, {});
  noted.erase(path);
  files.erase(found);
  to_keep.erase(path);
  if (kept) kept->drop(path);
}

/// Puts what an earlier run read of the file into force.
void Directory::State::read_kept(File& file) {
  if (!kept || !file.pieces.empty()) return;
  if (auto reading = read_file(window, kept->copy_of(file.path()), {}, kinds)) replace(file, std::move(*reading));
}

/// Made where it is not there yet.
File& Directory::State::file_of(const std::string& path) {
  auto& [key, file] = *files.try_emplace(path).first;
  file.key = &key;
  return file;
}

void Directory::State::read(const std::string& path) {
  struct stat name{};
  if (::lstat(path.c_str(), &name) != 0 && errno == ENOENT) return drop(path);
  File& file = file_of(path);
  file.diagnostics.clear();
  auto reading = read_file(window, path, file.pieces, kinds, &side);
  if (reading) {
    parsed += reading->parsed;
    replace(file, std::move(*reading));
    if (kept) to_keep.insert(path);
  } else {
    read_kept(file);
    file.diagnostics.push_back(
        of_whole(path, "cannot be read (" + reading.error().message + "): its last good state stays"));
  }
  if (file.noted != 0 || !file.diagnostics.empty()) noted.insert(path);
  else noted.erase(path);
}

/// An empty directory at the start: it is more likely not there yet than meant, and would take all from the kernel.
void Directory::State::wait_with_kept(const std::vector<std::string>& paths) {
  fileless = true;
  for (const auto& path : paths) {
    read_kept(file_of(path));
  }
}

/// Names came or went: what is new or leads elsewhere is read, what is no longer there goes.
Result<> Directory::State::look_again(const Seen& seen) {
  FL_TRY(const auto listing, watcher.list());
  of_directory.clear();
  if (listing.gone) {
    of_directory.push_back(of_whole(watcher.path(), "is gone: what was in force stays"));
    directories.clear();  // whatever comes in its place is read anew
    return {};
  }
  if (kept && listing.files.empty() && (!begun || fileless)) {
    const auto paths = kept->paths_below(watcher.path());
    if (!fileless && !paths.empty()) wait_with_kept(paths);
    if (fileless) of_directory.push_back(of_whole(watcher.path(), kNoFile));
    if (fileless) return {};
  }
  const bool first = !std::exchange(begun, true);
  fileless = false;
  const auto turned = [](const auto& before, const auto& now, const std::string& path) {
    const auto old = before.find(path);
    const auto present = now.find(path);
    return present != now.end() && (old == before.end() || old->second != present->second);
  };
  const auto root = turned(directories, listing.directories, watcher.path());
  for (const auto& path : listing.files) {
    const auto folder = path.substr(0, path.rfind('/'));
    const bool fresh = !files.contains(path) || turned(links, listing.links, path) ||
                       turned(directories, listing.directories, folder) || seen.directories.contains(folder);
    if (seen.all || root || fresh || seen.written.contains(path)) read(path);
  }
  std::vector<std::string> vanished;
  for (const auto& [path, unused] : files)
    if (!std::ranges::binary_search(listing.files, path)) vanished.push_back(path);
  for (const auto& path : vanished) drop(path);
  if (kept && first) kept->drop_others({listing.files.begin(), listing.files.end()});
  links = listing.links;
  directories = listing.directories;
  return {};
}

/// Marks documents that take values of files that changed; gives the files that they stand in.
std::set<std::string> Directory::State::take_stale(const Seen& seen) {
  std::set<std::string> out;
  for (auto* document : side.changed(seen)) {
    document->stale = true;
    out.insert(document->file->path());
  }
  return out;
}

Result<Update> Directory::State::refresh(const Seen& seen) {
  parsed = 0;
  const auto again = take_stale(seen);
  if (seen.list || seen.all || fileless) {
    FL_CHECK(look_again(seen));
  } else {
    for (const auto& path : seen.written) read(path);
  }
  for (const auto& path : seen.touched)
    if (const auto found = files.find(path); found != files.end() && !found->second.diagnostics.empty()) read(path);
  for (const auto& path : again)
    if (struct stat found{}; files.contains(path) && ::lstat(path.c_str(), &found) == 0) read(path);
  window.rest();
  side.settle();
  Update update;
  collect(update);
  leaving.clear();
  return update;
}

void Directory::State::collect(Update& update) {
  update.files = files.size();
  update.documents = documents;
  update.documents_parsed = parsed;
  update.diagnostics = of_directory;
  promote_crowded();
  for (auto* file : claims.contested_files()) file->number();
  claims.settle(update.changes, update.consumers, update.diagnostics);
  for (const auto& path : noted) {
    auto& file = files.at(path);
    file.number();
    update.diagnostics.insert(update.diagnostics.end(), file.diagnostics.begin(), file.diagnostics.end());
    for (const auto& piece : file.pieces) {
      const auto* document = piece.holder.document();
      if (document == nullptr || document->diagnostics == nullptr) continue;
      for (auto diagnostic : *document->diagnostics) {
        diagnostic.file = path;
        diagnostic.line += document->lines_before;
        update.diagnostics.push_back(std::move(diagnostic));
      }
    }
  }
  std::ranges::sort(update.diagnostics, {},
                    [](const Diagnostic& d) { return std::tie(d.file, d.line, d.column, d.field); });
}

/// Objects of the file that are in force though they are refused now.
std::set<std::string> held_objects(const File& file) {
  std::set<std::string> out;
  for (const auto& piece : file.pieces)
    if (const auto* document = piece.holder.document())
      for (const auto& given : document->gives)
        if (given.held && given.object && !is_stand_in(given.object)) out.insert(Claims::text_of(*given.node));
  return out;
}

Result<bool> Directory::State::keep(std::size_t most) {
  for (; most > 0 && !to_keep.empty(); --most) {
    const auto path = to_keep.extract(to_keep.begin());
    if (const auto found = files.find(path.value()); found != files.end())
      FL_CHECK(kept->store(found->second, held_objects(found->second), window, kinds));
  }
  window.rest();
  return !to_keep.empty();
}

Result<> Directory::State::open(std::string path) {
  FL_TRY(watcher, Watcher::open(std::move(path)));
  timer = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer) return fail(system_error("timerfd_create", errno));
  either = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!either) return fail(system_error("epoll_create1", errno));
  for (const int fd : {watcher.fd(), timer.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(either.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail(system_error("epoll_ctl", errno));
  }
  return {};
}

/// Setting it takes away, too, that it has run.
void Directory::State::set_timer() const {
  itimerspec when{};
  if (const auto due = settling.due()) {
    using namespace std::chrono;
    const auto wait = std::max<nanoseconds>(*due - Settling::Clock::now(), nanoseconds{1});
    when.it_value = {.tv_sec = duration_cast<seconds>(wait).count(), .tv_nsec = (wait % seconds{1}).count()};
  }
  ::timerfd_settime(timer.get(), 0, &when, nullptr);
}

void Directory::State::take() {
  auto seen = watcher.take();
  if (seen.urgency != Urgency::kNone) settling.note(seen.urgency, Settling::Clock::now());
  waiting.merge(std::move(seen));
}

Directory::Directory(std::unique_ptr<State> state) : state_(std::move(state)) {}
Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(std::string path, const KindTable& kinds, Pace pace,
                                                   const std::string& kept) {
  auto state = std::make_unique<State>(kinds, pace);
  if (!kept.empty()) {
    FL_TRY(state->kept, Kept::open(kept));
  }
  FL_CHECK(state->open(std::move(path)));
  return std::unique_ptr<Directory>(new Directory(std::move(state)));
}

Result<Update> Directory::load() {
  state_->waiting.all = true;
  return changed();
}

Result<bool> Directory::keep(std::size_t most) { return state_->keep(most); }

int Directory::fd() const { return state_->either.get(); }

Result<std::optional<Update>> Directory::follow() {
  state_->take();
  const auto due = state_->settling.due();
  if (due && *due <= Settling::Clock::now()) return changed();
  state_->set_timer();
  return std::nullopt;
}

Result<Update> Directory::changed() {
  state_->take();
  auto update = state_->refresh(std::exchange(state_->waiting, {}));
  state_->settling.done(Settling::Clock::now());
  state_->set_timer();
  return update;
}

}  // namespace fairlead::config
