// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fairlead/config/diagnostic.hpp"
#include "gateway/dataplane/config/claims.hpp"
#include "gateway/dataplane/config/parse.hpp"
#include "gateway/dataplane/config/pieces.hpp"
#include "gateway/dataplane/config/side_files.hpp"
#include "gateway/dataplane/config/window.hpp"

namespace fairlead::config {

/// One file as it was last read.
/// Owner: Directory. Thread: its.
struct File {
  struct Piece {
    Span span;
    std::unique_ptr<Document> document;  ///< none for the frame of a list
  };

  std::string path;
  std::vector<Piece> pieces;
  Diagnostics diagnostics;  ///< of the file as a whole
  std::size_t noted = 0;    ///< documents that have diagnostics

  /// Counts documents and lines, for who needs to say where something stands.
  void number();
};

/// What a file holds now: pieces that are known by their place in the earlier reading, the others parsed.
struct Reading {
  struct Piece {
    Span span;
    std::optional<std::size_t> known;
    ParsedText parsed;
    std::vector<SideFiles::Use> uses;
  };
  std::vector<Piece> pieces;
  std::size_t parsed = 0;
};

/// Reads a file against its pieces of before; parses what is new, or stale. Without `side` no object can take a value
/// from another file.
[[nodiscard]] Result<Reading> read_file(Window& window, const std::string& path, const std::vector<File::Piece>& before,
                                        const KindTable& kinds, SideFiles* side = nullptr);

}  // namespace fairlead::config
