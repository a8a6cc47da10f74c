// SPDX-License-Identifier: Apache-2.0
#include "fairlead/limit/sentinel.hpp"

#include <charconv>
#include <utility>

namespace fairlead::limit {
namespace {

/// ["10.0.0.1", "6379"]
std::optional<net::Endpoint> endpoint_of(std::span<const RespValue> reply) {
  using Type = RespValue::Type;
  if (reply.size() != 3 || reply[0].type != Type::kArray || reply[1].type != Type::kText ||
      reply[2].type != Type::kText)
    return std::nullopt;
  const auto address = Address::parse(reply[1].text);
  net::Endpoint out;
  const auto text = reply[2].text;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), out.port);
  if (!address || error != std::errc{} || at != text.data() + text.size() || out.port == 0) return std::nullopt;
  out.address = *address;
  return out;
}

}  // namespace

Sentinel::~Sentinel() { stop(); }

void Sentinel::ask() {
  asking_ = true;
  addresses_ = config_->now();
  left_ = addresses_->size();
  if (at_ >= left_) at_ = 0;
  next();
}

void Sentinel::stop() {
  asking_ = false;
  close();
}

void Sentinel::close() {
  query_.reset();
  reactor_.timers().cancel(*this);
  if (!link_) return;
  link_->close();
  reactor_.retire(std::move(link_));
}

void Sentinel::finish(std::optional<net::Endpoint> where) {
  stop();
  found_(where);
}

void Sentinel::next() {
  close();
  if (left_ == 0) return finish(std::nullopt);
  const auto where = split_host_port((*addresses_)[at_]);
  reactor_.timers().arm(*this, reactor_.now_ms() + kTryMs);
  if (!where) return connect(std::nullopt);
  if (const auto address = Address::parse(where->host)) return connect(net::Endpoint{*address, where->port});
  if (names_ != nullptr)
    query_ = names_->look_up(where->host, [this, port = where->port](std::optional<Address> found) {
      const auto done = std::move(query_);  // may be what calls
      connect(found ? std::optional(net::Endpoint{*found, port}) : std::nullopt);
    });
  if (query_ == nullptr) connect(std::nullopt);
}

void Sentinel::connect(std::optional<net::Endpoint> where) {
  if (where) {
    LinkOwner& owner = *this;
    link_ = std::make_unique<RedisLink>(reactor_, owner);
    auto* link = link_.get();
    if (link->connect(*where, *config_) || link_.get() != link) return;
  }
  on_link_lost({});
}

void Sentinel::on_link_open() {
  greeting_ = !config_->sentinel_password.empty();
  if (greeting_) append_auth(link_->out(), config_->sentinel_username, config_->sentinel_password);
  append_command(link_->out(), 3);
  append_argument(link_->out(), "SENTINEL");
  append_argument(link_->out(), "get-master-addr-by-name");
  append_argument(link_->out(), config_->sentinel_master);
  link_->sent();
}

void Sentinel::on_link_reply(std::span<const RespValue> reply) {
  if (std::exchange(greeting_, false) && reply[0].type != RespValue::Type::kError) return;
  if (const auto where = endpoint_of(reply)) return finish(where);
  on_link_lost({});
}

void Sentinel::on_link_lost(std::string_view) {
  if (!asking_) return;
  at_ = (at_ + 1) % addresses_->size();
  --left_;
  next();
}

void Sentinel::on_timer() { on_link_lost({}); }

}  // namespace fairlead::limit
