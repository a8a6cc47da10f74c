// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "fairlead/http/message.hpp"

namespace fairlead::http {

/// A field section as nghttp2 takes it. The texts stay where they are: where `copied` is false they must outlive the
/// frame's way into the output. One with each thread, made anew for each section. Thread: one.
class H2Section {
 public:
  static H2Section& of_thread();

  void response(const ResponseHead& head, bool copied);
  void refusal(std::uint16_t status);
  void request(const RequestHead& head);
  void trailers(const Fields& fields);

  [[nodiscard]] const nghttp2_nv* data() const { return fields_.data(); }
  [[nodiscard]] std::size_t size() const { return fields_.size(); }

 private:
  void begin(bool copied);
  void add(std::string_view name, std::string_view value);
  void add_all(const Fields& fields);
  void add_status(std::uint16_t status);
  void add_length(std::uint64_t length);

  std::vector<nghttp2_nv> fields_;
  std::array<char, 3> status_{};
  std::array<char, 20> length_{};
  std::uint8_t flags_ = 0;
};

}  // namespace fairlead::http
