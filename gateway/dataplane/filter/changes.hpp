// SPDX-License-Identifier: Apache-2.0
#pragma once

// What section transform does to heads and bodies, compiled.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/change/template.hpp"
#include "fairlead/http/message.hpp"
#include "fairlead/model/request_change.hpp"
#include "fairlead/route/path.hpp"
#include "gateway/dataplane/filter/body_fields.hpp"

namespace fairlead::filter {

/// Changes of headers or of query parameters. Immutable. Thread: any.
class FieldChanges {
 public:
  FieldChanges() = default;
  FieldChanges(const std::vector<model::FieldChange>& changes, change::Place place);

  /// One value for each change; nothing where it is missing, or too long.
  using Values = std::vector<std::optional<std::string>>;
  /// Before anything is changed, so that all values are those that came.
  [[nodiscard]] Values render(change::Scope& scope) const;
  /// A header's value that is missing, or empty, sets nothing.
  void apply(const Values& values, http::Fields& fields, Arena& arena) const;
  void apply(const Values& values, route::Target& target, Arena& arena) const;
  bool apply(const Values& values, BodyFields& fields) const;  ///< false: nothing has changed
  [[nodiscard]] bool uses(change::Source source) const;
  [[nodiscard]] bool empty() const { return changes_.empty(); }

 private:
  struct One {
    model::ChangeKind kind;
    std::string name;
    std::string to;  // with kRename
    change::Template value;
  };
  std::vector<One> changes_;
};

/// Changes of a JSON body, or what stands in its place. Immutable. Thread: any.
class BodyChanges {
 public:
  BodyChanges() = default;
  BodyChanges(const model::BodyChange& changes, std::size_t most);

  [[nodiscard]] bool empty() const { return !replaces_ && json_.empty(); }
  /// The body that was is not read, but for its values.
  [[nodiscard]] bool replaces() const { return replaces_; }
  [[nodiscard]] const std::string& content_type() const { return content_type_; }
  [[nodiscard]] bool uses(change::Source source) const;

  /// Appends the new body. `document` may be empty where replaces(). False: it grew too large.
  [[nodiscard]] bool apply(change::Scope& scope, change::Json& document, std::string& out) const;

 private:
  struct One {
    model::ChangeKind kind;
    change::JsonPath path, to;
    change::Template value;
  };
  [[nodiscard]] static bool apply(const One& one, std::string value, change::Json& document);
  [[nodiscard]] bool edit(change::Scope& scope, change::Json& document) const;

  std::vector<One> json_;
  change::Template whole_;
  bool replaces_ = false;
  std::string content_type_;
  std::size_t most_ = 0;
};

}  // namespace fairlead::filter
