// SPDX-License-Identifier: Apache-2.0
// Cutting a file into documents and items: nothing is lost, and a second pass knows every piece of the first.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "fuzz/input_file.hpp"
#include "gateway/dataplane/config/pieces.hpp"

namespace {

using fairlead::config::Cutter;
using fairlead::config::Span;
using fairlead::config::Window;

void expect(bool good) {
  if (!good) std::abort();
}

std::vector<Span> cut(Window& window, const std::string& path, std::string_view whole, bool json, bool lists) {
  expect(window.open(path).has_value());
  Cutter cutter(window, json, lists);
  std::vector<Span> spans;
  std::size_t at = 0;
  while (!cutter.at_end()) {
    const auto span = cutter.find();
    expect(span.has_value() && at + span->length <= whole.size());
    expect(cutter.text() == whole.substr(at, span->length));
    expect(span->length != 0 || span->form == fairlead::config::PieceForm::kListTail);
    at += span->length;
    spans.push_back(*span);
    cutter.advance(*span);
  }
  expect(at == whole.size());
  window.close();
  return spans;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fairlead::fuzz::InputFile file(".yaml");
  static Window window;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool json = (data[0] & 1) != 0, lists = (data[0] & 2) != 0;
  const auto& path = file.write(text);
  const auto spans = cut(window, path, text, json, lists);
  expect(window.open(path).has_value());
  Cutter again(window, json, lists);
  for (const auto& span : spans) expect(again.take(span));
  expect(again.at_end());
  window.close();
  return 0;
}
