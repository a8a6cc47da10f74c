// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "gateway/dataplane/config/claims.hpp"
#include "gateway/dataplane/config/parse.hpp"
#include "gateway/dataplane/config/pieces.hpp"
#include "gateway/dataplane/config/side_files.hpp"
#include "gateway/dataplane/config/window.hpp"

namespace fairlead::config {

/// What a piece of a file gives, in 8 bytes: nothing (the frame of a list), one good object with nothing to say of it,
/// or what its Document tells.
class Holder {
 public:
  Holder() = default;
  explicit Holder(Claims::Node* node) : bits_(reinterpret_cast<std::uintptr_t>(node) | kNode) {}
  explicit Holder(std::unique_ptr<Document> document) : bits_(reinterpret_cast<std::uintptr_t>(document.release())) {}
  Holder(Holder&& other) noexcept : bits_(std::exchange(other.bits_, 0)) {}
  Holder& operator=(Holder&& other) noexcept {
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~Holder() { delete document(); }

  [[nodiscard]] bool is_empty() const { return bits_ == 0; }
  [[nodiscard]] Document* document() const {
    return (bits_ & kNode) != 0 ? nullptr : reinterpret_cast<Document*>(bits_);
  }
  [[nodiscard]] Claims::Node* node() const {
    return (bits_ & kNode) == 0 ? nullptr : reinterpret_cast<Claims::Node*>(bits_ & ~kNode);
  }
  [[nodiscard]] std::unique_ptr<Document> take_document() {
    auto* out = document();
    if (out != nullptr) bits_ = 0;
    return std::unique_ptr<Document>(out);
  }

 private:
  static constexpr std::uintptr_t kNode = 1;  // both are aligned to more

  std::uintptr_t bits_ = 0;
};

/// One file as it was last read.
/// Owner: Directory. Thread: its.
struct File {
  struct Piece {
    Span span;
    Holder holder{};
  };

  const std::string* key = nullptr;  ///< its path, among Directory's files; never null there
  std::vector<Piece> pieces;
  Diagnostics diagnostics;  ///< of the file as a whole
  std::size_t noted = 0;    ///< documents that have diagnostics

  [[nodiscard]] const std::string& path() const { return *key; }
  /// Counts documents and lines, for who needs to say where something stands.
  void number();
};

/// What a file holds now: pieces that are known by their place in the earlier reading, the others parsed.
struct Reading {
  static constexpr std::size_t kUnknown = SIZE_MAX;
  struct Parsed {
    ParsedText text;
    std::vector<SideFiles::Use> uses;
  };
  struct Piece {
    Span span;
    std::size_t known = kUnknown;
    model::PackedConsumerPtr consumer{};   ///< all that it is
    std::unique_ptr<Parsed> parsed{};  ///< else; null: it is known, or the frame of a list
  };
  std::vector<Piece> pieces;
  std::size_t parsed = 0;
};

/// Reads a file against its pieces of before; parses what is new, or stale. Without `side` no object can take a value
/// from another file.
[[nodiscard]] Result<Reading> read_file(Window& window, const std::string& path, const std::vector<File::Piece>& before,
                                        const KindTable& kinds, SideFiles* side = nullptr);

}  // namespace fairlead::config
