// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/cache/conditional.hpp"
#include "fairlead/cache/storable.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::cache {

/// A stored response. Immutable once it is in a store; hits share it and copy nothing but pointers.
/// Owner: a store, and whoever answers with it. Thread: any.
class Entry {
 public:
  Entry() = default;
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::uint16_t status = 200;
  http::Fields fields;  ///< as the backend sent them, without what may not be stored; views into text_
  std::shared_ptr<const std::string> body;  ///< never null; shared with the entry that this one freshens
  Validators validators;                    ///< views into fields
  /// Names that Vary gives, sorted, each once; views into text_.
  std::vector<std::string_view> vary;
  std::string vary_values;  ///< what the request had for them, see append_vary()
  std::vector<std::string_view> tags;  ///< views into text_

  // CLOCK_MONOTONIC in milliseconds.
  std::int64_t born = 0;      ///< when its age was 0; may be negative
  std::int64_t lifetime = 0;  ///< fresh until born + lifetime
  std::int64_t stale_while_revalidate = 0;
  std::int64_t stale_if_error = 0;
  bool validate_always = false;
  bool validate_stale = false;

  [[nodiscard]] std::int64_t age(std::int64_t now) const { return now > born ? now - born : 0; }
  [[nodiscard]] bool fresh(std::int64_t now) const { return !validate_always && age(now) < lifetime; }
  [[nodiscard]] bool serves_while_revalidating(std::int64_t now) const {
    return !validate_always && age(now) < lifetime + stale_while_revalidate;
  }
  [[nodiscard]] bool serves_after_error(std::int64_t now) const {
    return !validate_always && age(now) < lifetime + stale_if_error;
  }
  [[nodiscard]] std::size_t bytes() const;  ///< of memory, all told

  /// Copies texts; no view may be set before. `tag_fields`: names of the fields that hold tags, in lower case.
  void assign(const http::Fields& from, const std::vector<std::string>& tag_fields, std::int64_t now_s);
  void set_terms(const Terms& terms, std::int64_t now_ms);

 private:
  std::string text_;
};
using EntryPtr = std::shared_ptr<const Entry>;

/// Appends what `request` has for each of `names`, so that absent and empty differ and no value can look like two.
void append_vary(const std::vector<std::string_view>& names, const http::Fields& request, std::string& out);

/// Fields of a 304 laid over those of the entry that it validates (RFC 9111 section 3.2); views into both.
[[nodiscard]] http::Fields freshened_fields(const Entry& entry, const http::Fields& update);

}  // namespace fairlead::cache
