// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fairlead/model/request_cache.hpp"
#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

using Compression = model::Compression;
using Encoding = Compression::Encoding;

struct Levels {
  std::uint64_t least, most;
  int standard;
};
/// What the libraries know, less what takes seconds for each megabyte.
Levels levels_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGzip: return {1, 9, 6};
    case Encoding::kBrotli: return {0, 9, 4};
    default: return {1, 15, 3};
  }
}

void read_encoding(Reader& reader, View at, Compression::One& out) {
  bool named = false;
  read_mapping(reader, at,
               required("name", "gzip, br or zstd",
                        [&](View v) {
                          const auto found = reader.one_of(v, {"gzip", "br", "zstd"});
                          if (!found) return;
                          named = true;
                          out.encoding = static_cast<Encoding>(*found);
                        }),
               field("level", [](View) {}));
  if (!named) return;
  const auto levels = levels_of(out.encoding);
  out.level = levels.standard;
  if (const auto level = at.find("level"); level && !level.is_null())
    read_number(reader, level, levels.least, levels.most, out.level);
}

void read_encodings(Reader& reader, View at, std::vector<Compression::One>& out) {
  out.clear();
  read_list(reader, at, 1, 3, out, [&](View item, Compression::One& one) {
    read_encoding(reader, item, one);
    const auto same = [&](const auto& other) { return other.encoding == one.encoding; };
    if (!reader.failed() && std::ranges::count_if(out, same) > 1) reader.error(item, "each encoding once");
  });
}

/// "text/*", "application/json", "*+json".
bool is_type_pattern(std::string_view text) {
  if (text.starts_with("*+")) return is_token(text.substr(2)) && !text.substr(2).contains('*');
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const auto subtype = text.substr(slash + 1);
  return is_token(text.substr(0, slash)) && !text.substr(0, slash).contains('*') &&
         (subtype == "*" || (is_token(subtype) && !subtype.contains('*')));
}

}  // namespace

void read_compression(Reader& reader, View at, Compression& out) {
  read_mapping(
      reader, at, field("encodings", [&](View v) { read_encodings(reader, v, out.encodings); }),
      field("minLength", [&](View v) { read_number(reader, v, 0, std::uint64_t{1} << 30, out.min_length); }),
      field("contentTypes", [&](View v) {
        read_list(reader, v, 1, 64, out.content_types, [&](View item, std::string& one) {
          if (read_text(reader, item, one, 1, 128, is_type_pattern, "a media type such as text/html, text/* or *+json"))
            one = lower(one);
        });
      }));
}

}  // namespace fairlead::config
