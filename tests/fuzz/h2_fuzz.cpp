// SPDX-License-Identifier: Apache-2.0
// A server session that reads what a client might send behind a good preface. The first byte chooses: bytes as they
// are, or a sequence of frames with a good form each, and in how large pieces they come.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "unit/http/h2_echo.hpp"
#include "unit/http/h2_frames.hpp"

namespace {

using namespace fairlead;

/// A stream in memory: gives pieces, takes everything, ends when it is told to.
class Memory final : public net::Stream {
 public:
  Memory(std::string bytes, std::size_t piece, Memory*& self) : bytes_(std::move(bytes)), piece_(piece), self_(self) {
    self_ = this;
  }
  ~Memory() override { self_ = nullptr; }
  void end() {
    ended_ = true;
    if (handler_ != nullptr) handler_->on_readable();
  }
  net::IoResult read(std::span<char> into) override {
    if (at_ == bytes_.size()) return {ended_ ? net::IoStatus::kEnd : net::IoStatus::kAgain, 0, 0};
    const std::size_t part = std::min({into.size(), piece_, bytes_.size() - at_});
    bytes_.copy(into.data(), part, at_);
    at_ += part;
    return {net::IoStatus::kOk, part, 0};
  }
  net::IoResult write(std::span<const iovec> from) override {
    std::size_t all = 0;
    for (const auto& piece : from) all += piece.iov_len;
    return {net::IoStatus::kOk, all, 0};
  }
  void shutdown_write() override {}
  void close(bool) override {}
  int fd() const override { return -1; }
  bool is_raw() const override { return false; }

 private:
  std::string bytes_;
  std::size_t piece_;
  Memory*& self_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

/// Frames whose types, streams and payloads the input chooses, so that most of them get past the frame layer.
std::string frames_of(std::string_view input) {
  namespace f = http::frames;
  std::string all = f::settings();
  std::uint32_t next = 1;
  const f::List get = f::get("/x");
  const auto take = [&] {
    if (input.empty()) return std::uint8_t{0};
    const auto byte = static_cast<std::uint8_t>(input.front());
    input.remove_prefix(1);
    return byte;
  };
  while (!input.empty()) {
    const std::uint8_t kind = take(), flags = take();
    const std::uint32_t id = next > 1 && (flags & 0x40) != 0 ? next - 2 : flags % 16;
    const auto payload = input.substr(0, std::min<std::size_t>(take(), input.size()));
    if (kind % 4 == 0) {
      all += f::headers(next, get, (flags & 1) != 0);
      next += 2;
    } else if (kind % 4 == 1) {
      const f::List list = f::with(get, {{payload.substr(0, payload.size() / 2), payload.substr(payload.size() / 2)}});
      all += f::headers(next, list, (flags & 1) != 0);
      next += 2;
    } else {
      all += f::frame(kind / 4 % 11, flags, id, payload);
    }
    input.remove_prefix(std::min<std::size_t>(payload.size(), input.size()));
  }
  return all;
}

struct World {
  std::unique_ptr<event::Reactor> reactor = std::move(*event::Reactor::create());
  net::MemoryBudget budget;
  net::ChunkPool pool{budget};
  http::H2Limits limits;
  http::H2Counters counters;

  void turn() {
    reactor->post([this] { reactor->stop(); });
    reactor->run();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  world.limits.allow_connect = true;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = (data[0] & 2) != 0 ? 1 + data[0] / 4 : 65536;
  std::string bytes(http::kH2Preface);
  bytes += (data[0] & 1) != 0 ? frames_of(input) : std::string(input);
  Memory* stream = nullptr;
  http::EchoConnection::serve({*world.reactor, world.pool, world.limits, world.counters},
                              std::make_unique<Memory>(std::move(bytes), piece, stream));
  world.turn();
  if (stream != nullptr) stream->end();
  world.turn();
  if (world.counters.open != 0 || world.counters.memory != 0 || world.budget.used() != 0) std::abort();
  return 0;
}
