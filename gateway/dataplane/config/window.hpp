// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::config {

/// A file read from front to back through a buffer that holds little more than the piece in hand: a file of 70 MB
/// must not cost 70 MB. Read rather than mapped, as a mapped file that its writer truncates ends the process (SIGBUS).
/// Owner: Directory. Thread: its.
class Window {
 public:
  /// Only regular files.
  [[nodiscard]] Result<> open(const std::string& path);
  /// The text from the position on: at least `least` bytes, fewer only where the file ends. Valid until the next call.
  [[nodiscard]] std::string_view have(std::size_t least);
  void advance(std::size_t bytes) { begin_ += bytes; }
  /// Nothing follows the text at hand.
  [[nodiscard]] bool at_end() const { return end_of_file_; }
  /// A read failed: what have() gave is not the whole.
  [[nodiscard]] bool failed() const { return failed_; }
  /// Closes the file and gives back what a large piece made the buffer grow to.
  void close();
  /// Gives back the buffer; the next open() makes another.
  void rest() { buffer_ = std::vector<char>(); }  // {} would keep it

 private:
  void fill(std::size_t least);

  Fd file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool end_of_file_ = true;
  bool failed_ = false;
};

}  // namespace fairlead::config
