// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/identity.hpp"

#include <algorithm>
#include <iterator>

#include "identity_names.hpp"
#include "openssl.hpp"

namespace fairlead::tls {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kUpperHex[] = "0123456789ABCDEF";

bool is_control(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return code < 0x20 || code == 0x7f;
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string common_name(const X509* certificate) {
  char text[256];
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
  return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string();
}

void append_percent(std::string& out, char byte) {
  const auto code = static_cast<unsigned char>(byte);
  out += '%';
  out += kUpperHex[code >> 4];
  out += kUpperHex[code & 15];
}

void append_text(std::string& out, std::string_view value) {
  for (const char byte : value) {
    if (is_control(byte) || static_cast<unsigned char>(byte) >= 0x80) {
      append_percent(out, byte);
      continue;
    }
    if (byte == '"' || byte == '\\') out += '\\';
    out += byte;
  }
}

void append_pair(std::string& out, std::string_view key, std::string_view value, bool quoted) {
  if (!out.empty()) out += ';';
  out.append(key) += '=';
  quoted = quoted || value.find_first_of(",;=\"\\ ") != std::string_view::npos;
  if (quoted) out += '"';
  append_text(out, value);
  if (quoted) out += '"';
}

// RFC 3986: everything but unreserved bytes.
void append_url_encoded(std::string& out, std::string_view text) {
  for (const char byte : text) {
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       byte == '-' || byte == '_' || byte == '.' || byte == '~';
    if (plain) {
      out += byte;
    } else {
      append_percent(out, byte);
    }
  }
}

}  // namespace

std::string subject_text(const X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  return bio_text(bio.get());
}

std::vector<std::string> alternative_names(const X509* certificate, int type) {
  std::vector<std::string> found;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != type) continue;
    const auto* text = name->d.ia5;
    std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
    // "good.example\0.evil.example" must not become the good name anywhere.
    if (!value.empty() && std::ranges::none_of(value, is_control)) found.push_back(std::move(value));
  }
  return found;
}

std::vector<std::string> server_names_of(const X509* certificate) {
  auto names = alternative_names(certificate, GEN_DNS);
  if (names.empty() && X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0) {
    if (auto name = common_name(certificate); !name.empty()) names.push_back(std::move(name));
  }
  for (auto& name : names) {
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  }
  return names;
}

std::vector<std::string> names_of(const X509* certificate) {
  auto out = alternative_names(certificate, GEN_URI);
  std::ranges::move(alternative_names(certificate, GEN_DNS), std::back_inserter(out));
  out.push_back(subject_text(certificate));
  if (auto name = common_name(certificate); !name.empty() && std::ranges::none_of(name, is_control))
    out.push_back(std::move(name));
  return out;
}

std::string_view PeerCertificate::identity() const {
  if (!uris.empty()) return uris.front();
  if (!dns.empty()) return dns.front();
  return subject;
}

PeerCertificate describe(const x509_st* certificate) {
  PeerCertificate peer;
  peer.uris = alternative_names(certificate, GEN_URI);
  peer.dns = alternative_names(certificate, GEN_DNS);
  peer.subject = subject_text(certificate);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1) {
    for (unsigned int i = 0; i < size; ++i) {
      peer.sha256 += kHex[digest[i] >> 4];
      peer.sha256 += kHex[digest[i] & 15];
    }
  }
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  peer.pem = bio_text(bio.get());
  return peer;
}

std::string forwarded_client_cert(const PeerCertificate& peer, ForwardedParts parts, std::string_view by) {
  std::string out;
  if (!by.empty()) append_pair(out, "By", by, false);
  append_pair(out, "Hash", peer.sha256, false);
  if (parts.cert) {
    out += ";Cert=\"";
    append_url_encoded(out, peer.pem);
    out += '"';
  }
  if (parts.subject) append_pair(out, "Subject", peer.subject, true);
  if (parts.uri) {
    for (const auto& uri : peer.uris) append_pair(out, "URI", uri, false);
  }
  if (parts.dns) {
    for (const auto& name : peer.dns) append_pair(out, "DNS", name, false);
  }
  return out;
}

}  // namespace fairlead::tls
