// SPDX-License-Identifier: Apache-2.0
// Cache-Control, dates, conditions and ranges of any text: within their bounds, and never more fresh by what is added.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "fairlead/cache/conditional.hpp"
#include "fairlead/cache/control.hpp"
#include "fairlead/cache/date.hpp"
#include "fairlead/cache/storable.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::cache;

constexpr std::int64_t kNow = 1'700'000'000;

void check(bool good) {
  if (!good) std::abort();
}

bool within(std::string_view part, std::string_view whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_control(std::string_view text) {
  Control control;
  parse_cache_control(text, control);
  for (const auto& value : {control.max_age, control.s_maxage, control.stale_if_error, control.stale_while_revalidate,
                            control.min_fresh, control.max_stale})
    check(value.value_or(0) <= kMostSeconds);
  check(within(control.no_cache_fields, text) && within(control.private_fields, text));
  // Whatever stood before, no-store in a line of its own is seen, and a max-age of 0 is not made longer.
  const http::Fields fields = {{"cache-control", text}, {"cache-control", "no-store, max-age=0"}};
  const auto both = control_of(fields, false);
  check(both.no_store && both.max_age == 0U);
}

void check_terms(std::string_view text) {
  http::ResponseHead head;
  head.fields = {{"cache-control", text}, {"expires", text}, {"age", text}, {"date", text}, {"vary", text}};
  const auto terms = judge(head, {}, {}, kNow, 0);
  check(terms.age >= 0 && terms.lifetime >= 0 && terms.lifetime <= std::int64_t{kMostSeconds} * 1000);
  check(terms.stale_if_error >= 0 && terms.stale_while_revalidate >= 0);
}

void check_requests(std::string_view text) {
  const http::Fields stored = {{"etag", "\"a\""}, {"last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"}};
  const http::Fields asked = {{"if-none-match", text}, {"if-modified-since", text}, {"range", text}};
  const auto known = validators_of(stored, kNow);
  (void)not_modified(asked, known, kNow);
  std::vector<Range> ranges;
  const bool parts = ranges_of(asked, known, 1000, ranges) == RangeAnswer::kParts;
  check(!parts || (!ranges.empty() && ranges.size() <= kMostRanges));
  if (!parts) return;
  for (const auto& range : ranges) check(range.first <= range.last && range.last < 1000);
  std::ranges::sort(ranges, {}, &Range::first);
  for (std::size_t i = 1; i < ranges.size(); ++i) check(ranges[i].first > ranges[i - 1].last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_control(text);
  check_terms(text);
  check_requests(text);
  if (const auto seconds = parse_date(text, kNow); seconds && *seconds >= 0) {
    const auto again = format_date(*seconds);
    check(parse_date({again.data(), again.size()}, kNow) == *seconds);
  }
  return 0;
}
