// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fairlead/http/h2.hpp"

namespace fairlead::http {

/// Answers each request with 200: with what it was sent, or with a text where it was sent nothing.
class EchoHandler final : public ServerHandler {
 public:
  explicit EchoHandler(ServerStream& stream) : stream_(stream) {}

  void on_head(RequestHead& head, bool end) override {
    ResponseHead answer;
    answer.fields = {{"server", "echo"}, {"x-method", head.method_text}};
    if (end) {
      static constexpr std::string_view kText =
          "hello, this is a text of a hundred bytes or so, which is what the small requests here are answered w\n";
      answer.body = Body::kLength;
      answer.content_length = kText.size();
      const bool no_body = head.method == Method::kHead;
      stream_.send_head(answer, no_body);
      if (!no_body) stream_.send_body(kText, true);
      return;
    }
    answer.body = Body::kStream;
    if (head.body == Body::kTunnel) answer.body = Body::kTunnel;
    stream_.send_head(answer, false);
  }
  void on_body(std::string_view data, bool end) override {
    if (!stream_.send_body(data, end)) stream_.pause();
  }
  void on_trailers(Fields& trailers) override { stream_.send_trailers(trailers); }
  void on_writable() override { stream_.resume(); }
  void on_reset(Reset) override { delete this; }
  void on_done() override { delete this; }

 private:
  ServerStream& stream_;
};

/// A connection that echoes; retires itself.
class EchoConnection final : public ServerSessionOwner, public event::Retired {
 public:
  static void serve(const H2Context& context, std::unique_ptr<net::Stream> stream) {
    auto* connection = new EchoConnection(context);
    auto made = H2ServerSession::create(context, std::move(stream), *connection);
    if (!made) return void(std::unique_ptr<EchoConnection>(connection));
    connection->session_ = std::move(*made);
    connection->session_->start({});
  }

  ServerHandler* on_stream(ServerStream& stream) override { return new EchoHandler(stream); }
  void on_refused(const Refusal&) override {}
  void on_closed() override { context_.reactor.retire(std::unique_ptr<event::Retired>(this)); }

 private:
  explicit EchoConnection(const H2Context& context) : context_(context) {}
  H2Context context_;
  std::unique_ptr<H2ServerSession> session_;
};

}  // namespace fairlead::http
