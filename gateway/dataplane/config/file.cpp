// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/config/file.hpp"

#include <algorithm>
#include <unordered_map>

namespace fairlead::config {
namespace {

constexpr std::size_t kFewMisses = 16;  // until an index by hash pays

/// Finds pieces of the earlier reading that stand elsewhere now.
class Known {
 public:
  explicit Known(const std::vector<File::Piece>& pieces) : pieces_(pieces), used_(pieces.size()) {}

  [[nodiscard]] std::size_t size() const { return pieces_.size(); }
  [[nodiscard]] bool is_free(std::size_t index) const {
    if (index >= pieces_.size() || used_[index]) return false;
    const auto* document = pieces_[index].holder.document();
    return document == nullptr || !document->stale;
  }
  void use(std::size_t index) { used_[index] = true; }
  [[nodiscard]] std::optional<std::size_t> find(const Span& span) {
    if (misses_ < kFewMisses) {
      ++misses_;
      for (std::size_t i = 0; i < pieces_.size(); ++i)
        if (pieces_[i].span == span && is_free(i)) return i;
      return std::nullopt;
    }
    if (by_hash_.empty())
      for (std::size_t i = 0; i < pieces_.size(); ++i) by_hash_.emplace(pieces_[i].span.hash, i);
    const auto [begin, end] = by_hash_.equal_range(span.hash);
    const auto found =
        std::find_if(begin, end, [&](const auto& at) { return pieces_[at.second].span == span && is_free(at.second); });
    return found == end ? std::nullopt : std::optional(found->second);
  }

 private:
  const std::vector<File::Piece>& pieces_;
  std::vector<bool> used_;
  std::unordered_multimap<std::uint64_t, std::size_t> by_hash_;
  std::size_t misses_ = 0;
};

/// One pass over a file.
class Pass {
 public:
  Pass(Window& window, bool json, bool lists, const std::vector<File::Piece>& before, const KindTable& kinds,
       SideFiles* side)
      : cutter_(window, json, lists), known_(before), before_(before), kinds_(kinds), side_(side), json_(json) {}

  /// False: what looked like a list of items is none, or its items cannot be read apart.
  Result<bool> run(Reading& out) {
    while (!cutter_.at_end())
      if (!take(next_, out) && !take(next_ + 1, out)) {
        const auto span = cutter_.find();
        if (!span) return fail("a document is larger than 1 GiB");
        if (!add(*span, out)) return false;
      }
    return true;
  }

 private:
  bool take(std::size_t index, Reading& out) {
    if (!known_.is_free(index) || !cutter_.take(before_[index].span)) return false;
    pass(index, out);
    return true;
  }
  void pass(std::size_t index, Reading& out) {
    known_.use(index);
    out.pieces.push_back({.span = before_[index].span, .known = index});
    next_ = index + 1;
  }
  bool add(const Span& span, Reading& out) {
    if (const auto index = known_.find(span)) {
      cutter_.advance(span);
      pass(*index, out);
      return true;
    }
    auto& piece = out.pieces.emplace_back(Reading::Piece{.span = span});
    if (span.form == PieceForm::kListTail && !is_list_frame(cutter_.list_frame(), json_)) return false;
    const bool is_item = span.form == PieceForm::kListItem;
    if (span.form == PieceForm::kDocument || is_item) {
      const auto text = cutter_.text();
      Reading::Parsed parsed{.text = is_item ? parse_item(text, json_, kinds_, side_, cutter_.items())
                                             : parse_text(text, json_, kinds_, side_),
                             .uses = {}};
      if (side_ != nullptr) parsed.uses = side_->take_uses();
      if (is_item && (parsed.text.unknown_anchor || parsed.text.unknown_kind)) return false;
      piece.consumer = sole_consumer(parsed);
      if (!piece.consumer) piece.parsed = std::make_unique<Reading::Parsed>(std::move(parsed));
      ++out.parsed;
    }
    cutter_.advance(span);
    return true;
  }
  /// Of what is a good Consumer and no more; else null.
  static model::PackedConsumerPtr sole_consumer(const Reading::Parsed& parsed) {
    const auto& text = parsed.text;
    if (text.objects.size() != 1 || !text.diagnostics.empty() || text.unreadable || !parsed.uses.empty())
      return nullptr;
    const auto& object = text.objects.front().object;
    const auto* consumer = object == nullptr ? nullptr : std::get_if<model::Consumer>(object.get());
    return consumer == nullptr ? nullptr : model::pack(*consumer);
  }

  Cutter cutter_;
  Known known_;
  const std::vector<File::Piece>& before_;
  const KindTable& kinds_;
  SideFiles* side_;
  bool json_;
  std::size_t next_ = 0;  // of the earlier pieces, the one that should follow
};

}  // namespace

void File::number() {
  std::uint32_t order = 0;
  std::uint32_t lines = 0;
  for (const auto& piece : pieces) {
    if (auto* document = piece.holder.document()) {
      document->order = order;
      document->lines_before = lines;
    }
    ++order;
    lines += piece.span.lines;
  }
}

Result<Reading> read_file(Window& window, const std::string& path, const std::vector<File::Piece>& before,
                          const KindTable& kinds, SideFiles* side) {
  const bool json = path.ends_with(".json");
  for (const bool lists : {true, false}) {
    FL_CHECK(window.open(path));
    Reading reading;
    auto whole = Pass(window, json, lists, before, kinds, side).run(reading);
    const bool failed = window.failed();
    window.close();
    if (failed) return fail("reading " + path + " broke off");
    if (!whole) return fail(std::move(whole.error()));
    if (*whole) return reading;
  }
  return fail(path + " cannot be cut into documents");
}

}  // namespace fairlead::config
