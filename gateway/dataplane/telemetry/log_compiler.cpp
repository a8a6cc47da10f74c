// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "gateway/dataplane/telemetry/log_operators.hpp"
#include "gateway/dataplane/telemetry/redact.hpp"

namespace fairlead::telemetry {
namespace {

using Op = LogFormat::Operator;
using Place = LogFormat::Place;
using Piece = LogFormat::Piece;

constexpr std::string_view kDefaultTime = "%Y-%m-%dT%H:%M:%S.%3fZ";
constexpr std::size_t kLeastValue = 16;
constexpr std::size_t kMostValue = 65536;

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return result;
}

struct PseudoField {
  std::string_view name;
  Op kind;
};
constexpr PseudoField kPseudoFields[] = {
    {":method", Op::kMethod},        {":path", Op::kTarget},   {"x-envoy-original-path", Op::kTarget},
    {":authority", Op::kAuthority},  {"host", Op::kAuthority}, {":scheme", Op::kScheme},
    {"x-request-id", Op::kRequestId}};

struct FixedElapsed {
  std::string_view name;
  Point from;
  Point to;
};
constexpr FixedElapsed kFixedElapsed[] = {{"DURATION", Point::kStart, Point::kEnd},
                                          {"REQUEST_DURATION", Point::kStart, Point::kRequestEnd},
                                          {"RESPONSE_DURATION", Point::kStart, Point::kFirstByte},
                                          {"RESPONSE_TX_DURATION", Point::kFirstByte, Point::kEnd}};

struct PointName {
  std::string_view name;
  Point point;
};
constexpr PointName kPoints[] = {{"DS_RX_BEG", Point::kStart},     {"DS_RX_END", Point::kRequestEnd},
                                 {"US_CX_END", Point::kConnected}, {"US_TX_BEG", Point::kConnected},
                                 {"US_RX_BEG", Point::kFirstByte}, {"US_RX_END", Point::kResponseEnd},
                                 {"DS_TX_BEG", Point::kFirstByte}, {"DS_TX_END", Point::kEnd}};

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

}  // namespace

/// Turns templates into pieces; one for each format.
class FormatCompiler {
 public:
  explicit FormatCompiler(const FormatOptions& options) : options_(options) {
    options_.value_limit = std::clamp(options_.value_limit, kLeastValue, kMostValue);
    for (auto& name : options_.redact) name = lower(name);
  }

  void literal(std::string_view text) {
    if (text.empty()) return;
    auto& pieces = format_.pieces_;
    if (pieces.empty() || pieces.back().kind != Op::kLiteral) pieces.push_back({.kind = Op::kLiteral});
    pieces.back().text += text;
  }

  /// The pieces of one template, as part of a line or of a JSON string.
  Result<> add(std::string_view text, Place place) {
    if (text.find('\n') != std::string_view::npos)
      return fail("a line feed inside a log format: lines end by themselves");
    while (!text.empty()) {
      const auto percent = std::min(text.find('%'), text.size());
      add_text(text.substr(0, percent), place);
      text.remove_prefix(percent);
      if (text.empty()) break;
      if (text.starts_with("%%")) {
        literal("%");
        text.remove_prefix(2);
        continue;
      }
      FL_CHECK(add_operator(text, place));
    }
    return {};
  }

  /// A JSON value: a bare one where the template is a single operator that is no time.
  Result<> add_json(std::string_view text) {
    const auto before = format_.pieces_.size();
    const bool single = text.size() > 2 && text.starts_with('%') && !text.starts_with("%START_TIME") &&
                        text.find('%', 1) == text.size() - 1;
    if (single) {
      FL_CHECK(add(text, Place::kJsonValue));
      if (format_.pieces_.size() > before) return {};
    }
    literal("\"");
    FL_CHECK(add(text, Place::kJsonString));
    literal("\"");
    return {};
  }

  LogFormat finish() {
    for (auto& piece : format_.pieces_) {
      // Quotes, and a number or address that is not counted by the limit.
      format_.max_line_ += piece.kind == Op::kLiteral ? piece.text.size() : std::size_t{piece.limit} + 2;
    }
    return std::move(format_);
  }

  void add_text(std::string_view text, Place place) {
    if (place == Place::kText) return literal(text);
    std::string escaped(text.size() * 6, '\0');
    escaped.resize(static_cast<std::size_t>(
        text::put_escaped(escaped.data(), text, text::Escape::kJson, escaped.size()) - escaped.data()));
    literal(escaped);
  }

 private:
  /// Takes one operator off the front of `text`.
  Result<> add_operator(std::string_view& text, Place place) {
    const auto whole = text;
    auto rest = text.substr(1);
    const auto name_end = std::min(rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), rest.size());
    const auto name = rest.substr(0, name_end);
    rest.remove_prefix(name_end);
    std::string_view argument;
    bool has_argument = false;
    if (rest.starts_with('(')) {
      const auto close = rest.find(')');
      if (close == std::string_view::npos)
        return fail("log format: ')' is missing after " + in_quotes(whole.substr(0, 40)));
      argument = rest.substr(1, close - 1);
      has_argument = true;
      rest.remove_prefix(close + 1);
    }
    std::uint32_t cut = 0;
    if (rest.starts_with(':')) {
      const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), cut);
      if (error != std::errc() || cut == 0)
        return fail("log format: a length is expected after ':' in " + in_quotes(whole.substr(0, 40)));
      rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    }
    if (!rest.starts_with('%')) return fail("log format: '%' is missing after " + in_quotes(whole.substr(0, 40)));
    text = rest.substr(1);
    const auto* row = find_operator(name);
    if (row == nullptr) return fail("log format: " + in_quotes(name) + " is no command operator");
    if (!has_argument && row->argument != Argument::kNone && row->argument != Argument::kTime)
      return fail("log format: " + in_quotes(name) + " needs an argument in parentheses");
    Piece piece{
        .kind = row->kind, .place = place, .cut = cut, .limit = static_cast<std::uint32_t>(options_.value_limit)};
    return add_row(*row, argument, std::move(piece));
  }

  Result<> add_row(const OperatorRow& row, std::string_view argument, Piece piece) {
    switch (row.argument) {
      case Argument::kField: return add_field(argument, std::move(piece));
      case Argument::kTime: return add_time(argument.empty() ? kDefaultTime : argument, piece.place);
      case Argument::kElapsed: return add_elapsed(argument, std::move(piece));
      case Argument::kNone: break;
    }
    if (const auto* fixed = std::ranges::find(kFixedElapsed, row.name, &FixedElapsed::name);
        fixed != std::end(kFixedElapsed)) {
      piece.number = static_cast<std::uint8_t>(fixed->from);
      piece.second = static_cast<std::uint8_t>(fixed->to);
    }
    if (row.kind == Op::kHostname) {
      char host[256] = {};
      if (gethostname(host, sizeof host - 1) == 0) piece.text = host;
    }
    push(std::move(piece));
    return {};
  }

  Result<> add_field(std::string_view argument, Piece piece) {
    const auto question = argument.find('?');
    piece.text = lower(argument.substr(0, question));
    if (question != std::string_view::npos) piece.alternative = lower(argument.substr(question + 1));
    if (piece.text.empty()) return fail("log format: the name of a field is expected in parentheses");
    if (piece.kind == Op::kResponseField && piece.text == "x-envoy-upstream-service-time") {
      piece.kind = Op::kServiceTime;
      piece.text.clear();
      piece.number = static_cast<std::uint8_t>(Point::kConnected);
      piece.second = static_cast<std::uint8_t>(Point::kFirstByte);
    } else if (piece.kind == Op::kRequestField) {
      const auto* pseudo = std::ranges::find(kPseudoFields, piece.text, &PseudoField::name);
      if (pseudo != std::end(kPseudoFields)) piece.kind = pseudo->kind;
    }
    piece.redacted = is_secret(piece.text) || is_secret(piece.alternative);
    push(std::move(piece));
    return {};
  }

  Result<> add_elapsed(std::string_view argument, Piece piece) {
    const auto first = argument.find(':');
    const auto second = argument.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos)
      return fail("log format: COMMON_DURATION expects start:end:unit, found " + in_quotes(argument));
    const auto* from = std::ranges::find(kPoints, argument.substr(0, first), &PointName::name);
    const auto* to = std::ranges::find(kPoints, argument.substr(first + 1, second - first - 1), &PointName::name);
    piece.text = argument.substr(second + 1);
    const bool unit_known = piece.text == "ms" || piece.text == "us" || piece.text == "ns";
    if (from == std::end(kPoints) || to == std::end(kPoints) || !unit_known)
      return fail("log format: " + in_quotes(argument) + " names an unknown point in time or unit (ms, us, ns)");
    piece.number = static_cast<std::uint8_t>(from->point);
    piece.second = static_cast<std::uint8_t>(to->point);
    push(std::move(piece));
    return {};
  }

  /// strftime's conversions, with %f, %1f to %9f for the fraction of the second and %s for seconds since 1970.
  Result<> add_time(std::string_view format, Place place) {
    if (place == Place::kJsonValue) return {};  // add_json falls back to a string
    std::string pending;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%' || i + 1 == format.size()) {
        pending += format[i];
        continue;
      }
      const char next = format[i + 1];
      const bool digits = next >= '1' && next <= '9' && i + 2 < format.size() && format[i + 2] == 'f';
      if (next != 'f' && next != 's' && !digits) {
        pending.append(format, i++, 2);
        continue;
      }
      FL_CHECK(add_strftime(pending, place));
      pending.clear();
      const int fraction = digits ? next - '0' : 9;
      push({.kind = next == 's' ? Op::kTimeSeconds : Op::kTimeFraction,
            .place = place,
            .number = static_cast<std::uint8_t>(fraction),
            .limit = text::kMaxNumber});
      i += digits ? 2 : 1;
    }
    return add_strftime(pending, place);
  }

  Result<> add_strftime(const std::string& format, Place place) {
    if (format.empty()) return {};
    std::tm longest{};  // Wednesday, 30 September
    longest.tm_mon = 8;
    longest.tm_wday = 3;
    longest.tm_mday = 30;
    longest.tm_year = 126;
    char sample[sizeof TimeCache::text];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (std::strftime(sample, sizeof sample, format.c_str(), &longest) == 0)
      return fail("log format: the time format " + in_quotes(format) + " gives nothing, or more than 127 characters");
#pragma GCC diagnostic pop
    push({.kind = Op::kTime,
          .place = place,
          .number = static_cast<std::uint8_t>(format_.time_caches_++),
          .limit = static_cast<std::uint32_t>(sizeof sample * 6),
          .text = format});
    return format_.time_caches_ <= 255 ? Result<>() : fail("log format: too many times");
  }

  bool is_secret(const std::string& name) const {
    return secret_field(name) || std::ranges::find(options_.redact, name) != options_.redact.end();
  }
  void push(Piece piece) {
    // Whatever is not bounded by value_limit fits into this.
    piece.limit = std::max<std::uint32_t>(piece.limit, text::kMaxAddress);
    if (piece.kind == Op::kFlags || piece.kind == Op::kFlagsLong)
      piece.limit = std::max<std::uint32_t>(piece.limit, ResponseFlags::kMaxText);
    format_.pieces_.push_back(std::move(piece));
  }

  FormatOptions options_;
  LogFormat format_;
};

Result<LogFormat> LogFormat::from_template(std::string_view text, const FormatOptions& options) {
  FormatCompiler compiler(options);
  while (text.ends_with('\n')) text.remove_suffix(1);
  FL_CHECK(compiler.add(text, Place::kText));
  return compiler.finish();
}

Result<LogFormat> LogFormat::from_json(std::span<const JsonField> fields, const FormatOptions& options) {
  FormatCompiler compiler(options);
  bool first = true;
  for (const auto& [name, value] : fields) {
    compiler.literal(first ? "{\"" : ",\"");
    compiler.add_text(name, Place::kJsonString);
    compiler.literal("\":");
    if (auto added = compiler.add_json(value); !added)
      return fail(std::move(added.error()).in("field " + in_quotes(name)));
    first = false;
  }
  compiler.literal(first ? "{}" : "}");
  return compiler.finish();
}

}  // namespace fairlead::telemetry
