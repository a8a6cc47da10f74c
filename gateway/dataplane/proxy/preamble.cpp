// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/proxy/preamble.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "fairlead/net/proxy_protocol.hpp"

namespace fairlead::proxy {
namespace {

bool has_ended(int fd) {
  pollfd one{.fd = fd, .events = POLLRDHUP, .revents = 0};
  return ::poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace

Preamble::Preamble(net::ChunkPool& chunks, std::unique_ptr<net::TcpStream> stream, bool proxy, bool hello,
                   PreambleOwner& owner)
    : chunks_(chunks), stream_(std::move(stream)), owner_(owner), wants_proxy_(proxy), wants_hello_(hello) {
  stream_->set_handler(this);
}

void Preamble::close() {
  if (stream_ == nullptr) return;
  stream_->set_handler(nullptr);
  stream_->close(true);
}

void Preamble::refuse(StreamRefusal why) {
  close();
  owner_.on_preamble_failed(why);
}

void Preamble::on_failed(int, std::string_view) { refuse(StreamRefusal::kTruncated); }

void Preamble::on_readable() {
  if (wants_proxy_ && !take_header()) return;
  if (wants_hello_ && !look_at_hello()) return;
  stream_->set_handler(nullptr);
  owner_.on_preamble(std::move(stream_), hello_);
}

/// What the kernel has; empty: nothing, or the connection was refused.
std::string_view Preamble::look() {
  const auto into = chunks_.scratch();
  const auto got = ::recv(stream_->fd(), into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return {into.data(), static_cast<std::size_t>(got)};
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) refuse(StreamRefusal::kTruncated);
  return {};
}

/// True: it was there, and is gone from the stream.
bool Preamble::take_header() {
  const auto bytes = look();
  if (bytes.empty()) return false;
  net::ProxyHeader header;
  const auto parsed = net::parse_proxy(bytes, {}, header);
  if (parsed.state == net::ProxyState::kInvalid) return refuse(StreamRefusal::kProxyHeader), false;
  if (parsed.state == net::ProxyState::kNeedMore) {
    if (has_ended(stream_->fd())) refuse(StreamRefusal::kTruncated);
    return false;
  }
  if (header.has_endpoints) {
    stream_->peer = header.source;
    stream_->local = header.destination;
  }
  const auto taken = stream_->read(chunks_.scratch().first(header.length));
  if (taken.bytes != header.length) return refuse(StreamRefusal::kTruncated), false;
  wants_proxy_ = false;
  return true;
}

bool Preamble::look_at_hello() {
  const auto bytes = look();
  if (bytes.empty()) return false;
  switch (tls::peek_client_hello({bytes.data(), bytes.size()}, hello_)) {
    case tls::Peek::kFound: return true;
    case tls::Peek::kNeedMore:
      if (has_ended(stream_->fd())) refuse(StreamRefusal::kTruncated);
      return false;
    case tls::Peek::kNotTls:
    case tls::Peek::kTooLarge:
    case tls::Peek::kMalformed:
    case tls::Peek::kUnexpected:
    case tls::Peek::kOverflow: break;
  }
  refuse(StreamRefusal::kNotTls);
  return false;
}

}  // namespace fairlead::proxy
