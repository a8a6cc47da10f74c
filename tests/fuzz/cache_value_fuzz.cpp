// SPDX-License-Identifier: Apache-2.0
// What stands in a shared store: any bytes, with and without a checksum that fits them, are refused, or are a response
// that is written again as it was read.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fairlead/cache/encoded.hpp"

namespace {

using namespace fairlead::cache;

constexpr Moment kNow{.monotonic = 1'000'000, .wall = 1'700'000'000'000};
const std::vector<std::string> kTags = {"surrogate-key"};

void check(bool good) {
  if (!good) std::abort();
}

void check_value(const std::string& text) {
  Stamp stamp, again_stamp;
  const auto read = decode(text, kTags, kNow, stamp);
  if (read == nullptr) return;
  check(read->age(kNow.monotonic) >= 0 && read->lifetime >= 0);
  for (const auto& field : read->fields)
    check(!field.name.empty() && field.value.find_first_of("\r\n") == std::string_view::npos);
  const auto written = encode(*read, stamp, kNow, kMostEncoded);
  if (written.empty()) return;  // a date was added
  const auto again = decode(written, kTags, kNow, again_stamp);
  check(again != nullptr && *again->body == *read->body && again->fields.size() == read->fields.size());
  check(again_stamp.digest == stamp.digest && again->lifetime == read->lifetime && again->status == read->status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  check_value(text);
  if (size < 12) return 0;
  text.replace(0, 4, "FLC\x01");
  const auto sum = XXH3_64bits(text.data() + 12, text.size() - 12);
  for (std::size_t i = 0; i < 8; ++i) text[4 + i] = static_cast<char>(sum >> (8 * i));
  check_value(text);
  return 0;
}
