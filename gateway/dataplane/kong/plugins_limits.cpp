// SPDX-License-Identifier: Apache-2.0
// response-ratelimiting: limits of what responses say that they have used.
#include <algorithm>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/plugins.hpp"

namespace fairlead::kong {

void convert_response_limits(Notes& notes, ConfigView& config, const std::string& name, PluginParts& out) {
  constexpr std::pair<const char*, const char*> kPeriods[] = {{"second", "Second"}, {"minute", "Minute"},
                                                              {"hour", "Hour"},     {"day", "Day"},
                                                              {"month", "Month"},   {"year", "Year"}};
  auto& section = out.sections["responseLimits"];
  section["header"] = config::lower(config.text("header_name", "x-kong-limit"));
  const auto by = config.text("limit_by", "consumer");
  if (by == "consumer") section["key"] = list_of({{"type", "Consumer"}});
  else if (by == "credential") section["key"] = list_of({{"type", "Credential"}});
  else if (by == "ip") section["key"] = list_of({{"type", "ClientIP"}, {"ipv6Prefix", 128}});
  else notes.error(config.find("limit_by"), "consumer, credential or ip");
  section["refuse"] = config.flag("block_on_first_violation", false) ? "Requests" : "Responses";
  section["tellClients"] = !config.flag("hide_client_headers", false);
  Json limits = Json::array();
  const auto all = config.find("limits");
  notes.reader().fields(all, [&](View one) {
    ConfigView numbers(notes, one, one);
    for (const auto& [period, per] : kPeriods)
      if (const auto most = numbers.number(period, 0, 1, 1'000'000'000); most > 0)
        limits.push_back({{"name", std::string(one.key())}, {"requests", most}, {"per", per}});
    check_periods(notes, numbers);
    numbers.finish("a limit");
  });
  convert_limit_store(notes, config, name, section, out);
  if (!all || !all.first()) return notes.error(all ? all : config.at(), "limits: {NAME: {minute: NUMBER}}");
  if (limits.empty()) out.sections.erase("responseLimits");
  else section["limits"] = std::move(limits);
}

}  // namespace fairlead::kong
