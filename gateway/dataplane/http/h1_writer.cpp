// SPDX-License-Identifier: Apache-2.0
#include "fairlead/http/h1_writer.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/http/h1_fields.hpp"

namespace fairlead::http {

namespace {

// Status line, Content-Length, Connection, Upgrade and the like, with numbers; without the texts of heads.
constexpr std::size_t kFixed = 384;

template <class Word>
void copy_ends(char* to, const char* from, std::size_t size) {
  Word first;
  Word last;
  std::memcpy(&first, from, sizeof first);
  std::memcpy(&last, from + size - sizeof last, sizeof last);
  std::memcpy(to, &first, sizeof first);
  std::memcpy(to + size - sizeof last, &last, sizeof last);
}

/// memcpy for what is mostly shorter than a call of it is long.
char* put(char* at, std::string_view text) {
  const std::size_t size = text.size();
  const char* from = text.data();
  if (size > 32) {
    std::memcpy(at, from, size);
  } else if (size >= 16) {
    copy_ends<std::array<std::uint64_t, 2>>(at, from, size);
  } else if (size >= 8) {
    copy_ends<std::uint64_t>(at, from, size);
  } else if (size >= 4) {
    copy_ends<std::uint32_t>(at, from, size);
  } else {
    for (std::size_t i = 0; i < size; ++i) at[i] = from[i];
  }
  return at + size;
}

char* put_number(char* at, std::uint64_t number) { return std::to_chars(at, at + 20, number).ptr; }

/// The line is read back by the scanner that the parser uses, so that it can never end where we did not end it.
/// `at` is left as it was where the field is not ours to pass on.
template <class LeaveOut>
bool put_field(char*& at, const Field& field, LeaveOut leave_out) {
  char* const name = at;
  char* const colon = put(name, field.name);
  char* const end = put(put(colon, ": "), field.value);
  put(end, "\r\n");
  const FieldScan line = h1::scan->field(name, end + 1);
  if (line.colon != colon || line.value_end != end || colon == name) return false;
  if (!leave_out(std::string_view(name, field.name.size()))) at = end + 2;
  return true;
}

bool is_made_in_requests(std::string_view name) { return h1::known_of(name) != h1::Known::kOther; }

/// Host and Expect say nothing in a response, and so may stand there.
bool is_made_in_responses(std::string_view name) {
  const auto known = h1::known_of(name);
  return known != h1::Known::kOther && known != h1::Known::kHost && known != h1::Known::kExpect;
}

template <class LeaveOut>
bool put_fields(char*& at, const Fields& fields, LeaveOut leave_out) {
  for (const auto& field : fields) {
    if (!put_field(at, field, leave_out)) return false;
  }
  return true;
}

bool is_visible(std::string_view text) {
  bool bad = false;
  for (const char c : text) bad |= static_cast<unsigned char>(c - 0x21) > 0x7e - 0x21;
  return !bad;
}

bool is_content(std::string_view text) { return grammar::all(text, grammar::kContent); }

char* put_framing(char* at, H1Framing framing, std::uint64_t length) {
  switch (framing) {
    case H1Framing::kLength: return put(put_number(put(at, "content-length: "), length), "\r\n");
    case H1Framing::kZero: return put(at, "content-length: 0\r\n");
    case H1Framing::kChunked: return put(at, "transfer-encoding: chunked\r\n");
    case H1Framing::kNothing:
    case H1Framing::kClose: break;
  }
  return at;
}

char* put_connection(char* at, const H1Line& line, bool te) {
  if (!line.upgrade.empty()) {
    at = put(put(put(at, "upgrade: "), line.upgrade), "\r\n");
  }
  const bool upgrade = !line.upgrade.empty();
  if (!line.close && !line.keep_alive && !upgrade && !te) return at;
  at = put(at, "connection: ");
  auto option = [&, first = true](bool wanted, std::string_view name) mutable {
    if (!wanted) return;
    if (!first) at = put(at, ", ");
    at = put(at, name);
    first = false;
  };
  option(line.close, "close");
  option(line.keep_alive, "keep-alive");
  option(upgrade, "upgrade");
  option(te, "te");
  return put(at, "\r\n");
}

std::size_t room_of(const Fields& fields) {
  std::size_t room = 0;
  for (const auto& field : fields) room += field.name.size() + field.value.size() + 4;
  return room;
}

std::size_t room_of(const H1Line& line) {
  return kFixed + kScanSlack + line.upgrade.size() + line.websocket_key.size() + line.websocket_accept.size();
}

bool is_good(const H1Line& line) {
  return is_content(line.upgrade) && is_content(line.websocket_key) && is_content(line.websocket_accept);
}

}  // namespace

std::size_t h1_room(const RequestHead& head, const H1Line& line) {
  return room_of(line) + head.method_text.size() + head.target.size() + 2 * head.authority.size() +
         room_of(head.fields);
}

std::size_t h1_room(const ResponseHead& head, const H1Line& line) {
  return room_of(line) + head.reason.size() + room_of(head.fields);
}

std::size_t h1_room(const Fields& trailers) { return room_of(trailers) + kScanSlack + 8; }

char* write_h1(char* at, const RequestHead& head, const H1Line& line) {
  auto target = head.target;
  if (target.empty()) target = head.method == Method::kConnect ? head.authority : std::string_view("/");
  if (!grammar::is_token(head.method_text) || !is_visible(target) || !is_visible(head.authority)) return nullptr;
  if (!is_good(line)) return nullptr;
  at = put(put(put(at, head.method_text), " "), target);
  at = put(put(put(at, " HTTP/1.1\r\nhost: "), head.authority), "\r\n");
  if (!put_fields(at, head.fields, is_made_in_requests)) return nullptr;
  at = put_framing(at, line.framing, head.content_length);
  if (!line.websocket_key.empty()) at = put(put(put(at, "sec-websocket-key: "), line.websocket_key), "\r\n");
  if (head.expects_continue) at = put(at, "expect: 100-continue\r\n");
  if (head.accepts_trailers) at = put(at, "te: trailers\r\n");
  return put(put_connection(at, line, head.accepts_trailers), "\r\n");
}

char* write_h1(char* at, const ResponseHead& head, const H1Line& line) {
  const auto status = line.status != 0 ? line.status : head.status;
  if (const auto* wanted = status == 426 && line.upgrade.empty() ? find(head.fields, "upgrade") : nullptr) {
    auto with = line;
    with.upgrade = wanted->value;
    return write_h1(at, head, with);
  }
  const auto reason = line.status != 0 || head.reason.empty() ? reason_of(status) : head.reason;
  if (status < 100 || status > 599 || !is_content(reason) || !is_good(line)) return nullptr;
  at = put_number(put(at, "HTTP/1.1 "), status);
  *at++ = ' ';
  at = put(put(at, reason), "\r\n");
  if (!put_fields(at, head.fields, is_made_in_responses)) return nullptr;
  at = put_framing(at, line.framing, head.content_length);
  if (!line.websocket_accept.empty()) at = put(put(put(at, "sec-websocket-accept: "), line.websocket_accept), "\r\n");
  return put(put_connection(at, line, false), "\r\n");
}

char* write_h1_trailers(char* at, const Fields& trailers) {
  at = put(at, "0\r\n");
  const auto forbidden = [](std::string_view name) { return grammar::is_forbidden_trailer(name); };
  for (const auto& field : trailers) {
    if (!put_field(at, field, forbidden)) return nullptr;
  }
  return put(at, "\r\n");
}

char* write_h1_chunk_head(char* at, std::uint64_t size) {
  return put(std::to_chars(at, at + 16, size, 16).ptr, "\r\n");
}

}  // namespace fairlead::http
