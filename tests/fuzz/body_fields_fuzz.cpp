// SPDX-License-Identifier: Apache-2.0
// Fields of bodies: what is written is read again as it was, and changes are what was asked for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway/dataplane/filter/body_fields.hpp"

namespace {

using fairlead::filter::BodyFields;

void expect(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr const char* kTypes[] = {"application/json", "application/x-www-form-urlencoded",
                                    "multipart/form-data; boundary=b"};
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  fairlead::http::Fields fields;
  fields.push_back({"content-type", kTypes[data[0] % 3]});
  const BodyFields first(fields, body);
  if (!first.good()) return 0;
  const auto text = first.text();
  BodyFields again(fields, text);
  expect(again.good() && again.text() == text);
  again.remove("a");
  expect(!again.has("a"));
  again.set("a", "1");
  expect(again.value("a") == "1");
  again.append("a", "2");
  expect(again.rename("a", "c") && !again.has("a"));
  const auto changed = again.text();
  const BodyFields last(fields, changed);
  expect(last.good() && last.has("c") && !last.has("a") && last.text() == changed);
  return 0;
}
