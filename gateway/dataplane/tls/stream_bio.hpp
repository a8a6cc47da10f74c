// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/tls/tls_stream.hpp"
#include "openssl.hpp"

namespace fairlead::tls {

/// What OpenSSL reads from and writes to: a TlsStream's TCP, with the bytes that were received before the handshake in
/// front, and with what is held back. TcpStream knows when the kernel has nothing, so OpenSSL's last read of a turn
/// costs no system call.
struct StreamBio {
  static BIO* create(TlsStream& stream);

 private:
  static const BIO_METHOD* method();
  static int read(BIO* bio, char* out, int size);
  static bool receive(BIO* bio, TlsStream& stream);
  static int write(BIO* bio, const char* data, int size);
  static int write_with_held(TlsStream& stream, const char* data, std::size_t size);
  static int read_kernel(BIO* bio, TlsStream& stream, char* out, int size);
  static int write_kernel(BIO* bio, TlsStream& stream, const char* data, int size);
  static long control(BIO* bio, int command, long number, void* pointer);
};

}  // namespace fairlead::tls
