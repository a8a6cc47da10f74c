// SPDX-License-Identifier: Apache-2.0
// Templates and what clients put into them: whatever both are, headers hold no line, paths no way up, and JSON is JSON.
// Input: the template, a zero byte, a JSON body, a zero byte, a header.
#include <cstdlib>
#include <string>

#include "fairlead/change/template.hpp"

namespace {

using namespace fairlead::change;

class InputScope final : public Scope {
 public:
  InputScope(std::string_view body, std::string_view header) : header_(header) { static_cast<void>(body_.parse(body)); }
  Value value(const Reference& reference, std::string&) override {
    if (reference.source == Source::kBody && !body_.empty()) {
      const auto at = find(body_, body_.root(), reference.path);
      return {.found = at != Json::kNone, .text = {}, .document = &body_, .node = at};
    }
    return {.found = reference.source != Source::kBody, .text = header_};
  }

 private:
  std::string_view header_;
  Json body_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view text, Scope& scope, Place place) {
  constexpr std::size_t kMost = 4096;
  const auto made = Template::compile(text, place);
  if (!made) return;
  std::string out;
  if (made->render(scope, kMost, out) != RenderError::kNone) return;
  require(out.size() <= kMost);
  if (place == Place::kHeader) require(out.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  if (place == Place::kPath) {
    require(out.starts_with('/') && !has_dot_segment(out));
    require(out.find_first_of("?#\r\n ") == std::string::npos);
  }
  Json document;
  if (place == Place::kJson) require(document.parse(out, {.depth = 1000}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto part = [&] {
    const auto out = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(rest.size(), out.size() + 1));
    return out;
  };
  const auto text = part(), body = part();
  InputScope scope(body, rest);
  for (const auto place : {Place::kText, Place::kHeader, Place::kPath, Place::kQuery, Place::kJson, Place::kHtml})
    check(text, scope, place);
  return 0;
}
