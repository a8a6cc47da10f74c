// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/ext_authz.hpp"

#include <algorithm>

#include "gateway/dataplane/filter/protobuf_reader.hpp"

namespace fairlead::filter {
namespace {

constexpr std::size_t kFramePrefix = 5;  // a flag and a length, gRPC over HTTP/2

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
void put_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  put_varint(out, std::uint64_t{field} << 3);
  put_varint(out, value);
}
void put_bytes(std::string& out, std::uint32_t field, std::string_view value) {
  if (value.empty()) return;
  put_varint(out, (std::uint64_t{field} << 3) | 2);
  put_varint(out, value.size());
  out.append(value);
}

/// AttributeContext.Peer with an Address of a SocketAddress.
std::string peer(const net::Endpoint& endpoint, std::string_view principal) {
  std::string socket, address, out;
  put_bytes(socket, 2, endpoint.address.text());
  put_number(socket, 3, endpoint.port);
  put_bytes(address, 1, socket);
  put_bytes(out, 1, address);
  put_bytes(out, 4, principal);
  return out;
}

std::string_view protocol_of(http::Version version) {
  switch (version) {
    case http::Version::kHttp10: return "HTTP/1.0";
    case http::Version::kHttp2: return "HTTP/2";
    case http::Version::kHttp3: return "HTTP/3";
    default: return "HTTP/1.1";
  }
}

/// One entry for each name, as a map has it: values of equal names are one list.
void put_headers(std::string& out, Request& request, std::string_view target, const CheckOptions& options) {
  const auto& head = request.head();
  const auto put = [&](std::string_view name, std::string_view value) {
    std::string entry;
    put_bytes(entry, 1, name);
    put_bytes(entry, 2, value);
    put_bytes(out, 3, entry);
  };
  put(":method", head.method_text);
  put(":path", target);
  put(":authority", head.authority);
  put(":scheme", head.scheme);
  if (options.partial) put(kPartialBody, *options.partial ? "true" : "false");
  const auto& fields = head.fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& name = fields[i].name;
    if (options.headers != nullptr && std::ranges::find(*options.headers, name) == options.headers->end()) continue;
    if (name == kPartialBody) continue;  // it is not the client's to say
    const auto first = std::ranges::find(fields, name, &http::Field::name);
    if (first != fields.begin() + static_cast<std::ptrdiff_t>(i)) continue;
    std::string value(fields[i].value);
    for (std::size_t k = i + 1; k < fields.size(); ++k)
      if (fields[k].name == name) value.append(name == "cookie" ? "; " : ",").append(fields[k].value);
    put(name, value);
  }
}

bool read_header(std::string_view data, CheckHeader& out) {
  ProtobufReader option(data);
  while (option.next()) {
    if (option.field() == 1) {
      ProtobufReader header(option.bytes());
      while (header.next()) {
        if (header.field() == 1) out.name = header.bytes();
        if (header.field() == 2 || (header.field() == 3 && out.value.empty())) out.value = header.bytes();
      }
      if (header.broken()) return false;
    } else if (option.field() == 2) {  // google.protobuf.BoolValue
      ProtobufReader flag(option.bytes());
      while (flag.next())
        if (flag.field() == 1) out.append = flag.number() != 0;
    } else if (option.field() == 3) {
      out.append = out.append || option.number() == 0;  // APPEND_IF_EXISTS_OR_ADD
    }
  }
  return !option.broken() && !out.name.empty();
}

bool read_headers(std::string_view data, std::vector<CheckHeader>& out) {
  return read_header(data, out.emplace_back());
}

bool read_denial(std::string_view data, CheckResult& out) {
  ProtobufReader denial(data);
  bool good = true;
  while (good && denial.next()) {
    if (denial.field() == 1) {
      ProtobufReader status(denial.bytes());
      while (status.next())
        if (status.field() == 1) out.status = static_cast<std::uint32_t>(status.number());
      good = !status.broken();
    }
    if (denial.field() == 2) good = read_headers(denial.bytes(), out.headers);
    if (denial.field() == 3) out.body = denial.bytes();
  }
  return good && !denial.broken();
}

bool read_leave(std::string_view data, CheckResult& out) {
  ProtobufReader leave(data);
  bool good = true;
  while (good && leave.next()) {
    if (leave.field() == 2) good = read_headers(leave.bytes(), out.headers);
    if (leave.field() == 5) out.remove.push_back(leave.bytes());
    if (leave.field() == 6) good = read_headers(leave.bytes(), out.response_headers);
  }
  return good && !leave.broken();
}

}  // namespace

std::string checked_target(Request& request) {
  const auto& target = request.target();
  if (target.path.empty()) return std::string(request.head().target);  // CONNECT has none
  std::string out(target.path);
  if (target.has_query) out.append("?").append(target.query);
  return out;
}

std::string encode_check(Request& request, const CheckOptions& options) {
  const auto& head = request.head();
  const auto target = checked_target(request);
  const auto& record = request.record();
  std::string http, asked, attributes, message;
  put_bytes(http, 1, record.request_id);
  put_bytes(http, 2, head.method_text);
  put_headers(http, request, target, options);
  put_bytes(http, 4, target);
  put_bytes(http, 5, head.authority);
  put_bytes(http, 6, head.scheme);
  const bool known = head.body == http::Body::kLength || head.body == http::Body::kNone;
  put_number(http, 9, known ? head.content_length : ~std::uint64_t{0});
  put_bytes(http, 10, protocol_of(head.version));
  put_bytes(http, 11, options.body);
  put_bytes(asked, 2, http);
  put_bytes(attributes, 1, peer({request.client(), 0}, {}));
  put_bytes(attributes, 4, asked);
  put_bytes(message, 1, attributes);
  std::string frame(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(message.size() >> shift));
  return frame + message;
}

std::optional<CheckResult> decode_check(std::string_view frame) {
  if (frame.size() < kFramePrefix || frame[0] != 0) return std::nullopt;  // compression was not offered
  std::size_t length = 0;
  for (std::size_t i = 1; i < kFramePrefix; ++i) length = length << 8 | static_cast<unsigned char>(frame[i]);
  if (length != frame.size() - kFramePrefix) return std::nullopt;
  CheckResult out;
  ProtobufReader reader(frame.substr(kFramePrefix));
  bool good = true;
  while (good && reader.next()) {
    if (reader.field() == 1) {
      ProtobufReader status(reader.bytes());
      while (status.next())
        if (status.field() == 1) out.code = static_cast<std::uint32_t>(status.number());
      good = !status.broken();
    }
    if (reader.field() == 2) good = read_denial(reader.bytes(), out);
    if (reader.field() == 3) good = read_leave(reader.bytes(), out);
  }
  if (!good || reader.broken()) return std::nullopt;
  return out;
}

}  // namespace fairlead::filter
