// SPDX-License-Identifier: Apache-2.0
// Plugins that find out who calls, and whether that one may.
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/plugins.hpp"
#include "gateway/dataplane/kong/read.hpp"

namespace fairlead::kong {
namespace {

std::vector<std::string> lowered(std::vector<std::string> all) {
  for (auto& one : all) one = config::lower(one);
  return all;
}

Json& begin(ConfigView& config, PluginParts& out, const std::string& realm) {
  out.authenticates = true;
  auto& section = out.sections["authentication"];
  const auto own = config.text("realm");
  if (!own.empty()) section["realm"] = own;
  else if (!realm.empty()) section["realm"] = realm;
  return section["methods"];
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
  const auto names = lowered(config.texts("key_names", {"apikey"}));
  const bool header = config.flag("key_in_header", true), query = config.flag("key_in_query", true);
  config.only("key_in_body", "false", "false: keys are not looked for in bodies");
  config.only("run_on_preflight", "true");
  config.only("identity_realms", "");
  auto& method = begin(config, out, "")["apiKey"];
  method = Json::object();
  if (header) method["headers"] = names;
  if (query) method["query"] = config.texts("key_names", {"apikey"});
  if (!header && !query) notes.error(config.at(), "key_in_header or key_in_query");
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_anonymous(notes, config, file, out);
}

void convert_basic_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  config.only("run_on_preflight", "true");
  auto& method = begin(config, out, "service")["basic"];
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_anonymous(notes, config, file, out);
}

void convert_jwt(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto& method = begin(config, out, "")["jwt"];
  Json from = Json::object();
  if (auto names = lowered(config.texts("header_names", {"authorization"})); !names.empty()) from["headers"] = names;
  if (auto names = config.texts("uri_param_names", {"jwt"}); !names.empty()) from["query"] = names;
  if (auto names = config.texts("cookie_names"); !names.empty()) from["cookies"] = names;
  method["from"] = from;
  config.only("key_claim_name", "iss");
  config.only("secret_is_base64", "false", "false: secrets as they are");
  config.only("maximum_expiration", "0", "0: no most");
  config.only("run_on_preflight", "true");
  bool expiry = false;
  for (const auto& claim : config.texts("claims_to_verify")) {
    expiry = expiry || claim == "exp";
    if (claim != "exp" && claim != "nbf") notes.error(config.find("claims_to_verify"), "exp and nbf");
  }
  method["requireExpiry"] = expiry;
  take_anonymous(notes, config, file, out);
}

void convert_hmac_auth(Notes& notes, ConfigView& config, const File& file, PluginParts& out) {
  auto& method = begin(config, out, "")["hmac"];
  method["clockSkew"] = std::to_string(config.number("clock_skew", 300, 1, 86'400)) + "s";
  if (auto names = lowered(config.texts("enforce_headers")); !names.empty()) method["enforceHeaders"] = names;
  method["algorithms"] = config.texts("algorithms", {"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"});
  method["validateBody"] = config.flag("validate_request_body", false);
  method["hideCredentials"] = config.flag("hide_credentials", false);
  take_anonymous(notes, config, file, out);
}

void convert_acl(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto allow = config.texts("allow"), deny = config.texts("deny");
  config.only("always_use_authenticated_groups", "false");
  config.only("include_consumer_groups", "false");
  config.only("hide_groups_header", "false", "false: backends see X-Consumer-Groups");
  if (allow.empty() == deny.empty()) return notes.error(config.at(), "allow or deny, one of them");
  const Json rule = {{"action", allow.empty() ? "Deny" : "Allow"}, {"groups", allow.empty() ? deny : allow}};
  out.sections["access"] = {{"rules", list_of(rule)}, {"otherwise", allow.empty() ? "Allow" : "Deny"}};
}

void convert_ip_restriction(Notes& notes, ConfigView& config, PluginParts& out) {
  const auto allow = config.texts("allow"), deny = config.texts("deny");
  config.only("status", "403");
  config.only("message", "", "no message: problem details say it");
  if (allow.empty() && deny.empty()) return notes.error(config.at(), "allow, deny or both");
  auto& section = out.sections["addresses"];
  if (!allow.empty()) section["allow"] = allow;
  if (!deny.empty()) section["deny"] = deny;
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
