// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct x509_st;

namespace fairlead::tls {

/// What a peer's certificate says of it. Whether that may be believed: TlsFacts::peer_verified.
struct PeerCertificate {
  std::vector<std::string> uris;  ///< URI SANs, "spiffe://cluster.local/ns/a/sa/b"
  std::vector<std::string> dns;   ///< DNS SANs
  std::string subject;            ///< RFC 2253
  std::string sha256;             ///< of the DER, lower-case hex
  std::string pem;

  /// The first URI SAN, else the first DNS SAN, else the subject.
  [[nodiscard]] std::string_view identity() const;
};

/// Thread: any.
[[nodiscard]] PeerCertificate describe(const x509_st* certificate);

/// Parts of an x-forwarded-client-cert element, besides Hash which always stands there.
struct ForwardedParts {
  bool subject = true;
  bool uri = true;
  bool dns = true;
  bool cert = false;  ///< the PEM, URL-encoded: some 1.5 KiB
};

/// One element of x-forwarded-client-cert in Envoy's format:
/// `By=<uri>;Hash=<hex>;Cert="..";Subject="..";URI=..;DNS=..`. Values with a separator or quote are quoted, quotes
/// escaped with a backslash, bytes that no field value may have (RFC 9110 section 5.5) percent-encoded. `by` is our own
/// URI SAN; left out where empty.
[[nodiscard]] std::string forwarded_client_cert(const PeerCertificate& peer, ForwardedParts parts,
                                                std::string_view by = {});

}  // namespace fairlead::tls
