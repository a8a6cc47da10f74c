// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/dataplane/config/parse.hpp"
#include "gateway/dataplane/config/window.hpp"

namespace fairlead::config {

/// What a piece of a file is. A document that is a List, as kubectl prints one, is cut further, so that a change of one
/// item does not cost the reading of all.
enum class PieceForm : std::uint8_t {
  kDocument,
  kListHead,  ///< up to the first item
  kListItem,
  kListTail,  ///< what follows the last item; may be empty
};

/// A run of bytes of a file. Its hash stands for them (XXH3, 64 bits: whoever could make two texts collide may write
/// the file anyway).
struct Span {
  std::uint64_t hash = 0;
  std::uint32_t length = 0;
  std::uint32_t lines = 0;  ///< line ends within
  PieceForm form = PieceForm::kDocument;
  std::uint8_t indent = 0;  ///< of a list's items
  bool complete = false;  ///< a JSON document that another follows
  bool operator==(const Span&) const = default;
};

/// Of a name that stands for more than a file's name may hold.
[[nodiscard]] std::uint64_t text_hash(std::string_view text);

/// Cuts the text of a window into spans, one after the other.
/// Owner: a reading of a file. Thread: its.
class Cutter {
 public:
  /// lists: whether Lists are cut into items.
  Cutter(Window& window, bool json, bool lists) : window_(window), json_(json), lists_(lists) {}

  [[nodiscard]] bool at_end() { return !list_.open && window_.have(1).empty(); }
  /// Whether the next span is this one, byte for byte and ended by the same kind of border; then it is passed over.
  /// This is the quick way through what did not change: no border is searched for.
  [[nodiscard]] bool take(const Span& expected);
  /// Finds the next span. text() is it, until advance() leaves it behind; nothing where it is too large.
  [[nodiscard]] std::optional<Span> find();
  [[nodiscard]] std::string_view text() const { return text_; }
  /// Of the list in hand, as far as its head says.
  [[nodiscard]] const ItemKind& items() const { return items_; }
  /// Of the list whose tail is in hand: the list without its items, to see that it is one.
  [[nodiscard]] std::string list_frame() const { return head_ + std::string(text_); }
  void advance(const Span& span);

 private:
  struct List {
    bool open = false;
    bool first_item = false;
    std::uint8_t indent = 0;
  };
  enum class Border : std::uint8_t { kNone, kItem, kListEnd, kDocument };

  [[nodiscard]] Border border(std::size_t at, const List& list);
  [[nodiscard]] bool ends_as(const Span& span);
  [[nodiscard]] bool only_blank_from(std::size_t at);
  [[nodiscard]] bool begins_as_item(std::string_view text) const;
  [[nodiscard]] std::uint64_t hash_of(PieceForm form) const;
  std::optional<Span> yaml_head();
  std::optional<Span> json_head();
  std::size_t document_end();
  std::size_t json_document_end(bool& complete);
  std::size_t rest_end();
  std::size_t item_end();
  std::optional<std::size_t> json_item_end();
  std::size_t next_line(std::size_t at);

  Window& window_;
  bool json_;
  bool lists_;
  List list_;
  std::string head_;  // of the list in hand
  ItemKind items_;  // by its head
  std::string_view text_;
};

}  // namespace fairlead::config
