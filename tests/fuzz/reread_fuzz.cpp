// SPDX-License-Identifier: Apache-2.0
// A file that changes: read against what was read before, it gives the same as read for the first time. A 0xff byte
// parts the text of before from the one of now.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "fairlead/config/directory.hpp"
#include "fuzz/input_file.hpp"
#include "gateway/dataplane/config/file.hpp"

namespace {

using fairlead::config::File;
using fairlead::config::ParsedText;
using fairlead::config::Reading;

void expect(bool good) {
  if (!good) std::abort();
}

/// What a reading says, however the file was cut: a list that could only be read whole is cut another way where some of
/// what follows is known.
struct Contents {
  std::vector<std::pair<fairlead::model::ObjectKey, bool>> objects;  // and whether it was accepted
  std::size_t consumers = 0;
  std::size_t diagnostics = 0;
  bool unreadable = false;

  void add(const Reading::Piece& piece) {
    if (piece.consumer) ++consumers;
    if (piece.parsed == nullptr) return;
    const ParsedText& text = piece.parsed->text;
    for (const auto& object : text.objects) objects.emplace_back(object.key, object.object != nullptr);
    diagnostics += text.diagnostics.size();
    unreadable = unreadable || text.unreadable;
  }
  bool operator==(const Contents&) const = default;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fairlead::fuzz::InputFile yaml(".yaml"), json(".json");
  static fairlead::config::Window window;
  const auto& kinds = fairlead::config::agent_kinds();
  if (size == 0) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto border = all.find('\xff');
  if (border == std::string_view::npos) return 0;
  auto& file = (data[0] & 1) != 0 ? json : yaml;
  const auto first = read_file(window, file.write(all.substr(0, border)), {}, kinds);
  expect(first.has_value());
  std::vector<File::Piece> before;
  for (const auto& piece : first->pieces) before.push_back({.span = piece.span});
  const auto& path = file.write(all.substr(border + 1));
  const auto changed = read_file(window, path, before, kinds);
  const auto fresh = read_file(window, path, {}, kinds);
  expect(changed.has_value() && fresh.has_value());
  Contents now, anew;
  for (const auto& piece : changed->pieces)
    now.add(piece.known != Reading::kUnknown ? first->pieces[piece.known] : piece);
  for (const auto& piece : fresh->pieces) anew.add(piece);
  expect(now == anew);
  return 0;
}
