// SPDX-License-Identifier: Apache-2.0
#include "fairlead/net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace fairlead::net {
namespace {

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixed = 16;     // signature, version and command, family, length
constexpr std::size_t kUnixAddresses = 216;

enum Tlv : std::uint8_t {
  kAlpn = 0x01,
  kAuthority = 0x02,
  kCrc = 0x03,
  kNoop = 0x04,
  kUniqueId = 0x05,
  kSsl = 0x20,
  kSslVersion = 0x21,
  kSslCommonName = 0x22,
  kSslCipher = 0x23,
  kSslSignature = 0x24,
  kSslKey = 0x25,
  kNetns = 0x30,
};
constexpr std::size_t kLongestUniqueId = 128;

ProxyParsed invalid(ProxyError error) { return {ProxyState::kInvalid, error, 0}; }
ProxyParsed need(std::size_t bytes) { return {ProxyState::kNeedMore, ProxyError::kNone, bytes}; }

std::uint8_t octet(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }

std::uint16_t load16(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(octet(text, at) << 8 | octet(text, at + 1));
}

std::uint32_t load32(std::string_view text, std::size_t at) {
  return static_cast<std::uint32_t>(load16(text, at)) << 16 | load16(text, at + 2);
}

void put16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8));
  out.push_back(static_cast<char>(value & 0xff));
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

// ---- CRC32C (RFC 3720 appendix B.4) -------------------------------------------------------------------------------

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}();

std::uint32_t crc_add(std::uint32_t crc, std::string_view text) {
  for (const char c : text) crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<std::uint8_t>(c)) & 0xff];
  return crc;
}

/// Of a header, its checksum's own four bytes taken as zero.
std::uint32_t crc_of(std::string_view header, std::size_t field) {
  constexpr std::string_view kZeros("\0\0\0\0", 4);
  const auto crc = crc_add(crc_add(crc_add(~0u, header.substr(0, field)), kZeros), header.substr(field + 4));
  return ~crc;
}

// ---- Version 1 ----------------------------------------------------------------------------------------------------

/// Takes what is before the next space, which must be there unless it is the last word.
std::optional<std::string_view> take_word(std::string_view& line, bool last) {
  const auto space = line.find(' ');
  if (last != (space == std::string_view::npos)) return std::nullopt;
  const auto word = line.substr(0, space);
  line.remove_prefix(last ? line.size() : space + 1);
  return word.empty() ? std::nullopt : std::optional(word);
}

std::optional<std::uint16_t> decimal_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool plain = text == "0" || !text.starts_with('0');
  if (done.ec != std::errc{} || done.ptr != text.data() + text.size() || !plain) return std::nullopt;
  return port;
}

std::optional<Address> address_of(std::string_view text, bool v6) {
  if (text.contains(':') != v6) return std::nullopt;
  return Address::parse(text);
}

ProxyParsed parse_line(std::string_view line, ProxyHeader& header) {
  constexpr std::string_view kUnknown = "UNKNOWN";
  if (line == kUnknown || line.starts_with("UNKNOWN ")) return {ProxyState::kDone, ProxyError::kNone, 0};
  const auto family = take_word(line, false);
  if (!family || (*family != "TCP4" && *family != "TCP6")) return invalid(ProxyError::kSyntax);
  const auto source = take_word(line, false);
  const auto destination = take_word(line, false);
  const auto source_port = take_word(line, false);
  const auto destination_port = take_word(line, true);
  if (!source || !destination || !source_port || !destination_port) return invalid(ProxyError::kSyntax);
  const bool v6 = *family == "TCP6";
  const auto from = address_of(*source, v6), to = address_of(*destination, v6);
  if (!from || !to) return invalid(ProxyError::kAddress);
  const auto from_port = decimal_port(*source_port), to_port = decimal_port(*destination_port);
  if (!from_port || !to_port) return invalid(ProxyError::kSyntax);
  header.source = {*from, *from_port};
  header.destination = {*to, *to_port};
  header.has_endpoints = true;
  return {ProxyState::kDone, ProxyError::kNone, 0};
}

ProxyParsed parse_v1(std::string_view data, ProxyHeader& header) {
  const auto window = data.substr(0, kProxyV1Longest);
  const auto end = window.find('\n');
  const auto line = window.substr(0, end);
  // A return that no line feed follows, and what is no printable text, never becomes a header.
  const auto odd = std::ranges::find_if(line, [](char c) { return c < 0x20 || c > 0x7e; });
  if (odd != line.end() && (*odd != '\r' || odd + 1 != line.end())) return invalid(ProxyError::kSyntax);
  if (end == std::string_view::npos)
    return window.size() == kProxyV1Longest ? invalid(ProxyError::kTooLong) : need(data.size() + 1);
  if (!line.ends_with('\r')) return invalid(ProxyError::kSyntax);
  header.length = end + 1;
  return parse_line(line.substr(kSignature1.size(), line.size() - kSignature1.size() - 1), header);
}

// ---- Version 2 ----------------------------------------------------------------------------------------------------

/// Takes the next TLV off `text`.
bool take_tlv(std::string_view& text, std::uint8_t& type, std::string_view& value) {
  if (text.size() < 3) return false;
  const std::size_t length = load16(text, 1);
  if (text.size() - 3 < length) return false;
  type = octet(text, 0);
  value = text.substr(3, length);
  text.remove_prefix(3 + length);
  return true;
}

/// Each known text once; an empty one is as good as none.
bool keep_once(std::string_view& into, std::string_view value) {
  if (into.data() != nullptr) return false;
  into = value;
  return true;
}

bool parse_tls(std::string_view value, ProxyHeader& header) {
  if (header.tls || value.size() < 5) return false;
  auto& tls = header.tls.emplace();
  tls.tls = (octet(value, 0) & 1) != 0;
  tls.certificate_on_connection = (octet(value, 0) & 2) != 0;
  tls.certificate_in_session = (octet(value, 0) & 4) != 0;
  tls.verify = load32(value, 1);
  value.remove_prefix(5);
  while (!value.empty()) {
    std::uint8_t type = 0;
    std::string_view text;
    if (!take_tlv(value, type, text)) return false;
    auto* into = type == kSslVersion      ? &tls.version
                 : type == kSslCommonName ? &tls.common_name
                 : type == kSslCipher     ? &tls.cipher
                 : type == kSslSignature  ? &tls.signature
                 : type == kSslKey        ? &tls.key
                                          : nullptr;
    if (into != nullptr && !keep_once(*into, text)) return false;
  }
  return true;
}

ProxyError parse_tlvs(std::string_view whole, std::size_t at, ProxyHeader& header) {
  auto rest = whole.substr(at);
  bool checked = false;
  while (!rest.empty()) {
    std::uint8_t type = 0;
    std::string_view value;
    if (!take_tlv(rest, type, value)) return ProxyError::kTlv;
    bool good = true;
    switch (type) {
      case kAlpn: good = keep_once(header.alpn, value); break;
      case kAuthority: good = keep_once(header.authority, value); break;
      case kUniqueId: good = value.size() <= kLongestUniqueId && keep_once(header.unique_id, value); break;
      case kNetns: good = keep_once(header.netns, value); break;
      case kSsl: good = parse_tls(value, header); break;
      case kCrc:
        if (value.size() != 4 || checked) return ProxyError::kTlv;
        checked = true;
        if (load32(value, 0) != crc_of(whole, static_cast<std::size_t>(value.data() - whole.data())))
          return ProxyError::kChecksum;
        break;
      default: break;  // of no interest, or not known yet: skipped
    }
    if (!good) return ProxyError::kTlv;
  }
  return ProxyError::kNone;
}

Address load_address(std::string_view text, std::size_t at, bool v6) {
  if (!v6) {
    __be32 word = 0;
    std::memcpy(&word, text.data() + at, 4);
    return Address::from_v4(word);
  }
  fl_addr raw{};
  static_assert(sizeof raw == 16);
  std::memcpy(&raw, text.data() + at, 16);
  return Address(raw);
}

/// Bytes of the addresses of a family and transport; nothing where it is not assigned.
std::optional<std::size_t> addresses_of(std::uint8_t family) {
  switch (family) {
    case 0x00: return 0;                        // UNSPEC
    case 0x11:
    case 0x12: return 12;            // IPv4, stream and datagram
    case 0x21:
    case 0x22: return 36;            // IPv6
    case 0x31:
    case 0x32: return kUnixAddresses;
    default: return std::nullopt;
  }
}

ProxyError parse_block(std::string_view whole, ProxyHeader& header) {
  const auto family = octet(whole, 13);
  if ((octet(whole, 12) & 15) == 0) {
    header.local = true;  // the rest of the block is to be left unread, whatever the family
    return ProxyError::kNone;
  }
  const auto addresses = addresses_of(family);
  if (!addresses) return ProxyError::kFamily;
  if (*addresses == 0) return ProxyError::kNone;
  if (whole.size() - kFixed < *addresses) return ProxyError::kLength;
  header.datagram = (family & 15) == 2;
  if (*addresses != kUnixAddresses) {
    const bool v6 = *addresses == 36;
    const std::size_t size = v6 ? 16 : 4;
    header.source = {load_address(whole, kFixed, v6), load16(whole, kFixed + 2 * size)};
    header.destination = {load_address(whole, kFixed + size, v6), load16(whole, kFixed + 2 * size + 2)};
    header.has_endpoints = true;
  }
  return parse_tlvs(whole, kFixed + *addresses, header);
}

ProxyParsed parse_v2(std::string_view data, const ProxyLimits& limits, ProxyHeader& header) {
  if (data.size() > 12 && octet(data, 12) >> 4 != 2) return invalid(ProxyError::kVersion);
  if (data.size() > 12 && (octet(data, 12) & 15) > 1) return invalid(ProxyError::kCommand);
  if (data.size() < kFixed) return need(kFixed);
  const std::size_t length = kFixed + load16(data, 14);
  if (length > limits.longest) return invalid(ProxyError::kTooLong);
  if (data.size() < length) return need(length);
  header.length = length;
  const auto error = parse_block(data.substr(0, length), header);
  return error == ProxyError::kNone ? ProxyParsed{ProxyState::kDone, error, 0} : invalid(error);
}

// ---- Writing ------------------------------------------------------------------------------------------------------

void put_tlv(std::string& out, Tlv type, std::string_view value, bool even_empty = false) {
  if (value.empty() && !even_empty) return;
  out.push_back(static_cast<char>(type));
  put16(out, value.size());
  out += value;
}

std::string tls_value(const ProxyTls& tls) {
  std::string value(1, static_cast<char>((tls.tls ? 1 : 0) | (tls.certificate_on_connection ? 2 : 0) |
                                         (tls.certificate_in_session ? 4 : 0)));
  put32(value, tls.verify);
  put_tlv(value, kSslVersion, tls.version);
  put_tlv(value, kSslCommonName, tls.common_name);
  put_tlv(value, kSslCipher, tls.cipher);
  put_tlv(value, kSslSignature, tls.signature);
  put_tlv(value, kSslKey, tls.key);
  return value;
}

void put_endpoints(const ProxyHeader& header, bool v4, std::string& out) {
  for (const auto* end : {&header.source, &header.destination}) {
    const auto& raw = end->address.raw();
    std::string_view bytes(reinterpret_cast<const char*>(&raw), 16);
    out += v4 ? bytes.substr(12) : bytes;
  }
  put16(out, header.source.port);
  put16(out, header.destination.port);
}

bool fits(const ProxyHeader& header) {
  const auto& tls = header.tls;
  for (const auto text : {header.alpn, header.authority, header.netns})
    if (text.size() > 0xffff) return false;
  if (header.unique_id.size() > kLongestUniqueId) return false;
  return !tls ||
         tls->version.size() + tls->common_name.size() + tls->cipher.size() + tls->signature.size() + tls->key.size() <
             0xff00;
}

}  // namespace

std::string_view name_of(ProxyError error) {
  switch (error) {
    case ProxyError::kNone: return "none";
    case ProxyError::kSignature: return "signature";
    case ProxyError::kTooLong: return "too_long";
    case ProxyError::kSyntax: return "syntax";
    case ProxyError::kAddress: return "address";
    case ProxyError::kVersion: return "version";
    case ProxyError::kCommand: return "command";
    case ProxyError::kFamily: return "family";
    case ProxyError::kLength: return "length";
    case ProxyError::kTlv: return "tlv";
    case ProxyError::kChecksum: return "checksum";
  }
  return "";
}

ProxyParsed parse_proxy(std::string_view data, const ProxyLimits& limits, ProxyHeader& header) {
  header = {};
  const auto begins = [data](std::string_view signature) {
    return data.substr(0, signature.size()) == signature.substr(0, data.size());
  };
  if (limits.version1 && begins(kSignature1))
    return data.size() < kSignature1.size() ? need(kSignature1.size()) : parse_v1(data, header);
  if (limits.version2 && begins(kSignature2))
    return data.size() < kSignature2.size() ? need(kFixed) : parse_v2(data, limits, header);
  return invalid(ProxyError::kSignature);
}

void write_proxy_v1(const ProxyHeader& header, std::string& out) {
  const bool v4 = header.source.address.is_v4();
  if (header.local || !header.has_endpoints || header.datagram || v4 != header.destination.address.is_v4()) {
    out += "PROXY UNKNOWN\r\n";
    return;
  }
  out.append(v4 ? "PROXY TCP4 " : "PROXY TCP6 ").append(header.source.address.text());
  out.append(" ").append(header.destination.address.text());
  out.append(" ").append(std::to_string(header.source.port));
  out.append(" ").append(std::to_string(header.destination.port)).append("\r\n");
}

bool write_proxy_v2(const ProxyHeader& header, bool checksum, std::string& out) {
  if (!fits(header)) return false;
  std::string made(kSignature2);
  made.push_back(header.local ? 0x20 : 0x21);
  const bool endpoints = header.has_endpoints && !header.local;
  const bool v4 = header.source.address.is_v4() && header.destination.address.is_v4();
  made.push_back(static_cast<char>(!endpoints ? 0 : (v4 ? 0x10 : 0x20) | (header.datagram ? 2 : 1)));
  put16(made, 0);
  if (endpoints) {
    put_endpoints(header, v4, made);
    put_tlv(made, kAlpn, header.alpn);
    put_tlv(made, kAuthority, header.authority);
    put_tlv(made, kUniqueId, header.unique_id);
    if (header.tls) put_tlv(made, kSsl, tls_value(*header.tls), true);
    put_tlv(made, kNetns, header.netns);
    if (checksum) put_tlv(made, kCrc, std::string_view("\0\0\0\0", 4));
  }
  const auto length = made.size() - kFixed;
  if (length > 0xffff) return false;
  made[14] = static_cast<char>(length >> 8);
  made[15] = static_cast<char>(length & 0xff);
  if (endpoints && checksum) {
    const auto at = made.size() - 4;
    const auto crc = crc_of(made, at);
    made.resize(at);
    put32(made, crc);
  }
  out += made;
  return true;
}

bool write_proxy(std::uint8_t version, const ProxyHeader& header, std::string& out) {
  if (version != 1) return write_proxy_v2(header, false, out);
  write_proxy_v1(header, out);
  return true;
}

}  // namespace fairlead::net
