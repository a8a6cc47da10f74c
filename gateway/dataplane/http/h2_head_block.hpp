// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fairlead/http/h2_limits.hpp"
#include "fairlead/http/message.hpp"

namespace fairlead::http {

/// What is wrong with a field section.
enum class H2Fault : std::uint8_t {
  kNone,
  kMalformed,      ///< RFC 9113 8.1.1: a stream error
  kTargetTooLong,  ///< 414
  kTooLarge,       ///< 431
  kExpectation,    ///< 417
  kConnect,        ///< 501: CONNECT, or a protocol, that is not allowed
};

/// One field section while it is decoded, and the head made of it. Names and values stay in nghttp2's counted buffers,
/// so nothing is copied. A connection decodes one section at a time and mostly within one read, so a few of these serve
/// a worker: take() and give() keep them with the thread. Owner: an H2Connection between take() and give(). Thread:
/// one.
class H2HeadBlock {
 public:
  static std::unique_ptr<H2HeadBlock> take();
  static void give(std::unique_ptr<H2HeadBlock> block);

  H2HeadBlock() = default;
  H2HeadBlock(const H2HeadBlock&) = delete;
  H2HeadBlock& operator=(const H2HeadBlock&) = delete;
  ~H2HeadBlock() { clear(); }

  void add(nghttp2_rcbuf* name, nghttp2_rcbuf* value, const H2Limits& limits);
  [[nodiscard]] bool too_large() const { return too_large_; }
  [[nodiscard]] std::uint64_t list_bytes() const { return list_bytes_; }  ///< RFC 9113 6.5.2; of what was dropped too

  /// RFC 9113 8.3.1. `end`: END_STREAM was on it. `why` gets the text of a fault.
  H2Fault request(bool end, const H2Limits& limits, RequestHead& head, const char*& why);
  /// RFC 9113 8.3.2; of the body: see H2Expected.
  H2Fault response(ResponseHead& head, const char*& why);
  /// RFC 9113 8.1: no pseudo-header fields; in those of a request nothing that frames or routes, which a response's are
  /// given without.
  H2Fault request_trailers(Fields& fields, const char*& why);
  H2Fault response_trailers(Fields& fields, const char*& why);

  RequestHead request_head;  ///< room that is used again
  ResponseHead response_head;
  Fields trailer_fields;

 private:
  struct Raw {
    nghttp2_rcbuf* name;
    nghttp2_rcbuf* value;
  };
  struct Pseudo;
  struct Special;

  void clear();
  H2Fault trailers(Fields& fields, const char*& why) const;
  const char* take_request_field(const Raw& raw, Special& special, RequestHead& head);
  std::string_view joined_cookie(std::string_view crumb);

  std::vector<Raw> raw_;
  std::string cookies_;  // crumbs joined, RFC 9113 8.2.3
  std::uint64_t list_bytes_ = 0;
  bool too_large_ = false;
};

}  // namespace fairlead::http
