// SPDX-License-Identifier: Apache-2.0
// HTTP and gRPC probes: one exchange on a session of its own.
#include <algorithm>
#include <string>

#include "fairlead/upstream/backend.hpp"
#include "fairlead/upstream/probers.hpp"
#include "gateway/dataplane/upstream/probes.hpp"

namespace fairlead::upstream {

namespace {

constexpr std::size_t kMostBody = 1024;  // bytes kept of an answer; a HealthCheckResponse has 7

/// What HTTP and gRPC have in common: connect, one request, tell once.
class SessionProbe : public Probe, public http::ClientSessionOwner, public http::ClientHandler {
 public:
  SessionProbe(const EndpointSpec& endpoint, const HealthCheckSpec& check, ProbeListener& listener)
      : endpoint_(endpoint), check_(check), listener_(listener) {}
  ~SessionProbe() override {
    told_ = true;
    if (session_) session_->close();
  }

  Result<> connect(SessionFactory& factory, Protocol protocol, const std::shared_ptr<const void>& tls) {
    ClusterSpec cluster;
    cluster.pool.protocol = protocol;
    cluster.pool.proxy_protocol = check_.proxy_protocol;
    if (check_.tls) cluster.tls = tls;
    if (check_.tls && !tls) return fail("health check: TLS is asked for, and the cluster has no TLS context");
    FL_TRY(session_, factory.connect(cluster, endpoint_, nullptr, *this));
    return {};
  }

  void on_ready() override {
    if (told_) return;
    auto* stream = session_->open(*this);
    if (stream == nullptr) return tell(ProbeEnd::kConnect, "the connection takes no request");
    ask(*stream);
  }
  void on_capacity() override {}
  void on_draining() override {}
  void on_closed(int, std::string_view why) override {
    tell(ProbeEnd::kConnect, why.empty() ? "connection closed" : why);
  }

  void on_informational(http::ResponseHead&) override {}
  void on_body(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_writable() override {}
  void on_reset(http::Reset) override { tell(ProbeEnd::kConnect, "connection closed before the answer"); }
  void on_done() override {}

 protected:
  virtual void ask(http::ClientStream& stream) = 0;

  void tell(ProbeEnd end, std::string_view why) {
    if (std::exchange(told_, true)) return;
    listener_.on_probe(end, why);
  }
  [[nodiscard]] http::RequestHead head() {
    if (authority_.empty())
      authority_ = !check_.host.empty()          ? check_.host
                   : !endpoint_.hostname.empty() ? endpoint_.hostname
                                                 : endpoint_name(endpoint_.address);
    http::RequestHead head;
    head.scheme = check_.tls ? "https" : "http";
    head.authority = authority_;
    head.fields.push_back({"user-agent", "fairlead-health"});
    return head;
  }

  EndpointSpec endpoint_;
  HealthCheckSpec check_;

 private:
  ProbeListener& listener_;
  std::unique_ptr<http::ClientSession> session_;
  std::string authority_;
  bool told_ = false;
};

class HttpProbe final : public SessionProbe {
 public:
  using SessionProbe::SessionProbe;
  void on_head(http::ResponseHead& head, bool) override {
    const auto within = [&](const StatusRange& range) {
      return head.status >= range.first && head.status <= range.last;
    };
    const bool good = check_.expected.empty() ? within({}) : std::ranges::any_of(check_.expected, within);
    const bool bad = check_.failing.empty() || std::ranges::any_of(check_.failing, within);
    tell(good  ? ProbeEnd::kSuccess
         : bad ? ProbeEnd::kAnswer
               : ProbeEnd::kUnclear,
         "status " + std::to_string(head.status));
  }

 private:
  void ask(http::ClientStream& stream) override {
    auto request = head();
    request.method_text = check_.method;
    request.method = http::method_of(check_.method);
    request.target = check_.path;
    stream.send_head(request, true);
  }
};

class GrpcProbe final : public SessionProbe {
 public:
  using SessionProbe::SessionProbe;
  void on_head(http::ResponseHead& head, bool end) override {
    if (head.status != 200) return tell(ProbeEnd::kAnswer, "status " + std::to_string(head.status));
    if (end) judge(head.fields);
  }
  void on_body(std::string_view data, bool end) override {
    body_.append(data.substr(0, kMostBody - std::min(body_.size(), kMostBody)));
    if (end) tell(ProbeEnd::kAnswer, "the answer has no grpc-status");
  }
  void on_trailers(http::Fields& trailers) override { judge(trailers); }

 private:
  void ask(http::ClientStream& stream) override {
    auto request = head();
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.target = "/grpc.health.v1.Health/Check";
    request.body = http::Body::kStream;
    request.accepts_trailers = true;
    request.fields.push_back({"content-type", "application/grpc"});
    stream.send_head(request, false);
    stream.send_body(grpc_health_request(check_.grpc_service), true);
  }
  void judge(const http::Fields& fields) {
    const auto* status = http::find(fields, "grpc-status");
    if (status == nullptr) return tell(ProbeEnd::kAnswer, "the answer has no grpc-status");
    if (status->value != "0") return tell(ProbeEnd::kAnswer, "grpc-status " + std::string(status->value));
    const bool serving = grpc_is_serving(body_);
    tell(serving ? ProbeEnd::kSuccess : ProbeEnd::kAnswer, serving ? "" : "not serving");
  }

  std::string body_;
};

template <class Kind>
Result<std::unique_ptr<Probe>> start_on_session(SessionFactory& factory, const EndpointSpec& endpoint,
                                                const HealthCheckSpec& check, Protocol protocol,
                                                const std::shared_ptr<const void>& tls, ProbeListener& listener) {
  auto probe = std::make_unique<Kind>(probed_endpoint(endpoint, check), check, listener);
  FL_CHECK(probe->connect(factory, protocol, tls));
  return probe;
}

}  // namespace

Result<std::unique_ptr<Probe>> start_http_probe(SessionFactory& factory, const EndpointSpec& endpoint,
                                                const HealthCheckSpec& check, const std::shared_ptr<const void>& tls,
                                                ProbeListener& listener) {
  const auto protocol = check.tls ? Protocol::kAuto : check.http2 ? Protocol::kHttp2 : Protocol::kHttp1;
  return start_on_session<HttpProbe>(factory, endpoint, check, protocol, tls, listener);
}

Result<std::unique_ptr<Probe>> start_grpc_probe(SessionFactory& factory, const EndpointSpec& endpoint,
                                                const HealthCheckSpec& check, const std::shared_ptr<const void>& tls,
                                                ProbeListener& listener) {
  return start_on_session<GrpcProbe>(factory, endpoint, check, Protocol::kHttp2, tls, listener);
}

std::string grpc_health_request(std::string_view service) {
  service = service.substr(0, 127);  // lengths of one byte; Kubernetes' names have at most 63
  std::string message;
  if (!service.empty()) message.append({'\x0a', static_cast<char>(service.size())}).append(service);
  return std::string({'\0', '\0', '\0', '\0', static_cast<char>(message.size())}) + message;
}

bool grpc_is_serving(std::string_view framed) {
  // Uncompressed, of at least one field: status (field 1, a varint), SERVING is 1.
  if (framed.size() < 7 || framed[0] != '\0') return false;
  const auto length = static_cast<unsigned char>(framed[4]);
  if (framed.substr(1, 3) != std::string_view("\0\0\0", 3) || framed.size() != 5u + length) return false;
  return framed.substr(5, 2) == std::string_view("\x08\x01", 2);
}

}  // namespace fairlead::upstream
