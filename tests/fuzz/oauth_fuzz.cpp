// SPDX-License-Identifier: Apache-2.0
// A text as what a provider says, as a URL, as a path to go back to, as a cookie and as what a cookie holds: what is
// taken is safe in a Location and in a request line, and nobody without the key seals.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fairlead/auth/oauth.hpp"
#include "fairlead/auth/seal.hpp"

using namespace fairlead::auth;

namespace {

const SealKeys& keys() {
  static const auto all = *SealKeys::make({std::string(32, 'a'), std::string(32, 'b')});
  return all;
}

void check_visible(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~') std::abort();
}

void check_provider(std::string_view text) {
  const auto provider = parse_provider(text, "https://i");
  if (!provider) return;
  for (const auto* url : {&provider->authorization, &provider->end_session}) {
    check_visible(*url);
    if (!url->empty() && !url->starts_with("https://") && !url->starts_with("http://")) std::abort();
  }
  for (const auto* path : {&provider->token_path, &provider->jwks_path}) {
    check_visible(*path);
    if (!path->starts_with('/')) std::abort();
  }
}

void check_target(std::string_view text) {
  if (!is_local_target(text)) return;
  check_visible(text);
  if (text[0] != '/' || (text.size() > 1 && (text[1] == '/' || text[1] == '\\'))) std::abort();
}

void check_seal(std::string_view text) {
  if (keys().open(text, "x")) std::abort();
  const auto sealed = keys().seal(text, "x");
  if (keys().open(sealed, "x") != text || keys().open(sealed, "y")) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_provider(text);
  check_target(text);
  check_seal(text);
  if (const auto url = split_url(text)) {
    check_visible(text);
    if (std::string(url->origin) + std::string(url->path) != text) std::abort();
  }
  (void)parse_token_answer(text);
  (void)error_of(text);
  (void)looks_like_jwt(text);
  for (std::size_t count = 0; count < 7; ++count)
    if (const auto parts = unpack(text, count); parts && parts->size() != count) std::abort();
  check_visible(encode_form({{text, text}}));
  return 0;
}
