// SPDX-License-Identifier: Apache-2.0
#include "fairlead/config/directory.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <tuple>

#include "gateway/dataplane/config/file.hpp"
#include "gateway/dataplane/config/watcher.hpp"

namespace fairlead::config {
namespace {

using Documents = std::vector<std::unique_ptr<Document>>;

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

/// What was good in pieces that are gone, and what is named now.
struct Exchange {
  std::map<Claims::Node*, Stored> good;
  std::set<const Claims::Node*> named;

  void lost(const Holder& holder) {
    if (auto* node = holder.node()) good.try_emplace(node, Claims::stored(*node));
    if (const auto* document = holder.document())
      for (const auto& given : document->gives)
        if (given.object) good.try_emplace(given.node, given.object);
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

/// Lends refused objects of `fresh` their last good version from what is gone.
void keep_last_good(const Exchange& exchange, const std::vector<Document*>& fresh) {
  Document* broken = nullptr;
  for (auto* document : fresh) {
    if (document->unreadable) broken = document;
    for (auto& given : document->gives) {
      const auto last = exchange.good.find(given.node);
      const bool refused = !given.object || given.held;
      if (!refused || last == exchange.good.end()) continue;
      const auto& object = last->second.object;
      if (object == nullptr || !std::holds_alternative<model::RefusedPolicy>(*object)) given.object = last->second;
    }
  }
  if (broken == nullptr) return;
  // Which objects the unreadable document held is not known: whatever is missing now may be among them.
  for (const auto& [node, object] : exchange.good)
    if (!exchange.named.contains(node))
      broken->gives.push_back({.node = node, .object = object, .document = broken, .held = true});
}

}  // namespace

struct Directory::State {
  explicit State(const KindTable& kinds_read) : kinds(kinds_read) {}

  const KindTable& kinds;
  Watcher watcher;
  SideFiles side{watcher};
  Window window;
  std::map<std::string, File> files;
  std::map<std::string, Inode> links;        // as last listed
  std::map<std::string, Inode> directories;  // the same
  std::set<std::string> noted;               // files that have diagnostics, of their own or of documents
  Claims claims;
  Documents leaving;  // kept until their objects are settled
  Diagnostics of_directory;
  std::uint64_t documents = 0;
  std::uint64_t parsed = 0;

  void read(const std::string& path);
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
    for (const auto& piece : file.pieces) exchange.lost(piece.holder);
    for (std::size_t i = 0; i < now.size(); ++i)
      if (reading.pieces[i].known == Reading::kUnknown) exchange.came(now[i].holder);
    keep_last_good(exchange, lacking);
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
}

void Directory::State::read(const std::string& path) {
  struct stat name{};
  if (::lstat(path.c_str(), &name) != 0 && errno == ENOENT) return drop(path);
  const auto [found, unused] = files.try_emplace(path);
  File& file = found->second;
  file.path = path;
  file.diagnostics.clear();
  auto reading = read_file(window, path, file.pieces, kinds, &side);
  if (reading) {
    parsed += reading->parsed;
    replace(file, std::move(*reading));
  } else {
    file.diagnostics.push_back(
        of_whole(path, "cannot be read (" + reading.error().message + "): its last good state stays"));
  }
  if (file.noted != 0 || !file.diagnostics.empty()) noted.insert(path);
  else noted.erase(path);
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
  links = listing.links;
  directories = listing.directories;
  return {};
}

/// Marks documents that take values of files that changed; gives the files that they stand in.
std::set<std::string> Directory::State::take_stale(const Seen& seen) {
  std::set<std::string> out;
  for (auto* document : side.changed(seen)) {
    document->stale = true;
    out.insert(document->file->path);
  }
  return out;
}

Result<Update> Directory::State::refresh(const Seen& seen) {
  parsed = 0;
  const auto again = take_stale(seen);
  if (seen.list || seen.all) {
    FL_CHECK(look_again(seen));
  } else {
    for (const auto& path : seen.written) read(path);
  }
  for (const auto& path : seen.touched)
    if (const auto found = files.find(path); found != files.end() && !found->second.diagnostics.empty()) read(path);
  for (const auto& path : again)
    if (struct stat found{}; files.contains(path) && ::lstat(path.c_str(), &found) == 0) read(path);
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

Directory::Directory(std::unique_ptr<State> state) : state_(std::move(state)) {}
Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(std::string path, const KindTable& kinds) {
  auto state = std::make_unique<State>(kinds);
  FL_TRY(state->watcher, Watcher::open(std::move(path)));
  return std::unique_ptr<Directory>(new Directory(std::move(state)));
}

Result<Update> Directory::load() {
  Seen seen;
  seen.all = true;
  return state_->refresh(seen);
}

int Directory::fd() const { return state_->watcher.fd(); }

Result<Update> Directory::changed() { return state_->refresh(state_->watcher.take()); }

}  // namespace fairlead::config
