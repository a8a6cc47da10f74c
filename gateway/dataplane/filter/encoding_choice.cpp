// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/encoding_choice.hpp"

#include <algorithm>

#include "fairlead/cache/control.hpp"

namespace fairlead::filter {
namespace {

using Encoding = model::Compression::Encoding;

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// Thousandths of a qvalue: "0.5" is 500. What is none counts as 0: not wanted.
int weight_of(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return 0;
  if (text.size() > 1 && text[1] != '.') return 0;
  int value = text[0] == '1' ? 1000 : 0;
  int unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') return 0;
    value += (c - '0') * unit;
    unit /= 10;
  }
  return value > 1000 ? 0 : value;
}

struct Coding {
  std::string_view name;
  int weight = 1000;
};

Coding parse(std::string_view member) {
  Coding out;
  const auto semicolon = member.find(';');
  out.name = trim(member.substr(0, semicolon));
  if (semicolon == std::string_view::npos) return out;
  const auto parameter = trim(member.substr(semicolon + 1));
  const bool weighs = parameter.size() >= 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=';
  if (weighs) out.weight = weight_of(parameter.substr(2));
  return out;
}

/// -1: not named.
struct Wishes {
  int encodings[3] = {-1, -1, -1};
  int identity = -1;
  int any = -1;
};

void add(const Coding& coding, Wishes& out) {
  const auto is = [&](std::string_view name) { return cache::equal_ignoring_case(coding.name, name); };
  if (coding.name == "*") out.any = coding.weight;
  else if (is("identity")) out.identity = coding.weight;
  else if (is("gzip") || is("x-gzip")) out.encodings[static_cast<int>(Encoding::kGzip)] = coding.weight;
  else if (is("br")) out.encodings[static_cast<int>(Encoding::kBrotli)] = coding.weight;
  else if (is("zstd")) out.encodings[static_cast<int>(Encoding::kZstd)] = coding.weight;
}

}  // namespace

std::string_view name_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::kGzip: return "gzip";
    case Encoding::kBrotli: return "br";
    default: return "zstd";
  }
}

const model::Compression::One* choose_encoding(const http::Fields& request,
                                               const std::vector<model::Compression::One>& offered) {
  Wishes wishes;
  for (const auto& field : request) {
    if (field.name != "accept-encoding") continue;
    auto list = field.value;
    std::string_view member;
    while (cache::next_member(list, member)) add(parse(member), wishes);
  }
  const model::Compression::One* best = nullptr;
  int weight = 0;
  for (const auto& one : offered) {
    const int named = wishes.encodings[static_cast<int>(one.encoding)];
    const int wish = named >= 0 ? named : wishes.any;
    if (wish <= weight) continue;
    best = &one;
    weight = wish;
  }
  return wishes.identity > weight ? nullptr : best;
}

bool matches_type(std::string_view content_type, const std::vector<std::string>& patterns) {
  const auto type = trim(content_type.substr(0, content_type.find(';')));
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    if (pattern.ends_with("/*")) {
      pattern.remove_suffix(1);
      return type.size() > pattern.size() && cache::equal_ignoring_case(type.substr(0, pattern.size()), pattern);
    }
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      return type.size() > pattern.size() &&
             cache::equal_ignoring_case(type.substr(type.size() - pattern.size()), pattern);
    }
    return cache::equal_ignoring_case(type, pattern);
  });
}

}  // namespace fairlead::filter
