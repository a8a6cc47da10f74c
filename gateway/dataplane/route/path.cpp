// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/path.hpp"

#include <array>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>

#include "fairlead/base/ascii.hpp"
#endif

namespace fairlead::route {
namespace {

enum Class : std::uint8_t {
  kControlByte,
  kNonAsciiByte,
  kUnreserved,
  kReserved,
  kSlash,
  kPercent,
  kBackslash,
  kHash,
  kOther
};

constexpr std::array<Class, 256> kClasses = [] {
  std::array<Class, 256> classes{};
  for (std::size_t c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (c <= 0x20 || c == 0x7f) classes[c] = kControlByte;
    else if (c > 0x7f) classes[c] = kNonAsciiByte;
    else if (letter || digit || c == '-' || c == '.' || c == '_' || c == '~') classes[c] = kUnreserved;
    else classes[c] = kOther;
  }
  for (const char c : std::string_view("!$&'()*+,;=:@")) classes[static_cast<unsigned char>(c)] = kReserved;
  classes['?'] = kOther;  // never met in a path
  classes['/'] = kSlash;
  classes['%'] = kPercent;
  classes['\\'] = kBackslash;
  classes['#'] = kHash;
  return classes;
}();

Class class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }

/// True where nothing in `path` asks for more than a look: only plain characters, no "//", no "/.".
bool is_plain_scalar(std::string_view path, bool after_slash) {
  for (const char c : path) {
    const auto kind = class_of(c);
    if (kind > kSlash || kind < kUnreserved) return false;
    if (after_slash && (c == '/' || c == '.')) return false;
    after_slash = c == '/';
  }
  return true;
}

#ifdef __SSE2__
/// Sixteen bytes at a time: printable ASCII but for the characters that no plain path holds.
bool is_plain(std::string_view path) {
  const auto is = [](__m128i bytes, char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
  const char* at = path.data();
  std::size_t left = path.size();
  unsigned after_slash = 0;
  for (; left >= 16; at += 16, left -= 16) {
    __m128i bytes;
    std::memcpy(&bytes, at, 16);
    // Signed comparison: bytes from 0x80 are below 0x21 too.
    __m128i bad = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));
    for (const char c : {'"', '#', '%', '<', '>', '\x7f', '|', '^', '`'}) bad = _mm_or_si128(bad, is(bytes, c));
    // [ and ] differ from { and } in bit 5 only.
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    for (const char c : {'{', '}'}) bad = _mm_or_si128(bad, is(folded, c));
    bad = _mm_or_si128(bad, is(bytes, '\\'));
    if (_mm_movemask_epi8(bad) != 0) return false;
    const auto slashes = static_cast<unsigned>(_mm_movemask_epi8(is(bytes, '/')));
    const auto dots = static_cast<unsigned>(_mm_movemask_epi8(is(bytes, '.')));
    if ((((slashes << 1) | after_slash) & (slashes | dots)) != 0) return false;
    after_slash = slashes >> 15;
  }
  return is_plain_scalar({at, left}, after_slash != 0);
}
#else
bool is_plain(std::string_view path) { return is_plain_scalar(path, false); }
#endif

PathError check_query(std::string_view query) {
  for (const char c : query) {
    switch (class_of(c)) {
      case kControlByte: return PathError::kControl;
      case kNonAsciiByte: return PathError::kNonAscii;
      case kHash: return PathError::kFragment;
      default: break;
    }
  }
  return PathError::kNone;
}

/// Writes `value` as it is in a normal path: decoded where unreserved, else as a triplet in upper case.
char* put_octet(char* out, unsigned char value) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (class_of(static_cast<char>(value)) == kUnreserved) {
    *out++ = static_cast<char>(value);
    return out;
  }
  *out++ = '%';
  *out++ = kDigits[value >> 4];
  *out++ = kDigits[value & 15];
  return out;
}

PathError decode_triplet(std::string_view triplet, const PathOptions& options, char*& out) {
  if (triplet.size() < 3) return PathError::kTriplet;
  const int high = hex_value(triplet[1]);
  const int low = hex_value(triplet[2]);
  if (high < 0 || low < 0) return PathError::kTriplet;
  const auto value = static_cast<unsigned char>(high * 16 + low);
  if (value == 0) return PathError::kNul;
  const bool slash = value == '/' || value == '\\';
  if (slash && options.encoded_slashes == EncodedSlashes::kRefuse) return PathError::kEncodedSlash;
  if (slash && options.encoded_slashes == EncodedSlashes::kDecode) *out++ = '/';
  else out = put_octet(out, value);
  return PathError::kNone;
}

/// Phase one: character by character, into `out`, which has room for three times the path.
PathError decode(std::string_view path, const PathOptions& options, char*& out) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    switch (class_of(path[i])) {
      case kUnreserved:
      case kReserved:
      case kSlash: *out++ = path[i]; break;
      case kPercent: {
        const auto error = decode_triplet(path.substr(i, 3), options, out);
        if (error != PathError::kNone) return error;
        i += 2;
        break;
      }
      case kBackslash:
        if (options.backslashes == Backslashes::kRefuse) return PathError::kBackslash;
        *out++ = '/';
        break;
      case kOther:
        if (options.other_characters == OtherCharacters::kRefuse) return PathError::kCharacter;
        out = put_octet(out, static_cast<unsigned char>(path[i]));
        break;
      case kControlByte: return PathError::kControl;
      case kNonAsciiByte: return PathError::kNonAscii;
      case kHash: return PathError::kFragment;
    }
  }
  return PathError::kNone;
}

/// Phase two, in place: dot segments go (RFC 3986 section 5.2.4), and empty ones where slashes are merged. Answers the
/// end.
char* remove_segments(char* begin, const char* end, bool merge) {
  char* out = begin;  // everything before it is final, without a slash at its end that a segment would need
  const char* at = begin;
  while (at != end) {  // at a slash
    const char* segment = at + 1;
    const auto* next = static_cast<const char*>(std::memchr(segment, '/', static_cast<std::size_t>(end - segment)));
    const bool last = next == nullptr;
    if (last) next = end;
    const std::string_view text(segment, static_cast<std::size_t>(next - segment));
    const bool up = text == "..";
    if (up)
      while (out != begin && *--out != '/') {
      }
    if (up || text == "." || (text.empty() && merge)) {
      if (last) *out++ = '/';
    } else {
      *out++ = '/';
      std::memmove(out, text.data(), text.size());
      out += text.size();
    }
    at = next;
  }
  return out;
}

}  // namespace

std::string_view name_of(PathError error) {
  switch (error) {
    case PathError::kNone: return "none";
    case PathError::kNotAbsolute: return "not_absolute";
    case PathError::kControl: return "control_character";
    case PathError::kNonAscii: return "non_ascii";
    case PathError::kTriplet: return "invalid_triplet";
    case PathError::kNul: return "encoded_nul";
    case PathError::kFragment: return "fragment";
    case PathError::kCharacter: return "invalid_character";
    case PathError::kBackslash: return "backslash";
    case PathError::kEncodedSlash: return "encoded_slash";
  }
  return "";
}

PathError parse_target(std::string_view target, const PathOptions& options, Arena& arena, Target& result) {
  if (target.empty() || (target.front() != '/' && target != "*")) return PathError::kNotAbsolute;
  const auto mark = target.find('?');
  result.path = target.substr(0, mark);
  result.has_query = mark != std::string_view::npos;
  result.query = result.has_query ? target.substr(mark + 1) : std::string_view{};
  if (const auto error = check_query(result.query); error != PathError::kNone) return error;
  if (is_plain(result.path)) return PathError::kNone;
  const std::size_t most = options.other_characters == OtherCharacters::kEncode ? 3 : 1;
  char* begin = arena.allocate(result.path.size() * most);
  char* end = begin;
  if (const auto error = decode(result.path, options, end); error != PathError::kNone) return error;
  end = remove_segments(begin, end, options.merge_slashes);
  result.path = {begin, static_cast<std::size_t>(end - begin)};
  return PathError::kNone;
}

bool has_path_prefix(std::string_view path, std::string_view prefix) {
  while (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace fairlead::route
