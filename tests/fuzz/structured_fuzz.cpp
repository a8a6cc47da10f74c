// SPDX-License-Identifier: Apache-2.0
// A text as a structured field (RFC 8941), and as Signature-Input of a request: what is written is read as the same,
// and nobody without the key signs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fairlead/auth/http_signature.hpp"
#include "fairlead/auth/structured_fields.hpp"

using namespace fairlead::auth;

namespace {

/// The canonical form is read, and is its own canonical form.
template <class Parse>
void check(std::string_view text, Parse parse) {
  const auto first = parse(text);
  if (!first) return;
  const auto written = structured::serialize(*first);
  if (written.find_first_of("\r\n") != std::string::npos) std::abort();
  const auto second = parse(written);
  if (!second || structured::serialize(*second) != written) std::abort();
}

fairlead::http::RequestHead request(std::string_view input) {
  fairlead::http::RequestHead head;
  head.method_text = "POST";
  head.scheme = "https";
  head.authority = "Example.com:443";
  head.target = "/a%20b?x=1&y=%zz+&x";
  head.fields = {
      {"date", "now"}, {"priority", "u=1"}, {"dict", input}, {"signature-input", input}, {"signature", "s=:AAAA:"}};
  return head;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, structured::parse_item);
  check(text, structured::parse_list);
  check(text, structured::parse_dictionary);
  static const auto key = *signature_key("a secret that nobody guesses", false, "");
  const auto head = request(text);
  const auto signatures = parse_signatures(head.fields);
  if (!signatures) std::abort();
  for (const auto& signature : *signatures) {
    const auto base = signature_base(signature, head);
    if (!base) continue;
    // A line for each component, and one for the parameters.
    std::size_t lines = 1;
    for (const char c : *base) lines += c == '\n' ? 1U : 0U;
    if (lines != signature.input.items.size() + 1) std::abort();
    if (check_signature(signature, key, *base)) std::abort();
  }
  (void)is_component(text);
  (void)check_content_digest({{"content-digest", text}}, "body");
  return 0;
}
