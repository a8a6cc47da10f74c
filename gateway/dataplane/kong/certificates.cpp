// SPDX-License-Identifier: Apache-2.0
// Certificates and the names that they are for. Which one is shown follows from the names in it, so that what snis say
// beyond these is not served.
#include <algorithm>

#include "fairlead/tls/certificate.hpp"
#include "gateway/dataplane/kong/read.hpp"

namespace fairlead::kong {

using config::field;
using config::required;

namespace {

/// "a.example" and "*.example" are names that "*.example" has.
bool has_name(const std::vector<std::string>& names, const std::string& wanted) {
  const auto dot = wanted.find('.');
  return std::ranges::any_of(names, [&](const std::string& name) {
    return name == wanted ||
           (name.starts_with("*.") && dot != std::string::npos && wanted.substr(dot) == name.substr(1));
  });
}

}  // namespace

/// Of a server (with a key), or of authorities.
void FileReader::certificate(View at, std::vector<Certificate>& out) {
  const bool server = &out == &file_.certificates;
  Certificate one;
  one.at = at;
  if (const auto id = at.find("id")) text(id, one.id);
  auto& reader = notes_.reader();
  reader.hide_values(true);
  entity(at, required("cert", "a certificate in PEM", [&](View v) { text(v, one.cert); }), text_field("key", one.key),
         ignored("cert_digest"),
         field("snis",
               [&](View v) {
                 reader.items(v, [&](View item) {
                   const auto name = item.is_mapping() ? item.find("name") : item;
                   if (!name) reader.missing(item, "name", "a host name");
                   else text(name, one.names.emplace_back(std::string(), name).first);
                 });
               }),
         unserved_field("cert_alt", "a certificate of its own in place of cert_alt"),
         unserved_field("key_alt", "a certificate of its own in place of key_alt"));
  reader.hide_values(false);
  if (server && one.key.empty() && at.is_mapping()) reader.missing(at, "key", "a private key in PEM");
  out.push_back(std::move(one));
}

/// An entry of snis.
void FileReader::sni(View at) {
  Sni out;
  entity(at, required("name", "a host name", [&](View v) { out.name = v; }),
         required("certificate", "the id of a certificate", [&](View v) { out.certificate = v; }));
  if (out.name && out.certificate) snis_.push_back(out);
}

void FileReader::take_certificates() {
  for (const auto& sni : snis_)
    if (sni.index) text(sni.name, file_.certificates[*sni.index].names.emplace_back(std::string(), sni.name).first);
  for (std::size_t i = 0; i < file_.certificates.size(); ++i) {
    auto& one = file_.certificates[i];
    one.object = "certificate-" + std::to_string(i);
    if (one.names.empty()) continue;
    const auto loaded = tls::Certificate::load(
        {.name = {}, .chain_pem = one.cert, .key_pem = one.key, .ocsp_der = {}, .accept_expired = true});
    if (!loaded) continue;  // said where it is read
    for (const auto& [name, at] : one.names)
      if (name != "*" && !has_name((*loaded)->dns_names(), config::lower(name)))
        notes_.unserved(at, "a name that the certificate has, as it is shown to those who ask for one of these");
  }
}

}  // namespace fairlead::kong
