// SPDX-License-Identifier: Apache-2.0
#pragma once

// The fields of a request's body, of whatever kind it is: members of a JSON object, parameters of a form
// (application/x-www-form-urlencoded), parts of a multipart/form-data. What is changed is written anew, the rest stays.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fairlead/change/json.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::filter {

/// One body. `body` must outlive it. Owner: a filter's call. Thread: one.
class BodyFields {
 public:
  enum class Kind : std::uint8_t { kNone, kJson, kForm, kMultipart };
  [[nodiscard]] static Kind kind_of(const http::Fields& fields);
  [[nodiscard]] static bool reads(const http::Fields& fields) { return kind_of(fields) != Kind::kNone; }

  /// An empty body has no fields; one that cannot be read is no good.
  BodyFields(const http::Fields& fields, std::string_view body);
  [[nodiscard]] bool good() const { return good_; }

  [[nodiscard]] bool has(std::string_view name) const;
  /// The first, as a text; of JSON strings and numbers.
  [[nodiscard]] std::optional<std::string> value(std::string_view name) const;
  /// Whether it stands there more than once; of JSON, as a list.
  [[nodiscard]] bool several(std::string_view name) const;
  bool remove(std::string_view name);  ///< false: there was none
  bool rename(std::string_view from, std::string_view to);
  /// A text, in place of all of that name; new ones stand at the end.
  void set(std::string_view name, std::string_view value);
  /// One more beside those of that name: of JSON an item of a list that is made of what stands there.
  void append(std::string_view name, std::string_view value);
  [[nodiscard]] std::string text() const;

 private:
  struct Pair {
    std::string name;
    std::string_view text;  // as it stands in the body, a form's pair or a part; empty: `value` is written
    std::string value;
  };
  void read_form(std::string_view body);
  void read_parts(std::string_view body);
  [[nodiscard]] std::string value_of(const Pair& pair) const;

  Kind kind_;
  bool good_ = true;
  change::Json json_;
  std::vector<Pair> pairs_;
  std::string boundary_;
};

}  // namespace fairlead::filter
