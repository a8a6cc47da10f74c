// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/cache_target.hpp"

#include <algorithm>
#include <string_view>

#include "fairlead/auth/structured_fields.hpp"

namespace fairlead::filter {
namespace {

using auth::structured::BareItem;
using cache::Control;

struct Timed {
  std::string_view name;
  std::optional<std::uint32_t> Control::* member;
};
constexpr Timed kTimed[] = {{"max-age", &Control::max_age},
                            {"s-maxage", &Control::s_maxage},
                            {"stale-while-revalidate", &Control::stale_while_revalidate},
                            {"stale-if-error", &Control::stale_if_error}};

struct Flag {
  std::string_view name;
  bool Control::* member;
  bool takes_fields = false;  // no-cache="set-cookie"
};
constexpr Flag kFlags[] = {{"no-store", &Control::no_store},
                           {"no-cache", &Control::no_cache, true},
                           {"private", &Control::is_private, true},
                           {"public", &Control::is_public},
                           {"must-revalidate", &Control::must_revalidate},
                           {"proxy-revalidate", &Control::proxy_revalidate},
                           {"must-understand", &Control::must_understand}};

/// False: a value of the wrong type. What is no directive is passed over.
bool set(std::string_view name, const BareItem& value, Control& out) {
  if (const auto* timed = std::ranges::find(kTimed, name, &Timed::name); timed != std::end(kTimed)) {
    if (value.type != BareItem::Type::kInteger || value.number < 0) return false;
    out.*timed->member =
        static_cast<std::uint32_t>(std::min<std::int64_t>(value.number, std::int64_t{cache::kMostSeconds}));
    return true;
  }
  const auto* flag = std::ranges::find(kFlags, name, &Flag::name);
  if (flag == std::end(kFlags)) return true;
  if (flag->takes_fields && value.type == BareItem::Type::kString) out.*flag->member = true;
  else if (value.type == BareItem::Type::kBoolean) out.*flag->member = value.number != 0;
  else return false;
  return true;
}

std::string joined(const http::Fields& fields, std::string_view name) {
  std::string out;
  for (const auto& field : fields)
    if (field.name == name) (out += out.empty() ? "" : ", ") += field.value;
  return out;
}

std::optional<Control> parse(std::string_view text) {
  const auto dictionary = auth::structured::parse_dictionary(text);
  if (!dictionary || dictionary->empty()) return std::nullopt;
  Control out;
  for (const auto& [name, member] : *dictionary)
    if (member.is_list || !set(name, member.items.front().value, out)) return std::nullopt;
  return out;
}

}  // namespace

std::optional<Control> targeted_control(const http::Fields& fields, std::span<const std::string> names) {
  for (const auto& name : names) {
    if (http::find(fields, name) == nullptr) continue;
    if (auto control = parse(joined(fields, name))) return control;
  }
  return std::nullopt;
}

}  // namespace fairlead::filter
