// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fairlead/http/h1_parser.hpp"
#include "gateway/dataplane/http/h1_fields.hpp"

namespace fairlead::http {

namespace {

using h1::Framing;
using h1::Known;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t kMostMethod = 32;

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

/// One call of H1Request::parse.
/// Owner: that call. Thread: its.
class RequestParser {
 public:
  RequestParser(H1Request& out, std::span<char> bytes, const H1Limits& limits)
      : out_(out), head_(out.head), limits_(limits), begin_(bytes.data()), end_(begin_ + bytes.size()) {}

  H1Step run();

 private:
  H1Step refuse(H1Refusal why) {
    out_.facts.refusal = why;
    return H1Step::kRefused;
  }
  H1Step request_line(char*& at);
  H1Step method(const char*& at);
  H1Step target(const char*& at);
  const char* scan_target(const char* at, const char* end) const;
  H1Refusal other_forms(std::string_view target);
  H1Refusal absolute_form(std::string_view target);
  H1Refusal take(const Field& field);
  H1Refusal take_host(std::string_view value);
  H1Refusal take_te(std::string_view value);
  H1Refusal finish();
  H1Refusal finish_body();
  H1Refusal finish_upgrade();
  void finish_target();

  H1Request& out_;
  RequestHead& head_;
  const H1Limits& limits_;
  char* begin_;
  char* end_;
  Framing framing_;
  bool has_host_ = false;
  bool absolute_ = false;
  std::string_view expect_;
};

H1Step RequestParser::run() {
  if (limits_.allow_preface) {
    const auto common = std::min<std::size_t>(static_cast<std::size_t>(end_ - begin_), kPreface.size());
    if (between(begin_, begin_ + common) == kPreface.substr(0, common)) {
      return common == kPreface.size() ? H1Step::kPreface : H1Step::kMore;
    }
  }
  char* at = begin_;
  auto step = request_line(at);
  if (step != H1Step::kDone) return step;
  step =
      h1::parse_section(at, end_, limits_.head, out_.facts.refusal, [this](const Field& field) { return take(field); });
  if (step != H1Step::kDone) return step;
  out_.facts.used = static_cast<std::size_t>(at - begin_);
  if (const auto why = finish(); why != H1Refusal::kNone) return refuse(why);
  return H1Step::kDone;
}

H1Step RequestParser::request_line(char*& at) {
  const char* from = at;
  // One empty line before a request is to be ignored (RFC 9112 2.2).
  if (from != end_ && *from == '\r') {
    if (from + 1 == end_) return H1Step::kMore;
    if (from[1] != '\n') return refuse(H1Refusal::kLineEnd);
    from += 2;
  }
  if (const auto step = method(from); step != H1Step::kDone) return step;
  if (const auto step = target(from); step != H1Step::kDone) return step;
  if (end_ - from >= 10 && std::memcmp(from, "HTTP/1.1\r\n", 10) == 0) {
    head_.version = Version::kHttp11;
    at += from + 10 - at;
    return H1Step::kDone;
  }
  if (const auto step = h1::parse_version(from, end_, head_.version, out_.facts.refusal); step != H1Step::kDone)
    return step;
  if (from == end_) return H1Step::kMore;
  if (*from != '\r') return refuse(*from == '\n' ? H1Refusal::kLineEnd : H1Refusal::kRequestLine);
  if (from + 1 == end_) return H1Step::kMore;
  if (from[1] != '\n') return refuse(H1Refusal::kLineEnd);
  at += from + 2 - at;
  return H1Step::kDone;
}

H1Step RequestParser::method(const char*& at) {
  const char* to = at;
  while (to != end_ && grammar::is(*to, grammar::kToken)) {
    if (++to - at > static_cast<std::ptrdiff_t>(kMostMethod)) return refuse(H1Refusal::kMethod);
  }
  if (to == end_) return H1Step::kMore;
  if (to == at || *to != ' ') {
    return refuse(to != at && (*to == '\r' || *to == '\n') ? H1Refusal::kRequestLine : H1Refusal::kMethod);
  }
  head_.method_text = between(at, to);
  head_.method = method_of(head_.method_text);
  at = to + 1;
  return H1Step::kDone;
}

/// The first byte that no origin-form has, or `end` where what is there may go on.
const char* RequestParser::scan_target(const char* at, const char* end) const {
  for (;;) {
    at = h1::scan->target(at, end);
    if (at == end) return at;
    if (*at == '%') {
      if (at + 1 < end && !grammar::is(at[1], grammar::kHex)) return at;
      if (at + 2 < end && !grammar::is(at[2], grammar::kHex)) return at;
      at = at + 2 < end ? at + 3 : end;
    } else if (limits_.loose_targets && grammar::is(*at, grammar::kLooseTarget)) {
      ++at;
    } else {
      return at;
    }
  }
}

H1Step RequestParser::target(const char*& at) {
  const std::size_t most = limits_.head.target;
  const auto left = static_cast<std::size_t>(end_ - at);
  // The byte behind the longest target is looked at too: it may be the space.
  const char* const end = left > most ? at + most + 1 : end_;
  if (at == end) return H1Step::kMore;
  const char* to = at;
  const bool origin = *at == '/';
  if (origin) {
    to = scan_target(at, end);
  } else {
    while (to != end && (grammar::is(*to, grammar::kTarget) || *to == '%' || *to == '[' || *to == ']')) ++to;
  }
  if (static_cast<std::size_t>(to - at) > most) return refuse(H1Refusal::kTargetTooLong);
  if (to == end) return H1Step::kMore;
  if (*to == '\r' || *to == '\n' || to == at) return refuse(H1Refusal::kRequestLine);
  if (*to != ' ') return refuse(H1Refusal::kTarget);
  head_.target = between(at, to);
  if (!origin || head_.method == Method::kConnect) {
    if (const auto why = other_forms(head_.target); why != H1Refusal::kNone) return refuse(why);
  }
  at = to + 1;
  return H1Step::kDone;
}

H1Refusal RequestParser::other_forms(std::string_view target) {
  if (head_.method == Method::kConnect) {
    if (!grammar::is_host_and_port(target)) return H1Refusal::kTarget;
    if (!limits_.allow_connect) return H1Refusal::kConnectNotAllowed;
    absolute_ = true;
    head_.authority = target;
    head_.target = {};
    return H1Refusal::kNone;
  }
  if (target == "*") return head_.method == Method::kOptions ? H1Refusal::kNone : H1Refusal::kTarget;
  return absolute_form(target);
}

H1Refusal RequestParser::absolute_form(std::string_view target) {
  const auto colon = target.find("://");
  if (colon == std::string_view::npos) return H1Refusal::kTarget;
  const auto scheme = target.substr(0, colon);
  if (!grammar::equals_ignoring_case(scheme, "http") && !grammar::equals_ignoring_case(scheme, "https")) {
    return H1Refusal::kTarget;
  }
  const auto rest = target.substr(colon + 3);
  const auto length = std::min(rest.find_first_of("/?"), rest.size());
  if (!grammar::is_authority(rest.substr(0, length))) return H1Refusal::kTarget;
  const auto path = rest.substr(length);
  const auto wanted = limits_.loose_targets ? grammar::kLooseTarget : grammar::kTarget;
  if (path.starts_with('?')) {
    for (std::size_t at = 0; at < path.size(); ++at) {
      if (!grammar::is(path[at], wanted) && !grammar::is_triplet(path, at)) return H1Refusal::kTarget;
    }
  } else if (!path.empty() && !grammar::is_path_and_query(path, wanted)) {
    return H1Refusal::kTarget;
  }
  absolute_ = true;
  head_.authority = rest.substr(0, length);
  head_.target = path;
  return H1Refusal::kNone;
}

H1Refusal RequestParser::take(const Field& field) {
  switch (h1::known_of(field.name)) {
    case Known::kOther: head_.fields.push_back(field); return H1Refusal::kNone;
    case Known::kHost: return take_host(field.value);
    case Known::kContentLength: return framing_.take_length(field.value);
    case Known::kTransferEncoding: return framing_.take_coding(field.value);
    case Known::kConnection: return framing_.take_connection(field.value, out_.named);
    case Known::kTe: return take_te(field.value);
    case Known::kUpgrade:
      if (!framing_.upgrade.empty()) return H1Refusal::kUpgrade;
      framing_.upgrade = field.value;
      return H1Refusal::kNone;
    case Known::kExpect:
      // An expectation in HTTP/1.0 is ignored, RFC 9110 10.1.1.
      if (head_.version == Version::kHttp10) return H1Refusal::kNone;
      if (!grammar::equals_ignoring_case(field.value, "100-continue")) return H1Refusal::kExpectation;
      expect_ = field.value;
      return H1Refusal::kNone;
    case Known::kDropped: return H1Refusal::kNone;
  }
  return H1Refusal::kNone;
}

H1Refusal RequestParser::take_host(std::string_view value) {
  if (has_host_) return H1Refusal::kHostRepeated;
  has_host_ = true;
  if (!grammar::is_authority(value)) return H1Refusal::kHostInvalid;
  // The target's authority stands instead of Host (RFC 9112 3.2.2).
  if (!absolute_) head_.authority = value;
  return H1Refusal::kNone;
}

H1Refusal RequestParser::take_te(std::string_view value) {
  while (!value.empty()) {
    if (grammar::equals_ignoring_case(grammar::next_element(value), "trailers")) head_.accepts_trailers = true;
  }
  return H1Refusal::kNone;
}

H1Refusal RequestParser::finish() {
  if (!has_host_ && head_.version == Version::kHttp11) return H1Refusal::kHostMissing;
  if (const auto why = finish_body(); why != H1Refusal::kNone) return why;
  auto& facts = out_.facts;
  facts.keep_alive = !framing_.close && (head_.version == Version::kHttp11 || framing_.keep_alive);
  head_.expects_continue = !expect_.empty() && (head_.body == Body::kLength || head_.body == Body::kStream);
  if (!out_.named.empty()) h1::remove_named(head_.fields, out_.named);
  if (framing_.names_upgrade && !framing_.upgrade.empty() && head_.version == Version::kHttp11) {
    if (const auto why = finish_upgrade(); why != H1Refusal::kNone) return why;
  }
  if (absolute_ && head_.method != Method::kConnect) finish_target();
  return H1Refusal::kNone;
}

H1Refusal RequestParser::finish_body() {
  if (framing_.has_coding) {
    if (framing_.has_length) return H1Refusal::kAmbiguousLength;
    if (head_.version == Version::kHttp10 || head_.method == Method::kConnect) return H1Refusal::kTransferEncoding;
    out_.facts.chunked = true;
    head_.body = Body::kStream;
  } else if (framing_.has_length) {
    if (head_.method == Method::kConnect) return H1Refusal::kContentLength;
    head_.body = Body::kLength;
    head_.content_length = framing_.length;
  } else if (head_.method == Method::kConnect) {
    head_.body = Body::kTunnel;
  }
  return H1Refusal::kNone;
}

/// 24 characters: base64 of 16 bytes (RFC 6455 4.1).
bool is_websocket_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  return std::ranges::all_of(key.substr(0, 22), [](char c) {
    return grammar::is(c, grammar::kDigit) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/';
  });
}

H1Refusal RequestParser::finish_upgrade() {
  const bool has_body = head_.body == Body::kStream || (head_.body == Body::kLength && head_.content_length > 0);
  auto list = framing_.upgrade;
  bool websocket = false;
  while (!list.empty()) websocket |= grammar::equals_ignoring_case(grammar::next_element(list), "websocket");
  if (websocket && limits_.upgrades.allow("websocket")) {
    const auto* version = find(head_.fields, "sec-websocket-version");
    if (head_.method != Method::kGet || has_body || version == nullptr) return H1Refusal::kUpgrade;
    if (version->value != "13") return H1Refusal::kUpgradeVersion;
    const auto key = h1::take_off(head_.fields, "sec-websocket-key");
    if (!is_websocket_key(key) || find(head_.fields, "sec-websocket-key") != nullptr) return H1Refusal::kUpgrade;
    out_.facts.websocket_key = key;
    head_.protocol = "websocket";
  } else {
    // Other protocols go on as they are named.
    const bool named_well = grammar::all(framing_.upgrade.substr(0, framing_.upgrade.find('/')), grammar::kToken) &&
                            framing_.upgrade.find_first_of(", \t") == std::string_view::npos;
    if (has_body || !named_well || !limits_.upgrades.allow(framing_.upgrade)) return H1Refusal::kNone;
    head_.protocol = framing_.upgrade;
  }
  out_.facts.upgrade = head_.protocol;
  head_.body = Body::kTunnel;
  return H1Refusal::kNone;
}

/// An absolute-form without a path means "/", or "*" with OPTIONS and no query (RFC 9112 3.2.1, 3.2.4).
void RequestParser::finish_target() {
  if (head_.target.empty()) {
    head_.target = head_.method == Method::kOptions ? "*" : "/";
  } else if (head_.target.front() == '?') {
    // The authority gives up one byte of the "//" before it, and the slash gets the place that becomes free.
    char* const authority = begin_ + (head_.authority.data() - begin_) - 1;
    std::memmove(authority, authority + 1, head_.authority.size());
    head_.authority = {authority, head_.authority.size()};
    authority[head_.authority.size()] = '/';
    head_.target = {authority + head_.authority.size(), head_.target.size() + 1};
  }
}

void clear(RequestHead& head) {
  auto fields = std::move(head.fields);
  fields.clear();
  if (fields.capacity() == 0) fields.reserve(h1::kUsualFields);
  head = RequestHead{};
  head.fields = std::move(fields);
}

}  // namespace

H1Step H1Request::parse(std::span<char> bytes, const H1Limits& limits) {
  clear(head);
  facts = {};
  named.clear();
  return RequestParser(*this, bytes, limits).run();
}

}  // namespace fairlead::http
