// SPDX-License-Identifier: Apache-2.0
#include "fairlead/tls/ktls.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "fairlead/base/error.hpp"
#include "fairlead/base/fd.hpp"

namespace fairlead::tls {
namespace {

// Both ends of a loopback connection; the kernel takes an upper layer protocol on established sockets only.
struct Pair {
  Fd listener, client;
};

bool connect_pair(Pair& pair) {
  pair.listener.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  pair.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  return ::bind(pair.listener.get(), generic, length) == 0 && ::listen(pair.listener.get(), 1) == 0 &&
         ::getsockname(pair.listener.get(), generic, &length) == 0 &&
         ::connect(pair.client.get(), generic, length) == 0;
}

KtlsSupport& decided() {
  static KtlsSupport support{false, "not asked for"};
  return support;
}

}  // namespace

void use_ktls(KtlsSupport support) { decided() = std::move(support); }
const KtlsSupport& ktls() { return decided(); }

KtlsSupport probe_ktls() {
#ifdef OPENSSL_NO_KTLS
  return {false, "OpenSSL was built without kernel TLS"};
#else
  Pair pair;
  if (!connect_pair(pair)) return {false, system_error("connecting over loopback", errno).message};
  if (::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0) return {true, {}};
  if (errno == ENOENT) return {false, "the kernel has no TLS sockets (CONFIG_TLS, module tls)"};
  return {false, system_error("setsockopt TCP_ULP tls", errno).message};
#endif
}

}  // namespace fairlead::tls
