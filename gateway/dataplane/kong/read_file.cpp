// SPDX-License-Identifier: Apache-2.0
// Consumers and certificates, the top of a file, and references between entities.
#include <re2/re2.h>

#include <map>

#include "gateway/dataplane/kong/parts.hpp"
#include "gateway/dataplane/kong/read.hpp"

namespace fairlead::kong {

using config::field;
using config::required;
using Kind = Credential::Kind;

namespace {

struct CredentialList {
  const char* name;
  Kind kind;
};
constexpr CredentialList kCredentials[] = {{"keyauth_credentials", Kind::kKey},
                                           {"basicauth_credentials", Kind::kBasic},
                                           {"hmacauth_credentials", Kind::kHmac},
                                           {"jwt_secrets", Kind::kJwt},
                                           {"acls", Kind::kGroup}};

}  // namespace

bool is_regex(const std::string& text) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  return re2::RE2(text, options).ok();
}

void FileReader::consumer(View at) {
  const auto index = file_.consumers.size();
  file_.consumers.emplace_back();
  Consumer out;
  out.at = at;
  auto& reader = notes_.reader();
  const auto list = [&](const CredentialList& one) {
    return field(one.name,
                 [&, kind = one.kind](View v) { reader.items(v, [&](View item) { credential(item, kind, index); }); });
  };
  entity(at, text_field("username", out.username), text_field("custom_id", out.custom_id), list(kCredentials[0]),
         list(kCredentials[1]), list(kCredentials[2]), list(kCredentials[3]), list(kCredentials[4]),
         field("groups", [&](View v) { reader.items(v, [&](View one) { out.groups_at.push_back(one); }); }),
         field("plugins", [&](View v) { reader.items(v, [&](View one) { plugin(one, {.consumer = index}); }); }));
  if (out.called().empty() && at.is_mapping()) reader.missing(at, "username", "a user name");
  file_.consumers[index] = std::move(out);
}

void FileReader::consumer_group(View at) {
  const auto index = file_.groups.size();
  file_.groups.emplace_back();
  ConsumerGroup out;
  out.at = at;
  auto& reader = notes_.reader();
  entity(at, required("name", "a name", [&](View v) { text(v, out.name); }),
         field("consumers", [&](View v) { reader.items(v, [&](View one) { out.members_at.push_back(one); }); }),
         field("plugins", [&](View v) { reader.items(v, [&](View one) { plugin(one, {.group = index}); }); }));
  file_.groups[index] = std::move(out);
}

/// An entry of consumer_group_consumers.
void FileReader::membership(View at) {
  std::pair<View, View> out;
  entity(at, required("consumer", "the name of a consumer", [&](View v) { out.first = v; }),
         required("consumer_group", "the name of a consumer group", [&](View v) { out.second = v; }));
  if (out.first && out.second) memberships_.push_back(out);
}

/// What it means is in prepare().
void FileReader::vault(View at) {
  std::string name;
  entity(at, required("name", "env", [&](View v) { text(v, name); }), required("prefix", "a name", [](View) {}),
         ignored("description"), field("config", [&](View v) {
           if (name == "env")
             config::read_mapping(notes_.reader(), v, ignored("prefix"), field("base64_decode", [&](View decodes) {
                                    if (decodes.text() != "false") notes_.unserved(decodes, "false");
                                  }));
         }));
  if (!name.empty() && name != "env") notes_.unserved(at.find("name"), "env: of vaults only the environment is read");
}

void FileReader::credential(View at, Kind kind, Index parent) {
  Credential out;
  out.kind = kind;
  out.at = at;
  out.consumer = parent;
  auto& reader = notes_.reader();
  const auto owner = field("consumer", [&](View v) { out.consumer_at = v; });
  const auto secret = [&](std::string_view name) {
    return required(name, "a value: none is made up here", [&](View v) { text(v, out.secret); });
  };
  reader.hide_values(true);
  switch (kind) {
    case Kind::kKey: entity(at, secret("key"), unserved_field("ttl", "keys that last"), owner); break;
    case Kind::kBasic:
      entity(at, required("username", "a user name", [&](View v) { text(v, out.id); }), secret("password"), owner);
      if (!file_.transform && at.is_mapping())
        notes_.unserved(at.find("password") ? at.find("password") : at,
                        "passwords in clear and _transform: true, as Kong's hash of them is not read");
      break;
    case Kind::kHmac:
      entity(at, required("username", "a user name", [&](View v) { text(v, out.id); }), secret("secret"), owner);
      break;
    case Kind::kJwt:
      entity(at, required("key", "the value of iss", [&](View v) { text(v, out.id); }),
             text_field("secret", out.secret), text_field("rsa_public_key", out.public_key),
             choice("algorithm", out.algorithm,
                    {"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384",
                     "PS512", "EdDSA"}),
             owner);
      if (out.secret.empty() && out.public_key.empty() && at.is_mapping())
        reader.missing(at, "secret", "a secret, or rsa_public_key");
      break;
    case Kind::kGroup:
      reader.hide_values(false);
      entity(at, required("group", "a group", [&](View v) { text(v, out.id); }), owner);
      break;
  }
  reader.hide_values(false);
  file_.credentials.push_back(std::move(out));
}

void FileReader::resolve(View at, Index& out, const Places& places, const char* what) {
  if (!at || at.is_null()) return;
  std::string wanted;
  auto by = at;
  if (at.is_mapping())
    by = at.find("name") ? at.find("name") : at.find("username") ? at.find("username") : at.find("id");
  if (!by) return notes_.error(at, std::string("the name of ") + what);
  text(by, wanted);
  const auto found = places.find(wanted);
  if (found == places.end()) return notes_.error(at, std::string("the name of ") + what + " of this file");
  if (out && *out != found->second)
    return notes_.error(at, std::string("no other than ") + what + " that it stands in");
  out = found->second;
}

void FileReader::resolve_all() {
  const auto places = [](const auto& list, auto&& name) {
    Places out;
    for (std::size_t i = 0; i < list.size(); ++i) {
      out.emplace(name(list[i]), i);
      if (const auto id = list[i].at.find("id")) out.emplace(id.text(), i);
    }
    return out;
  };
  const auto name = [](const auto& one) -> const std::string& { return one.name; };
  const auto services = places(file_.services, name), routes = places(file_.routes, name);
  const auto upstreams = places(file_.upstreams, name);
  const auto consumers =
      places(file_.consumers, [](const Consumer& one) -> const std::string& { return one.called(); });
  const auto groups = places(file_.groups, name);
  const auto certificates = places(file_.certificates, [](const Certificate& one) -> const auto& { return one.id; });
  for (auto& one : snis_) resolve(one.certificate, one.index, certificates, "a certificate");
  for (auto& one : file_.services) resolve(one.client_at, one.client, certificates, "a certificate");
  for (auto& one : file_.upstreams) resolve(one.client_at, one.client, certificates, "a certificate");
  for (auto& one : file_.routes) resolve(one.service_at, one.service, services, "a service");
  for (auto& one : file_.targets) {
    resolve(one.upstream_at, one.upstream, upstreams, "an upstream");
    if (!one.upstream && !one.upstream_at) notes_.reader().missing(one.at, "upstream", "the name of an upstream");
  }
  for (auto& one : file_.credentials) {
    resolve(one.consumer_at, one.consumer, consumers, "a consumer");
    if (!one.consumer && !one.consumer_at) notes_.reader().missing(one.at, "consumer", "the name of a consumer");
  }
  for (auto& one : file_.plugins) {
    resolve(one.service_at, one.service, services, "a service");
    resolve(one.route_at, one.route, routes, "a route");
    resolve(one.consumer_at, one.consumer, consumers, "a consumer");
    resolve(one.group_at, one.group, groups, "a consumer group");
  }
  const auto join = [&](View consumer, Index of, View group, Index into) {
    resolve(consumer, of, consumers, "a consumer");
    resolve(group, into, groups, "a consumer group");
    if (of && into) file_.consumers[*of].groups.insert(*into);
  };
  for (std::size_t i = 0; i < file_.consumers.size(); ++i)
    for (const auto at : file_.consumers[i].groups_at) join({}, i, at, {});
  for (std::size_t i = 0; i < file_.groups.size(); ++i)
    for (const auto at : file_.groups[i].members_at) join(at, {}, {}, i);
  for (const auto& [consumer, group] : memberships_) join(consumer, {}, group, {});
}

/// What may be an object's name stays as it is; others get one that is like them.
void FileReader::name_consumers() {
  Names names;
  for (auto& one : file_.consumers)
    if (config::is_dns_subdomain(one.username) && names.take(one.username)) one.object = one.username;
  for (auto& one : file_.consumers)
    if (one.object.empty()) one.object = names.make("consumer-", one.called());
}

/// No two entities of a kind have one name.
void FileReader::check_names() {
  const auto check = [&](const auto& list, auto&& name, const char* what) {
    std::map<std::string, View> seen;
    for (const auto& one : list)
      if (const auto& text = name(one); !text.empty() && !seen.emplace(text, one.at).second)
        notes_.error(one.at, std::string("a name that no other ") + what + " has: \"" + text + "\" is there already");
  };
  const auto name = [](const auto& one) -> const std::string& { return one.name; };
  check(file_.services, name, "service");
  check(file_.routes, name, "route");
  check(file_.upstreams, name, "upstream");
  check(file_.groups, name, "consumer group");
  check(file_.consumers, [](const Consumer& one) -> const std::string& { return one.username; }, "consumer");
}

void FileReader::all(View root) {
  auto& reader = notes_.reader();
  if (const auto version = root.find("_format_version")) {
    const auto text = version.text();
    if (text != "1.1" && text != "2.1" && text != "3.0") notes_.error(version, "\"1.1\", \"2.1\" or \"3.0\"");
  }
  if (const auto transform = root.find("_transform")) reader.read(transform, file_.transform);
  const auto list = [&](std::string_view name, auto read) {
    return field(name, [&, read](View v) { reader.items(v, read); });
  };
  const auto credentials = [&](const CredentialList& one) {
    return list(one.name, [&, kind = one.kind](View v) { credential(v, kind, std::nullopt); });
  };
  config::read_mapping(
      reader, root, required("_format_version", "\"3.0\"", [](View) {}), ignored("_transform"), ignored("_comment"),
      ignored("_info"), ignored("_ignore"), ignored("_workspace"), ignored("_konnect"), ignored("_plugin_configs"),
      list("services", [&](View v) { service(v); }), list("routes", [&](View v) { route(v, std::nullopt); }),
      list("upstreams", [&](View v) { upstream(v); }), list("targets", [&](View v) { target(v, std::nullopt); }),
      list("consumers", [&](View v) { consumer(v); }),
      list("certificates", [&](View v) { certificate(v, file_.certificates); }),
      list("ca_certificates", [&](View v) { certificate(v, file_.authorities); }),
      list("snis", [&](View v) { sni(v); }), list("plugins", [&](View v) { plugin(v, {}); }),
      credentials(kCredentials[0]), credentials(kCredentials[1]), credentials(kCredentials[2]),
      credentials(kCredentials[3]), credentials(kCredentials[4]), list("vaults", [&](View v) { vault(v); }),
      unserved_field("keys", "no keys"), unserved_field("key_sets", "no key_sets"),
      list("consumer_groups", [&](View v) { consumer_group(v); }),
      list("consumer_group_consumers", [&](View v) { membership(v); }),
      unserved_field("filter_chains", "no filter_chains"));
  check_names();
  name_consumers();
  resolve_all();
  take_certificates();
}

File read_entities(Notes& notes, View root) {
  File file;
  FileReader(notes, file).all(root);
  return file;
}

}  // namespace fairlead::kong
