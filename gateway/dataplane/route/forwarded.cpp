// SPDX-License-Identifier: Apache-2.0
#include "fairlead/route/forwarded.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "fairlead/route/trailers.hpp"

namespace fairlead::route {
namespace {

constexpr std::string_view kFor = "x-forwarded-for";

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view field_of(ClientField field) {
  switch (field) {
    case ClientField::kForwarded: return "forwarded";
    case ClientField::kXRealIp: return "x-real-ip";
    case ClientField::kXForwardedFor: break;
  }
  return kFor;
}

bool is_trusted(const Address& address, const ForwardedOptions& options) {
  return std::ranges::any_of(options.trusted, [&](const Cidr& block) { return block.contains(address); });
}

/// The addresses of a request, the nearest last. An element that is none is kept as a hole.
struct Chain {
  std::array<std::optional<net::Endpoint>, kMaxForwarded> nodes;
  std::size_t size = 0;
  ForwardedError error = ForwardedError::kNone;

  void add(std::optional<net::Endpoint> node) {
    if (size == kMaxForwarded) error = ForwardedError::kTooMany;
    else nodes[size++] = std::move(node);
  }
};

void add_list(std::string_view text, Chain& chain) {
  for (;;) {
    const auto comma = text.find(',');
    const auto element = trim(text.substr(0, comma));
    if (!element.empty()) chain.add(parse_node(element, true));  // empty elements count for nothing, RFC 9110 5.6.1
    if (comma == std::string_view::npos) return;
    text.remove_prefix(comma + 1);
  }
}

void add_forwarded(std::string_view text, Chain& chain) {
  while (!trim(text).empty() && chain.error == ForwardedError::kNone) {
    ForwardedElement element;
    if (!next_forwarded(text, element)) {
      // What is broken may hide any number of elements: nothing in front of it counts.
      chain.size = 0;
      chain.add(std::nullopt);
      return;
    }
    chain.add(parse_node(element.node_for, false));
  }
}

Chain read_chain(const http::Fields& fields, ClientField which) {
  Chain chain;
  const auto name = field_of(which);
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (which == ClientField::kForwarded) add_forwarded(field.value, chain);
    else if (which == ClientField::kXForwardedFor) add_list(field.value, chain);
    else chain.add(parse_node(trim(field.value), true));
  }
  return chain;
}

void take(Client& client, const net::Endpoint& node) {
  client.address = node.address;
  client.port = node.port;
  client.from_field = true;
}

/// From the nearest on, as long as who says so is trusted.
void walk_trusted(Client& client, const Chain& chain, const ForwardedOptions& options) {
  for (std::size_t i = chain.size; i-- > 0;) {
    if (!chain.nodes[i]) {
      client.error = ForwardedError::kSyntax;
      return;
    }
    take(client, *chain.nodes[i]);
    if (!is_trusted(client.address, options)) return;
  }
}

void count_hops(Client& client, const Chain& chain, std::uint32_t hops) {
  if (chain.size < hops) {
    client.error = ForwardedError::kTooFew;
    return;
  }
  const auto& node = chain.nodes[chain.size - hops];
  if (node) take(client, *node);
  else client.error = ForwardedError::kSyntax;
}

bool is_token(char c) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kOthers.contains(c);
}

std::string_view take_token(std::string_view& text) {
  const auto* end = std::ranges::find_if_not(text, is_token);
  const auto token = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(token.size());
  return token;
}

/// quoted-string, RFC 9110 section 5.6.4; nothing where it does not end or holds a control character.
std::optional<std::string_view> take_quoted(std::string_view& text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"') {
      const auto value = text.substr(1, i - 1);
      text.remove_prefix(i + 1);
      return value;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f) return std::nullopt;
    if (c == '\\') ++i;
  }
  return std::nullopt;
}

bool is_named(std::string_view name, std::string_view lower) {
  return std::ranges::equal(name, lower, {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
}

bool take_pair(std::string_view& text, ForwardedElement& element) {
  const auto name = take_token(text);
  if (name.empty() || !text.starts_with('=')) return false;
  text.remove_prefix(1);
  std::string_view value;
  if (text.starts_with('"')) {
    const auto quoted = take_quoted(text);
    if (!quoted) return false;
    value = *quoted;
  } else if ((value = take_token(text)).empty()) {
    return false;
  }
  std::string_view* into = is_named(name, "for")     ? &element.node_for
                           : is_named(name, "by")    ? &element.node_by
                           : is_named(name, "host")  ? &element.host
                           : is_named(name, "proto") ? &element.proto
                                                     : nullptr;
  if (into == nullptr) return true;
  if (into->data() != nullptr) return false;  // each parameter once, RFC 7239 section 4
  *into = value;
  return true;
}

void skip_space(std::string_view& text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
}

// ---- What is sent on ----------------------------------------------------------------------------------------------

void set(http::Fields& fields, std::string_view name, std::string_view value) {
  std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
  fields.push_back({name, value});
}

/// "x_forwarded_for" and the like: what passes fields on by CGI's rules takes them for ours (RFC 3875 4.1.18). Nobody
/// may say them, not even a trusted hop.
bool is_twin(const http::Field& field) {
  const auto name = field.name;
  if (!name.starts_with('x') || name.find('_') == std::string_view::npos) return false;
  const auto is = [&](std::string_view text, std::string_view ours) {
    return std::ranges::equal(text, ours, [](char a, char b) { return a == b || (a == '_' && b == '-'); });
  };
  constexpr std::string_view kPrefix = "x-forwarded-";
  return is(name.substr(0, kPrefix.size()), kPrefix) || is(name, "x-real-ip") || is(name, "x-request-id");
}

bool is_ours(const http::Field& field) {
  const auto name = field.name;
  return name.starts_with("x-forwarded-") || name == "forwarded" || name == "x-real-ip" || name == "x-request-id" ||
         is_twin(field);
}

/// What came under the name, if it may be believed, with `own` behind it.
std::string_view appended(const http::Fields& fields, std::string_view name, bool keep, std::string_view own,
                          Arena& arena) {
  std::size_t size = own.size();
  if (keep)
    for (const auto& field : fields)
      if (field.name == name && !field.value.empty()) size += field.value.size() + 2;
  char* begin = arena.allocate(size);
  char* at = begin;
  if (keep)
    for (const auto& field : fields)
      if (field.name == name && !field.value.empty())
        at = std::ranges::copy(std::string_view(", "), std::ranges::copy(field.value, at).out).out;
  std::ranges::copy(own, at);
  return {begin, size};
}

void set_unless_trusted(http::Fields& fields, std::string_view name, std::string_view value, bool trusted) {
  if (trusted && http::find(fields, name) != nullptr) return;
  std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
  if (!value.empty()) fields.push_back({name, value});
}

std::string_view forwarded_element(const net::Endpoint& peer, const http::RequestHead& head, Arena& arena) {
  std::string text = "for=";
  text += peer.address.is_v4() ? peer.address.text() : "\"[" + peer.address.text() + "]\"";
  // A valid authority holds neither quotes nor backslashes.
  if (!head.authority.empty()) text.append(";host=\"").append(head.authority).append("\"");
  text.append(";proto=").append(head.scheme);
  return arena.copy(text);
}

}  // namespace

std::optional<net::Endpoint> parse_node(std::string_view text, bool bare_ipv6) {
  if (text.empty()) return std::nullopt;
  std::string_view address = text, port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    address = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!address.contains(':') || (!port.empty() && (port.front() != ':' || port.size() == 1))) return std::nullopt;
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    if (text.find(':', colon + 1) == std::string_view::npos) {
      address = text.substr(0, colon);
      port = text.substr(colon + 1);
      if (port.empty()) return std::nullopt;
    } else if (!bare_ipv6) {
      return std::nullopt;
    }
  }
  const auto parsed = Address::parse(address);
  if (!parsed) return std::nullopt;
  net::Endpoint node{*parsed, 0};
  if (port.empty()) return node;
  const auto done = std::from_chars(port.data(), port.data() + port.size(), node.port);
  if (done.ec != std::errc{} || done.ptr != port.data() + port.size()) return std::nullopt;
  return node;
}

bool next_forwarded(std::string_view& text, ForwardedElement& element) {
  element = {};
  skip_space(text);
  while (text.starts_with(',')) {  // empty elements, RFC 9110 section 5.6.1
    text.remove_prefix(1);
    skip_space(text);
  }
  for (bool pair = true; pair;) {
    if (!text.empty() && text.front() != ';' && text.front() != ',' && !take_pair(text, element)) return false;
    pair = text.starts_with(';');
    if (pair) text.remove_prefix(1);
  }
  skip_space(text);
  if (text.empty()) return true;
  if (text.front() != ',') return false;
  text.remove_prefix(1);
  return true;
}

Client find_client(const net::Endpoint& peer, const http::Fields& fields, const ForwardedOptions& options) {
  Client client{peer.address, peer.port, false, false, ForwardedError::kNone};
  client.trusted_peer = options.trusted.empty() ? options.trusted_hops > 0 : is_trusted(peer.address, options);
  if (!client.trusted_peer) {
    if (http::find(fields, field_of(options.field)) != nullptr) client.error = ForwardedError::kUntrusted;
    return client;
  }
  const auto chain = read_chain(fields, options.field);
  client.error = chain.error;
  if (chain.error != ForwardedError::kNone) return client;
  if (options.field == ClientField::kXRealIp) {
    // One address, of which the trusted peer says that it is the client's.
    if (chain.size == 1 && chain.nodes[0]) take(client, *chain.nodes[0]);
    else if (chain.size > 0) client.error = ForwardedError::kSyntax;
    return client;
  }
  if (options.trusted.empty()) count_hops(client, chain, options.trusted_hops);
  else walk_trusted(client, chain, options);
  return client;
}

void set_forwarded(const Client& client, const net::Endpoint& peer, const net::Endpoint& local,
                   const ForwardedOptions& options, http::RequestHead& head, Arena& arena) {
  auto& fields = head.fields;
  const bool keep = client.trusted_peer;
  std::erase_if(fields, is_twin);
  set(fields, kFor, appended(fields, kFor, keep, peer.address.text(), arena));
  set(fields, "x-real-ip", arena.copy(client.address.text()));
  set_unless_trusted(fields, "x-forwarded-proto", head.scheme, keep);
  set_unless_trusted(fields, "x-forwarded-host", head.authority, keep);
  set_unless_trusted(fields, "x-forwarded-port", arena.copy(std::to_string(local.port)), keep);
  if (options.send_forwarded) {
    set(fields, "forwarded", appended(fields, "forwarded", keep, forwarded_element(peer, head, arena), arena));
  } else if (!keep) {
    std::erase_if(fields, [](const http::Field& field) { return field.name == "forwarded"; });
  }
}

void drop_forwarded(http::Fields& trailers) { std::erase_if(trailers, is_ours); }

}  // namespace fairlead::route
