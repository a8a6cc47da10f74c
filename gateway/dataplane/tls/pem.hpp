// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string_view>
#include <vector>

#include "fairlead/base/result.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

/// Every CERTIFICATE block of `pem`, at least one. Messages do not name the source: callers add it.
Result<std::vector<X509Ptr>> parse_certificates(std::string_view pem);
/// Every X509 CRL block of `pem`, at least one.
Result<std::vector<CrlPtr>> parse_crls(std::string_view pem);
/// The first private key of `pem`.
Result<KeyPtr> parse_private_key(std::string_view pem);

/// "2026-11-28 12:00:00 UTC".
std::string time_text(const ASN1_TIME* time);
std::time_t to_time(const ASN1_TIME* time);

}  // namespace fairlead::tls
