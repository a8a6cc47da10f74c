// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "openssl.hpp"

namespace fairlead::tls {

/// Subject as RFC 2253 writes it: "CN=a,O=b".
std::string subject_text(const X509* certificate);
/// Names of the subjectAltName of one type (GEN_DNS, GEN_URI), as they stand; those with a NUL or control bytes are
/// left out.
std::vector<std::string> alternative_names(const X509* certificate, int type);
/// DNS names in lower case; the common name where there is no subjectAltName at all.
std::vector<std::string> server_names_of(const X509* certificate);

/// URIs, DNS names, the subject, its common name where it has one.
std::vector<std::string> names_of(const X509* certificate);

}  // namespace fairlead::tls
