// SPDX-License-Identifier: Apache-2.0
// A request's field section, RFC 9113 8.3.1 and RFC 8441 4.
#include <algorithm>
#include <utility>

#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h2_fields.hpp"
#include "gateway/dataplane/http/h2_head_block.hpp"

namespace fairlead::http {

namespace {

bool same_host(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, grammar::lower, grammar::lower);
}

}  // namespace

struct H2HeadBlock::Pseudo {
  // Views without data: not sent. Empty values have data.
  std::string_view method, scheme, authority, path, protocol;

  const char* take(std::string_view name, std::string_view value) {
    std::string_view* place = nullptr;
    if (name == ":method") place = &method;
    else if (name == ":scheme") place = &scheme;
    else if (name == ":authority") place = &authority;
    else if (name == ":path") place = &path;
    else if (name == ":protocol") place = &protocol;
    else return "unknown pseudo-header field";
    if (place->data() != nullptr) return "repeated pseudo-header field";
    *place = value.data() == nullptr ? std::string_view("") : value;
    return nullptr;
  }

  const char* check_tunnel(grammar::Class target) const {
    if (protocol.data() == nullptr) {
      if (scheme.data() != nullptr || path.data() != nullptr) return "CONNECT with :scheme or :path";
      return grammar::is_host_and_port(authority) ? nullptr : "CONNECT needs host and port";
    }
    if (!grammar::is_token(protocol)) return "invalid :protocol";
    return check_resource(target);
  }

  const char* check_resource(grammar::Class target) const {
    if (scheme != "http" && scheme != "https") return "missing or unknown :scheme";
    if (path == "*" && method == "OPTIONS") return nullptr;
    return grammar::is_path_and_query(path, target) ? nullptr : "missing or invalid :path";
  }

  const char* check(bool loose) const {
    const auto target = loose ? grammar::kLooseTarget : grammar::kTarget;
    if (!grammar::is_token(method)) return "missing or invalid :method";
    if (authority.data() != nullptr && !grammar::is_authority(authority)) return "invalid :authority";
    if (method == "CONNECT") return check_tunnel(target);
    if (protocol.data() != nullptr) return ":protocol without CONNECT";
    return check_resource(target);
  }
};

// Fields for which heads have members.
struct H2HeadBlock::Special {
  std::string_view host;
  std::uint64_t length = 0;
  bool has_length = false;
  bool has_cookie = false;
  bool unknown_expectation = false;
  std::size_t cookie_at = 0;

  const char* finish(const Pseudo& pseudo, bool end, RequestHead& head) const {
    head.authority = pseudo.authority.data() == nullptr ? host : pseudo.authority;
    if (head.authority.empty()) return "neither :authority nor Host";
    // RFC 9113 8.3.1: they may not differ, else two recipients may take it for two different requests.
    if (host.data() != nullptr && !same_host(host, head.authority)) return "Host differs from :authority";
    if (head.body == Body::kTunnel) return has_length ? "CONNECT with Content-Length" : nullptr;
    if (end && has_length && length != 0) return "Content-Length without a body";
    if (end) return nullptr;
    head.body = has_length ? Body::kLength : Body::kStream;
    head.content_length = length;
    return nullptr;
  }
};

const char* H2HeadBlock::take_request_field(const Raw& raw, Special& special, RequestHead& head) {
  const Field field{text_of(raw.name), text_of(raw.value)};
  if (!nghttp2_rcbuf_is_static(raw.name) && !is_field_name(field.name)) return "invalid field name";
  if (!is_field_value(field.value)) return "invalid field value";
  if (is_connection_specific(field.name)) return "connection-specific field";
  if (field.name == "te") {
    if (!grammar::equals_ignoring_case(field.value, "trailers")) return "TE other than trailers";
    head.accepts_trailers = true;
  } else if (field.name == "host") {
    if (special.host.data() != nullptr) return "repeated Host";
    if (!grammar::is_authority(field.value)) return "invalid Host";
    special.host = field.value;
  } else if (field.name == "content-length") {
    if (special.has_length) return "repeated Content-Length";
    if (!parse_length(field.value, special.length)) return "invalid Content-Length";
    special.has_length = true;
  } else if (field.name == "expect") {
    special.unknown_expectation |= !grammar::equals_ignoring_case(field.value, "100-continue");
    head.expects_continue = true;
  } else if (field.name == "cookie" && special.has_cookie) {
    if (cookies_.empty()) joined_cookie(head.fields[special.cookie_at].value);
    joined_cookie(field.value);
  } else {
    if (field.name == "cookie") {
      special.has_cookie = true;
      special.cookie_at = head.fields.size();
    }
    head.fields.push_back(field);
  }
  return nullptr;
}

namespace {

void empty_request(RequestHead& head) {
  auto room = std::move(head.fields);
  room.clear();
  head = RequestHead{};
  head.fields = std::move(room);
  head.version = Version::kHttp2;
}

H2Fault allowed(const RequestHead& head, std::size_t fields, const H2Limits& limits, const char*& why) {
  if (head.target.size() > limits.target) return why = "target too long", H2Fault::kTargetTooLong;
  if (fields > limits.fields) return why = "too many fields", H2Fault::kTooLarge;
  if (head.body != Body::kTunnel) return H2Fault::kNone;
  if (head.protocol.empty() && !limits.allow_connect) return why = "CONNECT is not allowed", H2Fault::kConnect;
  if (!head.protocol.empty() && !limits.upgrades.allow(head.protocol))
    return why = "extended CONNECT to this protocol is not allowed", H2Fault::kConnect;
  return H2Fault::kNone;
}

}  // namespace

H2Fault H2HeadBlock::request(bool end, const H2Limits& limits, RequestHead& head, const char*& why) {
  empty_request(head);
  if (too_large_) return why = "field section too large", H2Fault::kTooLarge;
  Pseudo pseudo;
  Special special;
  std::size_t regular = 0;
  for (const auto& raw : raw_) {
    const auto name = text_of(raw.name);
    if (name.starts_with(':')) {
      why = regular != 0 ? "pseudo-header field behind others" : pseudo.take(name, text_of(raw.value));
    } else {
      ++regular;
      why = take_request_field(raw, special, head);
    }
    if (why != nullptr) return H2Fault::kMalformed;
  }
  if (!cookies_.empty()) head.fields[special.cookie_at].value = cookies_;
  if ((why = pseudo.check(limits.loose_targets)) != nullptr) return H2Fault::kMalformed;
  head.method_text = pseudo.method;
  head.method = method_of(pseudo.method);
  head.target = pseudo.path;
  head.protocol = pseudo.protocol;
  if (head.method == Method::kConnect) head.body = Body::kTunnel;
  if ((why = special.finish(pseudo, end, head)) != nullptr) return H2Fault::kMalformed;
  if (special.unknown_expectation) return why = "unknown expectation", H2Fault::kExpectation;
  return allowed(head, regular, limits, why);
}

}  // namespace fairlead::http
