// SPDX-License-Identifier: Apache-2.0
// A file that changes: read against what was read before, it gives the same as read for the first time. A 0xff byte
// parts the text of before from the one of now.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

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

bool same(const Reading::Piece& left, const Reading::Piece& right) {
  if (left.consumer || right.consumer || left.parsed == nullptr || right.parsed == nullptr)
    return !left.consumer == !right.consumer && (left.parsed == nullptr) == (right.parsed == nullptr);
  const ParsedText& a = left.parsed->text;
  const ParsedText& b = right.parsed->text;
  if (a.objects.size() != b.objects.size() || a.diagnostics.size() != b.diagnostics.size()) return false;
  for (std::size_t i = 0; i < a.objects.size(); ++i)
    if (a.objects[i].key != b.objects[i].key || !a.objects[i].object != !b.objects[i].object) return false;
  return a.unreadable == b.unreadable;
}

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
  expect(changed.has_value() && fresh.has_value() && changed->pieces.size() == fresh->pieces.size());
  for (std::size_t i = 0; i < fresh->pieces.size(); ++i) {
    const auto& now = changed->pieces[i];
    expect(now.span == fresh->pieces[i].span);
    const bool known = now.known != Reading::kUnknown;
    expect(same(known ? first->pieces[now.known] : now, fresh->pieces[i]));
  }
  return 0;
}
