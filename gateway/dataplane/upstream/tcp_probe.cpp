// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>

#include "fairlead/net/proxy_protocol.hpp"
#include "fairlead/net/tcp_stream.hpp"
#include "fairlead/upstream/probers.hpp"
#include "gateway/dataplane/upstream/probes.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::size_t kMostAnswer = 4096;  // bytes in which `expect` has to come

class TcpProbe final : public Probe, public net::StreamHandler {
 public:
  TcpProbe(const HealthCheckSpec& check, ProbeListener& listener) : listener_(listener), expect_(check.expect) {
    net::ProxyHeader local;
    local.local = true;
    if (check.proxy_protocol != 0) net::write_proxy(check.proxy_protocol, local, unsent_);
    unsent_ += check.send;
  }

  Result<> connect(event::Reactor& reactor, const net::Endpoint& to) {
    FL_TRY(stream_, net::TcpStream::connect(reactor, net::SocketAddress(to)));
    stream_->set_handler(this);
    return {};
  }

  void on_writable() override {
    connected_ = true;
    while (!unsent_.empty()) {
      const iovec part{unsent_.data(), unsent_.size()};
      const auto result = stream_->write({&part, 1});
      if (result.status == net::IoStatus::kAgain) return;
      if (result.status != net::IoStatus::kOk) return tell(ProbeEnd::kConnect, "closed while the check was sent");
      unsent_.erase(0, result.bytes);
    }
    if (expect_.empty()) return tell(ProbeEnd::kSuccess, "");
  }

  void on_readable() override {
    if (!connected_) return;
    std::array<char, 1024> data;
    for (;;) {
      const auto result = stream_->read(data);
      if (result.status == net::IoStatus::kAgain) return;
      if (result.status != net::IoStatus::kOk) return tell(ProbeEnd::kConnect, "closed before the expected bytes");
      received_.append(data.data(), result.bytes);
      if (received_.find(expect_) != std::string::npos) return tell(ProbeEnd::kSuccess, "");
      if (received_.size() >= kMostAnswer) return tell(ProbeEnd::kAnswer, "answered without the expected bytes");
    }
  }

  void on_failed(int, std::string_view what) override { tell(ProbeEnd::kConnect, what); }

 private:
  void tell(ProbeEnd end, std::string_view why) {
    if (!std::exchange(told_, true)) listener_.on_probe(end, why);
  }

  ProbeListener& listener_;
  std::string unsent_;
  std::string expect_;
  std::string received_;
  std::unique_ptr<net::TcpStream> stream_;
  bool connected_ = false;
  bool told_ = false;
};

}  // namespace

Result<std::unique_ptr<Probe>> start_tcp_probe(event::Reactor& reactor, const EndpointSpec& endpoint,
                                               const HealthCheckSpec& check, ProbeListener& listener) {
  if (check.tls) return fail("health check: a TCP check over TLS is not supported");
  auto probe = std::make_unique<TcpProbe>(check, listener);
  FL_CHECK(probe->connect(reactor, probed_endpoint(endpoint, check).address));
  return probe;
}

Result<std::unique_ptr<Probe>> NetworkProber::start(const EndpointSpec& endpoint, const HealthCheckSpec& check,
                                                    const std::shared_ptr<const void>& tls, ProbeListener& listener) {
  switch (check.kind) {
    case Check::kHttp: return start_http_probe(factory_, endpoint, check, tls, listener);
    case Check::kGrpc: return start_grpc_probe(factory_, endpoint, check, tls, listener);
    case Check::kTcp: return start_tcp_probe(reactor_, endpoint, check, listener);
  }
  return fail("health check: unknown kind");
}

}  // namespace fairlead::upstream
