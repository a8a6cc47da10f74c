// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "fairlead/telemetry/record.hpp"

namespace fairlead::telemetry {

/// A moment as text, for as long as its second lasts: requests of one second share the conversion.
struct TimeCache {
  std::int64_t second = std::numeric_limits<std::int64_t>::min();
  std::uint8_t size = 0;
  std::array<char, 128> text{};
};

struct FormatOptions {
  /// Bytes that one value may take in a line, escapes counted: a client cannot make lines of any length.
  std::size_t value_limit = 4096;
  /// Names of fields that are never printed, besides Authorization, cookies and the like; any case.
  std::vector<std::string> redact;
};

/// One field of a JSON line: a template of operators and text. A template that is one operator gives a number or null
/// where the value is one, else fields are strings.
struct JsonField {
  std::string_view name;
  std::string_view value;
};

/// Writes records in a form that no template can say. Owner: a LogFormat. Thread: any; immutable.
class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  /// Whole lines, or nothing; at most max_bytes(). Returns the end.
  virtual char* write(const RequestRecord& record, char* out) const = 0;
  [[nodiscard]] virtual std::size_t max_bytes() const = 0;
  [[nodiscard]] virtual bool shows_response() const = 0;
};

/// The format of a line, compiled once. Templates use Envoy's command operators: `%REQ(X?Y):Z%`, `%RESP(X)%`,
/// `%TRAILER(X)%`, `%START_TIME(strftime)%`, `%DURATION%`, `%RESPONSE_FLAGS%`, ... (the table stands in
/// log_operators.cpp). No value can end a line or a quoted text: see text::Escape. Secrets are printed as [redacted]:
/// fields by name, parameters of queries by name, passwords in URLs. Owner: an AccessLog. Thread: any; immutable.
class LogFormat {
 public:
  static Result<LogFormat> from_template(std::string_view text, const FormatOptions& options = {});
  static Result<LogFormat> from_json(std::span<const JsonField> fields, const FormatOptions& options = {});
  static LogFormat json();      ///< the fields of Istio's default JSON log, and where and when of ours
  static LogFormat common();    ///< NCSA common, as Apache has it
  static LogFormat combined();  ///< NCSA combined, as nginx and Apache have it

  static LogFormat kong();      ///< JSON as Kong's log serializer has it: docs/operate/from-kong.md
  static LogFormat of(std::shared_ptr<const RecordWriter> writer);

  /// Bytes that write() may need.
  [[nodiscard]] std::size_t max_line() const { return max_line_; }
  [[nodiscard]] std::size_t time_caches() const { return time_caches_; }
  /// Whether lines show fields of responses or their trailers: nobody has to keep them for others.
  [[nodiscard]] bool shows_response() const;
  /// Whether it has no lines of connections that are passed on as they are.
  [[nodiscard]] bool of_requests_alone() const { return writer_ != nullptr; }
  /// Writes one line with its line feed; `times` has time_caches() elements that only this format uses. Returns the
  /// end.
  char* write(const RequestRecord& record, char* out, std::span<TimeCache> times) const;

  enum class Operator : std::uint8_t;
  enum class Place : std::uint8_t {
    kText,        ///< part of a line of text
    kJsonString,  ///< inside a JSON string
    kJsonValue,   ///< a JSON value of its own
  };
  struct Piece {
    Operator kind{};
    Place place = Place::kText;
    bool redacted = false;
    std::uint8_t number = 0;    ///< digits of a fraction, index of a time cache, point in time
    std::uint8_t second = 0;    ///< the other point
    std::uint32_t cut = 0;      ///< `:Z`, 0: none
    std::uint32_t limit = 0;    ///< bytes of output
    std::string text{};           ///< literal, strftime format, or name of a field
    std::string alternative{};    ///< of a field
  };

 private:
  friend class FormatCompiler;
  LogFormat() = default;

  std::vector<Piece> pieces_;
  std::size_t max_line_ = 1;
  std::size_t time_caches_ = 0;
  std::shared_ptr<const RecordWriter> writer_;  // null: pieces say it
};

}  // namespace fairlead::telemetry
