// SPDX-License-Identifier: Apache-2.0
// Plugins that find out who calls, and whether that one may.
#include <algorithm>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/plugins.hpp"
#include "gateway/dataplane/kong/read.hpp"

namespace fairlead::kong {
namespace {

std::vector<std::string> lowered(std::vector<std::string> all) {
  for (auto& one : all) one = config::lower(one);
  return all;
}

/// The settings of a method.
Json& begin(ConfigView& config, PluginParts& out, const char* name, const char* realm) {
  out.authenticates = true;
  auto& section = out.sections["authentication"];
  section["credentialIdentifier"] = "Id";
  auto& method = section["methods"][name];
  method = Json::object();
  const auto own = config.text("realm", realm);
  if (!own.empty()) method["realm"] = own;
  return method;
}

/// Whether OPTIONS requests are asked, too.
void take_preflights(ConfigView& config, PluginParts& out) {
  out.passes_options = !config.flag("run_on_preflight", true);
  if (out.passes_options) out.sections["authentication"]["preflights"] = "Pass";
}

/// The consumers in any of these consumer groups.
std::vector<std::string> members_of(const File& file, const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& consumer : file.consumers)
    if (std::ranges::any_of(consumer.groups, [&](std::size_t group) {
          return std::ranges::find(names, file.groups[group].name) != names.end();
        }))
      out.push_back(consumer.object);
  return out;
}

/// Who requests are whose credentials are none, or wrong.
void take_anonymous(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  const auto at = config.find("anonymous");
  if (!at || at.text().empty()) return;
  for (const auto& consumer : file.consumers)
    if (consumer.username == at.text() || id_of(consumer) == at.text())
      out.sections["authentication"]["anonymous"] = {
          {"allow", true}, {"consumer", consumer.object}, {"wrongCredentials", "Ignore"}};
  if (!out.sections["authentication"].contains("anonymous")) notes.error(at, "the username or id of a consumer");
}

}  // namespace

void convert_key_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto names = lowered(config.texts("key_names", {"apikey"}));
  // A name with _ is found with -, too.
  for (std::size_t i = 0, count = names.size(); i < count; ++i) {
    auto dashed = names[i];
    std::ranges::replace(dashed, '_', '-');
    if (std::ranges::find(names, dashed) == names.end()) names.push_back(std::move(dashed));
  }
  const bool header = config.flag("key_in_header", true), query = config.flag("key_in_query", true);
  const bool body = config.flag("key_in_body", false);
  config.only("identity_realms", "");
  auto& method = begin(config, out, "apiKey", "");
  if (header) method["headers"] = names;
  if (query) method["query"] = config.texts("key_names", {"apikey"});
  if (body) method["body"] = config.texts("key_names", {"apikey"});
  if (!header && !query && !body) notes.error(config.at(), "key_in_header, key_in_query or key_in_body");
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_preflights(config, out);
  take_anonymous(notes, config, file, out);
}

void convert_basic_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto& method = begin(config, out, "basic", "service");
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_preflights(config, out);
  take_anonymous(notes, config, file, out);
}

void convert_jwt(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto& method = begin(config, out, "jwt", "");
  Json from = Json::object();
  if (auto names = lowered(config.texts("header_names", {"authorization"})); !names.empty()) from["headers"] = names;
  if (auto names = config.texts("uri_param_names", {"jwt"}); !names.empty()) from["query"] = names;
  if (auto names = config.texts("cookie_names"); !names.empty()) from["cookies"] = names;
  method["from"] = from;
  if (const auto claim = config.text("key_claim_name", "iss"); claim != "iss") method["keyClaim"] = claim;
  out.encoded_secrets = config.flag("secret_is_base64", false);
  if (const auto most = config.number("maximum_expiration", 0, 0, 31'536'000); most > 0)
    method["maxLifetime"] = std::to_string(most) + "s";
  const auto claims = config.texts("claims_to_verify");
  for (const auto& claim : claims)
    if (claim != "exp" && claim != "nbf") notes.error(config.find("claims_to_verify"), "exp and nbf");
  method["verify"] = claims;
  take_preflights(config, out);
  take_anonymous(notes, config, file, out);
}

void convert_hmac_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto& method = begin(config, out, "hmac", "");
  method["clockSkew"] = std::to_string(config.number("clock_skew", 300, 1, 86'400)) + "s";
  if (auto names = lowered(config.texts("enforce_headers")); !names.empty()) method["enforceHeaders"] = names;
  method["algorithms"] = config.texts("algorithms", {"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"});
  method["validateBody"] = config.flag("validate_request_body", false);
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_anonymous(notes, config, file, out);
}

void convert_acl(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  const auto allow = config.texts("allow"), deny = config.texts("deny");
  config.ignore("always_use_authenticated_groups");  // of plugins that are not served
  if (allow.empty() == deny.empty()) return notes.error(config.at(), "allow or deny, one of them");
  const auto& groups = allow.empty() ? deny : allow;
  const char* action = allow.empty() ? "Deny" : "Allow";
  auto rules = list_of({{"action", action}, {"groups", groups}});
  if (config.flag("include_consumer_groups", false))
    if (auto members = members_of(file, groups); !members.empty())
      rules.push_back({{"action", action}, {"consumers", std::move(members)}});
  out.sections["access"] = {
      {"rules", std::move(rules)}, {"otherwise", allow.empty() ? "Allow" : "Deny"}, {"unknownCallers", "Challenge"}};
  if (config.flag("hide_groups_header", false)) out.sections["access"]["hideGroups"] = true;
}

void convert_ip_restriction(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto allow = config.texts("allow"), deny = config.texts("deny");
  if (allow.empty() && deny.empty()) return notes.error(config.at(), "allow, deny or both");
  auto& section = out.sections["addresses"];
  if (!allow.empty()) section["allow"] = allow;
  if (!deny.empty()) section["deny"] = deny;
  if (config.find("status")) section["refusal"]["status"] = config.number("status", 403, 400, 599);
  if (const auto message = config.text("message"); !message.empty()) section["refusal"]["detail"] = message;
}

void convert_bot_detection(Notes& notes, ConfigView& config, PluginParts& out) {
  auto& section = out.sections["userAgents"];
  section["bots"] = "Deny";
  for (const char* list : {"allow", "deny"})
    for (const auto& text : config.texts(list)) {
      if (is_regex(text)) section[list].push_back(text);
      else notes.unserved(config.find(list), "expressions that RE2 takes, found \"" + text + "\"");
    }
}

}  // namespace fairlead::kong
