// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/client_hello.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fairlead::tls {
namespace {

constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kMaxRecord = 16384;  // RFC 8446 section 5.1, plaintext
constexpr std::size_t kHandshakeHeader = 4;
constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kClientHello = 1;
constexpr std::size_t kMaxName = 255;  // RFC 1035

enum Extension : std::uint16_t { kServerName = 0, kAlpn = 16, kEarlyData = 42, kSupportedVersions = 43 };

// Takes fields from the front; a field that is not there makes it fail for good.
class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  std::size_t number(std::size_t width) {
    const auto field = take(width);
    std::size_t value = 0;
    for (const auto byte : field) value = value << 8 | byte;
    return value;
  }
  std::span<const std::uint8_t> take(std::size_t bytes) {
    if (bytes > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  /// A vector with a length of `width` bytes before it.
  Cursor vector(std::size_t width) {
    Cursor inner(take(number(width)));
    inner.failed_ = failed_;
    return inner;
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] std::span<const std::uint8_t> rest() const { return rest_; }

 private:
  std::span<const std::uint8_t> rest_;
  bool failed_ = false;
};

bool is_name_byte(std::uint8_t byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '-' ||
         byte == '_' || byte == '.';
}

char lower(std::uint8_t byte) { return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte); }

// RFC 6066 section 3: one host_name, without a dot at the end.
bool parse_server_name(Cursor body, ClientHello& hello) {
  auto list = body.vector(2);
  if (body.failed() || !body.empty()) return false;
  const auto type = list.number(1);
  auto name = list.vector(2);
  if (list.failed() || name.failed() || type != 0 || !list.empty()) return false;
  const auto bytes = name.rest();
  if (bytes.empty() || bytes.size() > kMaxName || bytes.front() == '.' || bytes.back() == '.') return false;
  if (!std::ranges::all_of(bytes, is_name_byte)) return false;
  hello.server_name.resize(bytes.size());
  std::ranges::transform(bytes, hello.server_name.begin(), lower);
  hello.has_sni = true;
  return true;
}

// RFC 7301 section 3.1.
bool parse_alpn(Cursor body, ClientHello& hello) {
  auto list = body.vector(2);
  if (body.failed() || !body.empty() || list.empty()) return false;
  const auto whole = list.rest();
  while (!list.empty()) {
    const auto name = list.vector(1);
    if (list.failed() || name.empty()) return false;
  }
  hello.alpn.resize(whole.size());
  std::memcpy(hello.alpn.data(), whole.data(), whole.size());
  return true;
}

// RFC 8446 section 4.2.1; values of the form 0x?a?a are there to keep servers tolerant (RFC 8701).
bool parse_versions(Cursor body, ClientHello& hello) {
  auto list = body.vector(1);
  if (body.failed() || !body.empty() || list.empty()) return false;
  std::uint16_t highest = 0;
  while (!list.empty()) {
    const auto version = static_cast<std::uint16_t>(list.number(2));
    if (list.failed()) return false;
    if (version >> 8 == 0x03) highest = std::max(highest, version);
  }
  hello.version = highest;
  return true;
}

bool parse_extension(std::size_t type, Cursor body, ClientHello& hello) {
  switch (type) {
    case kServerName: return !hello.has_sni && parse_server_name(body, hello);
    case kAlpn: return hello.alpn.empty() && parse_alpn(body, hello);
    case kSupportedVersions: return parse_versions(body, hello);
    case kEarlyData: hello.has_early_data = true; return true;
    default: return true;
  }
}

// The body of the handshake message, whole.
bool parse_body(std::span<const std::uint8_t> bytes, ClientHello& hello) {
  Cursor body(bytes);
  hello.version = static_cast<std::uint16_t>(body.number(2));
  body.take(32);                          // random
  if (body.vector(1).rest().size() > 32) return false;  // session id
  const auto suites = body.vector(2).rest().size();
  const auto compressions = body.vector(1).rest().size();
  if (body.failed() || suites == 0 || suites % 2 != 0 || compressions == 0) return false;
  if (body.empty()) return true;  // no extensions: allowed up to 1.2
  auto extensions = body.vector(2);
  if (body.failed() || !body.empty()) return false;
  while (!extensions.empty()) {
    const auto type = extensions.number(2);
    const auto data = extensions.vector(2);
    if (extensions.failed() || !parse_extension(type, data, hello)) return false;
  }
  return true;
}

// Where the handshake message lies within the records.
struct Layout {
  std::size_t gathered = 0;  // bytes of the message that are there
  std::size_t wanted = 0;    // header and body; 0: not known yet
  std::size_t records = 0;
};

// Copies what records carry behind each other; only messages that are spread over several need it.
std::size_t gather(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> into) {
  std::size_t gathered = 0;
  std::size_t at = 0;
  while (at + kRecordHeader <= bytes.size() && gathered < into.size()) {
    const std::size_t length = static_cast<std::size_t>(bytes[at + 3]) << 8 | bytes[at + 4];
    at += kRecordHeader;
    const auto part = std::min({length, bytes.size() - at, into.size() - gathered});
    std::memcpy(into.data() + gathered, bytes.data() + at, part);
    gathered += part;
    at += part;
  }
  return gathered;
}

// kFound: all records of the message are there.
Peek walk_records(std::span<const std::uint8_t> bytes, Layout& layout) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto rest = bytes.subspan(at);
    if (rest[0] != kHandshakeRecord) return layout.records == 0 ? Peek::kNotTls : Peek::kUnexpected;
    if (rest.size() > 1 && rest[1] != 3) return layout.records == 0 ? Peek::kNotTls : Peek::kMalformed;
    if (rest.size() < kRecordHeader) return Peek::kNeedMore;
    const std::size_t length = static_cast<std::size_t>(rest[3]) << 8 | rest[4];
    if (length == 0) return Peek::kUnexpected;
    if (length > kMaxRecord) return Peek::kOverflow;
    if (++layout.records > kMaxClientHelloRecords) return Peek::kTooLarge;
    layout.gathered += std::min(length, rest.size() - kRecordHeader);
    if (layout.wanted == 0) {
      if (layout.records == 1 && rest.size() > kRecordHeader && rest[kRecordHeader] != kClientHello)
        return Peek::kUnexpected;
      if (layout.gathered >= kHandshakeHeader) {
        std::array<std::uint8_t, kHandshakeHeader> header{};
        gather(bytes, header);
        layout.wanted = kHandshakeHeader + (static_cast<std::size_t>(header[1]) << 16 |
                                            static_cast<std::size_t>(header[2]) << 8 | header[3]);
        if (layout.wanted > kMaxClientHello) return Peek::kTooLarge;
      }
    }
    if (layout.wanted != 0 && layout.gathered >= layout.wanted) return Peek::kFound;
    at += kRecordHeader + length;
  }
  return bytes.size() >= kMaxClientHello ? Peek::kTooLarge : Peek::kNeedMore;
}

// Apart, so that the common case does not pay for the buffer.
[[gnu::noinline]] bool parse_gathered(std::span<const std::uint8_t> bytes, const Layout& layout, ClientHello& hello) {
  std::array<std::uint8_t, kMaxClientHello> message;
  const auto there = gather(bytes, std::span(message).first(layout.wanted));
  return there == layout.wanted && parse_body(std::span(message).first(there).subspan(kHandshakeHeader), hello);
}

}  // namespace

bool ClientHello::offers(std::string_view protocol) const {
  for (std::size_t at = 0; at < alpn.size();) {
    const std::size_t length = static_cast<std::uint8_t>(alpn[at]);
    if (std::string_view(alpn).substr(at + 1, length) == protocol) return true;
    at += 1 + length;
  }
  return false;
}

Peek peek_client_hello(std::span<const char> bytes, ClientHello& hello) {
  const std::span<const std::uint8_t> octets(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  Layout layout;
  const Peek found = walk_records(octets, layout);
  if (found != Peek::kFound) return found;
  ClientHello parsed;
  const bool whole =
      layout.records == 1
          ? parse_body(octets.subspan(kRecordHeader + kHandshakeHeader, layout.wanted - kHandshakeHeader), parsed)
          : parse_gathered(octets, layout, parsed);
  if (!whole) return Peek::kMalformed;
  hello = std::move(parsed);
  return Peek::kFound;
}

}  // namespace fairlead::tls
