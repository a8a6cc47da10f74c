// SPDX-License-Identifier: Apache-2.0
// Section crossOrigin: what browsers may do with responses for pages of other origins (WHATWG Fetch section 3.2), as
// Kong 3's plugin cors decides it.
#include <re2/re2.h>

#include <algorithm>
#include <memory>

#include "fairlead/filter/make.hpp"
#include "fairlead/filter/probe.hpp"
#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_origin.hpp"
#include "fairlead/route/cors.hpp"

namespace fairlead::filter {
namespace {

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& one : all) out.append(out.empty() ? "" : ",").append(one);
  return out;
}

void set_field(http::Fields& fields, std::string_view name, std::string_view value) {
  std::erase_if(fields, [&](const http::Field& field) { return field.name == name; });
  fields.push_back({name, value});
}

/// Without a port that is the scheme's.
std::string_view normal(std::string_view origin) {
  if (origin.starts_with("http://") && origin.ends_with(":80")) origin.remove_suffix(3);
  if (origin.starts_with("https://") && origin.ends_with(":443")) origin.remove_suffix(4);
  return origin;
}

std::string_view host_of(std::string_view origin) {
  const auto scheme = origin.find("://");
  if (scheme == std::string_view::npos) return origin;
  origin.remove_prefix(scheme + 3);
  return origin.substr(0, origin.starts_with('[') ? origin.find(']') + 1 : origin.find(':'));
}

struct Pattern {
  std::string plain;  // as normal() has it; empty: an expression
  std::unique_ptr<const re2::RE2> expression;
  bool by_host = false;
};

class CrossOrigin final : public Filter {
 public:
  explicit CrossOrigin(const model::CrossOrigin& settings)
      : settings_(settings),
        methods_(joined(settings.methods)),
        headers_(joined(settings.headers)),
        exposed_(joined(settings.exposed_headers)),
        max_age_(settings.max_age ? std::to_string(*settings.max_age) : std::string()),
        all_(settings.origins.size() == 1 && settings.origins.front() == "*"),
        fixed_(settings.origins.size() == 1 && route::is_plain_origin(settings.origins.front())) {
    for (const auto& one : settings.origins) {
      auto& pattern = patterns_.emplace_back();
      if (one == "*" || route::is_plain_origin(one)) pattern.plain = normal(one);
      else pattern.expression = std::make_unique<const re2::RE2>(one);
      pattern.by_host = one.find(':') == std::string::npos;
    }
  }

  Verdict on_request(Request& request) const override {
    if (settings_.passes_preflights || !route::is_preflight(request.head())) return Verdict::kContinue;
    http::Fields fields;
    tell(request, fields);
    const auto value_of = [&](std::string_view name) {
      const auto* field = http::find(request.head().fields, name);
      return field == nullptr ? std::string_view() : field->value;
    };
    const auto asked = headers_.empty() ? value_of("access-control-request-headers") : std::string_view(headers_);
    if (!asked.empty()) fields.push_back({"access-control-allow-headers", asked});
    fields.push_back({"access-control-allow-methods", methods_});
    if (!max_age_.empty()) fields.push_back({"access-control-max-age", max_age_});
    if (settings_.private_network && value_of("access-control-request-private-network") == "true")
      fields.push_back({"access-control-allow-private-network", "true"});
    request.answer({.status = 200, .fields = std::move(fields), .flagged = false, .details = "preflight"});
    return Verdict::kAnswered;
  }

  Verdict on_response(Request& request, http::ResponseHead& head) const override {
    const auto& asked = request.head();
    if (route::is_preflight(asked)) return Verdict::kContinue;  // the backend's words
    const auto* origin = http::find(asked.fields, "origin");
    if (!settings_.tells_all && (origin == nullptr || origin->value.empty())) return Verdict::kContinue;
    tell(request, head.fields);
    if (!exposed_.empty()) set_field(head.fields, "access-control-expose-headers", exposed_);
    return Verdict::kContinue;
  }
  Preview preview(Probe& probe) const override { return probe.ask(*this); }

 private:
  /// The origin that may, and whether it may send who it is.
  void tell(Request& request, http::Fields& fields) const {
    constexpr std::string_view kAllow = "access-control-allow-origin";
    const auto* field = http::find(request.head().fields, "origin");
    const auto origin = field == nullptr ? std::string_view() : field->value;
    if (!all_) fields.push_back({"vary", "Origin"});
    const auto allowed = all_ ? std::string_view("*") : fixed_ ? settings_.origins.front() : allowed_of(origin);
    if (allowed.empty()) std::erase_if(fields, [&](const http::Field& one) { return one.name == kAllow; });
    else set_field(fields, kAllow, allowed);
    if (!settings_.credentials) return;
    if (allowed == "*") {  // which no browser takes with credentials
      if (origin.empty()) return;
      fields.push_back({"vary", "Origin"});
      set_field(fields, kAllow, origin);
    }
    set_field(fields, "access-control-allow-credentials", "true");
  }

  /// Empty: none.
  [[nodiscard]] std::string_view allowed_of(std::string_view origin) const {
    if (origin.empty()) return {};
    const auto whole = normal(origin);
    for (const auto& pattern : patterns_) {
      if (pattern.plain == "*") return "*";
      if (pattern.expression == nullptr ? pattern.plain == whole : matches(pattern, whole)) return whole;
    }
    return {};
  }
  static bool matches(const Pattern& pattern, std::string_view whole) {
    const auto text = pattern.by_host ? host_of(whole) : whole;
    return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern.expression);
  }

  const model::CrossOrigin settings_;
  const std::string methods_, headers_, exposed_, max_age_;
  const bool all_, fixed_;  // whatever is asked
  std::vector<Pattern> patterns_;
};

}  // namespace

FilterPtr make_cross_origin(const model::CrossOrigin& settings, Context&) {
  return std::make_shared<const CrossOrigin>(settings);
}

}  // namespace fairlead::filter
