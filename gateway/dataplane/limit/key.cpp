// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/key.hpp"

#include <openssl/evp.h>
#include <sys/random.h>

#include <bit>
#include <cstdlib>

namespace fairlead::limit {
namespace {

std::array<std::uint64_t, 2> make_secret() {
  std::array<std::uint64_t, 2> out{};
  if (getrandom(out.data(), sizeof out, 0) != sizeof out) std::abort();  // cannot be: 16 bytes, flags 0
  return out;
}

HashSecret& process_secret() {
  static HashSecret secret = make_secret();
  return secret;
}

struct SipState {
  std::uint64_t v0, v1, v2, v3;
  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

std::uint64_t siphash24(const std::array<std::uint64_t, 2>& secret, std::string_view data) {
  SipState s{.v0 = secret[0] ^ 0x736f6d6570736575,
             .v1 = secret[1] ^ 0x646f72616e646f6d,
             .v2 = secret[0] ^ 0x6c7967656e657261,
             .v3 = secret[1] ^ 0x7465646279746573};
  const auto size = data.size();
  while (data.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), 8);  // little-endian, as all machines that this runs on
    s.take(word);
    data.remove_prefix(8);
  }
  std::uint64_t last = std::uint64_t{size & 0xff} << 56;
  for (std::size_t i = 0; i < data.size(); ++i) last |= std::uint64_t{static_cast<unsigned char>(data[i])} << (8 * i);
  s.take(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

const HashSecret& hash_secret() { return process_secret(); }
void set_hash_secret(const HashSecret& secret) { process_secret() = secret; }

std::uint64_t keyed_hash(std::string_view key) {
  const auto hash = siphash24(process_secret(), key);
  return hash == 0 ? 1 : hash;
}

std::string_view KeyText::text() { return long_.empty() ? std::string_view{short_, size_} : std::string_view{long_}; }

Address masked(const Address& address, unsigned v4_prefix, unsigned v6_prefix) {
  fl_addr raw = address.raw();
  unsigned char bytes[16];
  static_assert(sizeof raw == sizeof bytes);
  std::memcpy(bytes, &raw, sizeof bytes);
  const unsigned prefix = address.is_v4() ? 96 + v4_prefix : v6_prefix;
  for (unsigned bit = prefix; bit < 128; ++bit) bytes[bit / 8] &= static_cast<unsigned char>(~(0x80U >> (bit % 8)));
  std::memcpy(&raw, bytes, sizeof bytes);
  return Address(raw);
}

void shared_key(std::string_view text, std::string& out) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  static constexpr char kHex[] = "0123456789abcdef";
  out.clear();
  for (unsigned i = 0; i < 16; ++i) {  // 128 bits: nobody finds two of a kind in 2^64 tries
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
}

}  // namespace fairlead::limit
