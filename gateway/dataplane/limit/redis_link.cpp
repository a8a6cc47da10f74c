// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/redis_link.hpp"

#include <sys/uio.h>

#include <system_error>
#include <utility>

#include "fairlead/net/socket_address.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/tls/tls_stream.hpp"

namespace fairlead::limit {
namespace {

constexpr std::size_t kRead = 16 * 1024;
const net::ConnectOptions kOptions{.source = {}, .keep_alive = {.idle_s = 30}};

}  // namespace

RedisLink::~RedisLink() { close(); }

bool RedisLink::connect(const net::Endpoint& to, const RedisConfig& config) {
  const net::SocketAddress address(to);
  auto tcp = net::TcpStream::connect(reactor_, address, kOptions);
  if (!tcp) return false;
  if (config.tls == nullptr) {
    stream_ = std::move(*tcp);
    stream_->set_handler(this);
    return true;
  }
  auto tls = tls::TlsStream::connect(std::move(*tcp), config.tls, address.text());
  if (!tls) return false;
  auto* raw = tls->get();
  stream_ = std::move(*tls);
  stream_->set_handler(this);
  raw->start();
  return stream_ != nullptr;
}

void RedisLink::close() {
  owner_ = nullptr;
  if (deferred()) reactor_.forget(*this);
  if (stream_) stream_->close(false);
  stream_.reset();
}

void RedisLink::sent() {
  if (!deferred()) reactor_.defer(*this);
}

void RedisLink::on_turn_end() { flush(); }

void RedisLink::flush() {
  while (stream_ && open_ && out_at_ < out_.size()) {
    const iovec piece{out_.data() + out_at_, out_.size() - out_at_};
    const auto wrote = stream_->write({&piece, 1});
    if (wrote.status == net::IoStatus::kAgain) return;
    if (wrote.status != net::IoStatus::kOk) return lose("writing failed");
    out_at_ += wrote.bytes;
  }
  if (out_at_ < out_.size()) return;
  out_.clear();
  out_at_ = 0;
}

void RedisLink::on_writable() {
  if (!open_) {
    open_ = true;
    if (owner_ != nullptr) owner_->on_link_open();
  }
  flush();
}

void RedisLink::on_failed(int error, std::string_view what) {
  lose(what.empty() ? std::generic_category().message(error) : std::string(what));
}

void RedisLink::on_readable() {
  while (stream_) {
    const auto size = in_.size();
    in_.resize(size + kRead);
    const auto got = stream_->read({in_.data() + size, kRead});
    in_.resize(size + (got.status == net::IoStatus::kOk ? got.bytes : 0));
    if (got.status == net::IoStatus::kAgain) return;
    if (got.status != net::IoStatus::kOk) return lose("the connection was closed");
    read_replies();
  }
}

void RedisLink::read_replies() {
  std::size_t at = 0;
  while (owner_ != nullptr && at < in_.size()) {
    std::size_t used = 0;
    const auto status = parse_resp(std::string_view(in_).substr(at), used, values_);
    if (status == RespStatus::kBroken) return lose("what came is not Redis' protocol");
    if (status == RespStatus::kMore) break;
    at += used;
    owner_->on_link_reply(values_);  // may close this link; it is destroyed at the end of the turn
  }
  in_.erase(0, at);
  if (in_.empty() && in_.capacity() > 4 * kRead) in_.shrink_to_fit();
}

void RedisLink::lose(std::string_view why) {
  auto* owner = std::exchange(owner_, nullptr);
  close();
  if (owner != nullptr) owner->on_link_lost(why);
}

}  // namespace fairlead::limit
