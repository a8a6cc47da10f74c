// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace fairlead::tls {

/// Whether the kernel and the library can seal records in the kernel, and why not.
struct KtlsSupport {
  bool available = false;
  std::string why;  ///< "the kernel has no TLS sockets (CONFIG_TLS, module tls)"; empty where available
};

/// Tries it on a loopback connection of its own; nothing remains. Without it everything works, in user space.
/// Thread: any; for start-up, it opens sockets.
[[nodiscard]] KtlsSupport probe_ktls();

/// What a program has found, or has been told, for all contexts that it makes from then on. Before any thread starts;
/// without it there is none.
void use_ktls(KtlsSupport support);
[[nodiscard]] const KtlsSupport& ktls();

}  // namespace fairlead::tls
