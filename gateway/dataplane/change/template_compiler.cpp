// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "fairlead/base/ascii.hpp"
#include "fairlead/change/template.hpp"

namespace fairlead::change {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

struct Word {
  std::string_view text;
  Source source;
};
constexpr Word kWords[] = {
    {"request.method", Source::kMethod},
    {"request.path", Source::kPath},
    {"request.query", Source::kRawQuery},
    {"request.target", Source::kTarget},
    {"request.host", Source::kHost},
    {"request.scheme", Source::kScheme},
    {"request.id", Source::kRequestId},
    {"consumer.name", Source::kConsumerName},
    {"consumer.customId", Source::kConsumerId},
    {"consumer.groups", Source::kConsumerGroups},
    {"client.ip", Source::kClientIp},
    {"route.name", Source::kRoute},
    {"route.rule", Source::kRule},
    {"uuid", Source::kUuid},
    {"counted", Source::kCounted},
    {"now", Source::kNow},
    {"response.status", Source::kStatus},
};
constexpr Word kNamed[] = {
    {"request.header.", Source::kHeader},          {"request.query.", Source::kQuery},
    {"request.cookie.", Source::kCookie},          {"request.capture.", Source::kCapture},
    {"response.header.", Source::kResponseHeader},
};
constexpr Word kDocuments[] = {
    {"request.body", Source::kBody},
    {"response.body", Source::kResponseBody},
    {"claims", Source::kClaims},
};
constexpr std::string_view kSources =
    "request.method, .path, .target, .host, .scheme, .id, .query, .query.NAME, .header.NAME, .cookie.NAME, "
    ".capture.NAME, .body.PATH, "
    "response.status, .header.NAME, .body.PATH, consumer.name, .customId, .groups, claims.PATH, client.ip, route.name, "
    "route.rule, calls.NAME.status, calls.NAME.body.PATH, uuid, counted or now";

std::optional<Reference> read_call(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == 0 || dot == std::string_view::npos) return std::nullopt;
  Reference out{.source = Source::kCallStatus, .name = std::string(text.substr(0, dot)), .path = {}};
  text.remove_prefix(dot + 1);
  if (text == "status") return out;
  if (!text.starts_with("body")) return std::nullopt;
  text.remove_prefix(4);
  if (text.starts_with('.')) text.remove_prefix(1);
  else if (!text.empty() && text.front() != '[') return std::nullopt;
  auto path = parse_json_path(text);
  if (!path) return std::nullopt;
  out.source = Source::kCallBody;
  out.path = std::move(*path);
  return out;
}

std::optional<Reference> read_reference(std::string_view text) {
  for (const auto& word : kWords)
    if (text == word.text) return Reference{.source = word.source, .name = {}, .path = {}};
  for (const auto& word : kNamed) {
    if (!text.starts_with(word.text) || text.size() == word.text.size()) continue;
    const auto name = text.substr(word.text.size());
    const bool exact = word.source != Source::kHeader && word.source != Source::kResponseHeader;
    return Reference{.source = word.source, .name = exact ? std::string(name) : lower_ascii(name), .path = {}};
  }
  if (text.starts_with("calls.")) return read_call(text.substr(6));
  for (const auto& word : kDocuments) {
    if (!text.starts_with(word.text)) continue;
    auto rest = text.substr(word.text.size());
    if (!rest.empty() && rest.front() != '.' && rest.front() != '[') continue;
    if (rest.starts_with('.')) rest.remove_prefix(1);
    auto path = parse_json_path(rest);
    if (!path || rest.starts_with('/')) return std::nullopt;
    return Reference{.source = word.source, .name = {}, .path = std::move(*path)};
  }
  return std::nullopt;
}

/// Of a parameter's value: a space or '#' would end the target, '&' the value.
constexpr std::string_view kInParameters = "!$'()*+,;:@/?=";

/// Other characters in triplets: no target has them as they are.
void append_ascii(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) < 0x80) out += text[i];
    else append_percent_encoded(text.substr(i, 1), out);
  }
}

/// Characters behind "{{" up to "}}", which within quotes ends nothing; npos: no end.
std::size_t end_of_value(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (!quoted && text[i] == '}' && text[i + 1] == '}') return i;
  }
  return std::string_view::npos;
}

}  // namespace

class TemplateCompiler {
 public:
  TemplateCompiler(std::string_view text, Place place) : text_(text) { out_.place_ = place; }

  Result<Template> run() {
    if (text_.size() > Template::kMostText) return fail("longer than 64 KiB");
    std::size_t values = 0;
    while (at_ < text_.size()) {
      const auto open = std::min(text_.find("{{", at_), text_.size());
      literal(text_.substr(at_, open - at_));
      at_ = open;
      if (open == text_.size()) break;
      if (++values > Template::kMostValues) return wrong("more than 256 values");
      FL_CHECK(value());
    }
    FL_CHECK(check());
    return std::move(out_);
  }

 private:
  std::unexpected<Error> wrong(const std::string& what) {
    return fail("at character " + std::to_string(at_ + 1) + ": " + what);
  }

  void literal(std::string_view text) {
    if (text.empty()) return;
    for (const char c : text) {
      if (escaped_) escaped_ = false;
      else if (quoted_ && c == '\\') escaped_ = true;
      else if (c == '"') quoted_ = !quoted_;
    }
    auto& piece = out_.pieces_.emplace_back();
    if (out_.place_ == Place::kQuery) append_part(text, kInParameters, piece.literal);
    else if (out_.place_ == Place::kPath || out_.place_ == Place::kWholePath) append_ascii(text, piece.literal);
    else piece.literal = text;
  }

  void blanks(std::string_view& text) const {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  }

  Result<> value() {
    const auto length = end_of_value(text_.substr(at_ + 2));
    if (length == std::string_view::npos) return wrong("{{ without }}");
    auto text = text_.substr(at_ + 2, length);
    Template::Piece piece;
    piece.is_value = true;
    piece.quoted = quoted_;
    blanks(text);
    bool quoted = false;
    std::size_t end = 0;
    for (; end < text.size() && (quoted || (text[end] != '|' && !is_blank(text[end]))); ++end)
      if (text[end] == '"') quoted = !quoted;
    auto reference = read_reference(text.substr(0, end));
    if (!reference) return wrong("\"" + std::string(text.substr(0, end)) + "\" is no value: " + std::string(kSources));
    piece.reference = std::move(*reference);
    text.remove_prefix(end);
    blanks(text);
    while (!text.empty()) {
      if (text.front() != '|') return wrong("a | before each filter");
      text.remove_prefix(1);
      blanks(text);
      FL_CHECK(filter(text, piece));
      blanks(text);
    }
    out_.pieces_.push_back(std::move(piece));
    at_ += length + 4;
    return {};
  }

  Result<> filter(std::string_view& text, Template::Piece& piece) {
    using Kind = Template::FilterKind;
    constexpr std::pair<std::string_view, Kind> kNames[] = {
        {"default", Kind::kDefault},     {"lower", Kind::kLower},  {"upper", Kind::kUpper},   {"trim", Kind::kTrim},
        {"urlencode", Kind::kUrlEncode}, {"json", Kind::kJson},    {"number", Kind::kNumber}, {"join", Kind::kJoin},
        {"limit", Kind::kLimit},         {"base64", Kind::kBase64}};
    std::size_t end = 0;
    while (end < text.size() && is_word(text[end])) ++end;
    const auto name = text.substr(0, end);
    const auto* found = std::ranges::find(kNames, name, &std::pair<std::string_view, Kind>::first);
    if (found == std::end(kNames))
      return wrong("\"" + std::string(name) +
                   "\" is no filter: default, lower, upper, trim, urlencode, json, number, join, limit or base64");
    text.remove_prefix(end);
    blanks(text);
    Template::Filter filter{.kind = found->second, .text = {}, .number = 0};
    const bool takes_text = filter.kind == Kind::kDefault || filter.kind == Kind::kJoin;
    if (takes_text && !in_quotes(text, filter.text)) return wrong(std::string(name) + " \"text\"");
    if (filter.kind == Kind::kLimit && !number(text, filter.number)) return wrong("limit and a number from 1 to 65536");
    piece.filters.push_back(std::move(filter));
    return {};
  }

  /// A text in quotes, without escapes.
  static bool in_quotes(std::string_view& text, std::string& out) {
    if (!text.starts_with('"')) return false;
    const auto end = text.find('"', 1);
    if (end == std::string_view::npos) return false;
    out = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return true;
  }

  static bool number(std::string_view& text, std::size_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || out == 0 || out > 65536) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
  }

  /// What the literals alone make wrong.
  Result<> check() {
    std::string sample;
    for (const auto& piece : out_.pieces_) {
      if (!piece.is_value) sample += piece.literal;
      else if (out_.place_ != Place::kJson || piece.quoted) sample += 'x';
      else sample += "null";
      if (piece.is_value && piece.quoted) strings_.push_back(sample.size());
    }
    at_ = 0;
    switch (out_.place_) {
      case Place::kJson: {
        Json document;
        if (document.parse(sample)) return check_names(sample);
        at_ = std::min(document.error().offset, text_.size());
        return wrong("no JSON: " + std::string(document.error().what));
      }
      case Place::kHeader:
        if (std::ranges::any_of(sample, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; }))
          return wrong("a header's value has no control characters");
        return {};
      case Place::kWholePath:
      case Place::kPath:
        if (!sample.starts_with('/')) return wrong("a path begins with /");
        if (has_dot_segment(sample)) return wrong("a path without . and .. segments");
        if (std::ranges::any_of(sample, [](char c) { return c <= 0x20 || c == 0x7f || c == '#' || c == '?'; }))
          return wrong("a path has no control characters, spaces, # or ?");
        return {};
      case Place::kText:
      case Place::kQuery:
      case Place::kHtml: return {};
    }
    return {};
  }

  /// A value that names a member could name another one a second time.
  Result<> check_names(std::string_view sample) {
    for (auto end : strings_) {
      while (sample[end] != '"') end += sample[end] == '\\' ? 2U : 1U;
      const auto next = sample.find_first_not_of(" \t\r\n", end + 1);
      if (next != std::string_view::npos && sample[next] == ':') return wrong("a member's name without values");
    }
    return {};
  }

  Template out_;
  std::vector<std::size_t> strings_;  // kJson: where values within strings end, in the sample
  std::string_view text_;
  std::size_t at_ = 0;
  bool quoted_ = false;   // kJson: the literals so far end within a string
  bool escaped_ = false;  // and behind a backslash
};

Result<Template> Template::compile(std::string_view text, Place place) { return TemplateCompiler(text, place).run(); }

bool is_single_value(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text.starts_with("{{") && end_of_value(text.substr(2)) + 4 == text.size();
}

std::string json_template_of(std::string_view text) {
  if (is_single_value(text)) return std::string(text);
  std::string out = "\"";
  while (!text.empty()) {
    const auto open = std::min(text.find("{{"), text.size());
    append_json_escaped(text.substr(0, open), out);
    text.remove_prefix(open);
    if (text.empty()) break;
    const auto length = end_of_value(text.substr(2));
    const auto whole = length == std::string_view::npos ? text.size() : length + 4;
    out += text.substr(0, whole);
    text.remove_prefix(whole);
  }
  out += '"';
  return out;
}

}  // namespace fairlead::change
