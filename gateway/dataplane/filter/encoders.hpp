// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_cache.hpp"

namespace fairlead::filter {

/// Compresses one body. Owner: a body filter; afterwards its pool. Thread: one.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Appends to `out` all that the client needs to read `data`: nothing is held back for what may follow. `end`: the
  /// last piece. False: the library failed.
  virtual bool write(std::string_view data, bool end, std::string& out) = 0;
  /// Ready for another body; false: it cannot be used again.
  virtual bool reset() = 0;
};

/// nullptr: no memory.
[[nodiscard]] std::unique_ptr<Encoder> make_encoder(const model::Compression::One& settings);

/// The encoders of one worker for one policy: some are kept (they are large), and no more than some are in use.
/// Thread: the worker's.
class EncoderPool final : public Local {
 public:
  static constexpr std::size_t kMostInUse = 256;
  static constexpr std::size_t kMostKept = 8;  ///< of each encoding

  /// nullptr: too many are in use, or there is no memory. The body is sent as it is then.
  [[nodiscard]] std::unique_ptr<Encoder> take(const model::Compression::One& settings);
  void give_back(model::Compression::Encoding encoding, std::unique_ptr<Encoder> encoder);
  [[nodiscard]] std::size_t in_use() const { return in_use_; }

 private:
  std::vector<std::unique_ptr<Encoder>> kept_[3];
  std::size_t in_use_ = 0;
};

}  // namespace fairlead::filter
