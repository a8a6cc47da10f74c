// SPDX-License-Identifier: Apache-2.0
// Against OpenSSL's own client and server programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "link.hpp"
#include "support/process.hpp"

namespace fairlead::tls {
namespace {

using testing::HasSubstr;
using testing::Not;

class OpensslTest : public testing::Test {
 protected:
  OpensslTest() {
    char name[] = "/tmp/fairlead-tls-XXXXXX";
    folder_ = ::mkdtemp(name);
    write("ca.pem", authority_.pem());
  }
  ~OpensslTest() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  /// Our server, for one s_client that says "hello" and gets it back; what the client printed.
  std::string client_says(const std::shared_ptr<const ServerContext>& context, const std::vector<std::string>& more) {
    const Fd listener = net::listening("127.0.0.1:0");
    std::vector<std::string> argv{
        "openssl",          "s_client",     "-connect",    net::local_address(listener.get())->text(),
        "-CAfile",          path("ca.pem"), "-servername", "a.example",
        "-verify_hostname", "a.example"};
    argv.insert(argv.end(), more.begin(), more.end());
    std::string command = "echo hello |";  // -ign_eof: the end of its input is not the end
    for (const auto& word : argv) command += " '" + word + "'";
    test::Process client({.argv = {"/bin/sh", "-c", command + " -ign_eof 2>&1"}});
    EXPECT_TRUE(net::wait_for(listener.get(), POLLIN));
    End server;
    server.stream = TlsStream::accept(
        stream_over(*reactor_, Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))), context);
    server.stream->set_handler(&server);
    server.stream->start();
    net::run_until(*reactor_, [&] { return server.got == "hello\n" || server.failed || server.read_error; });
    server.send("answer to " + server.got);
    server.end();
    // s_client ends when our end comes.
    net::run_until(*reactor_, [&] { return server.ended || server.failed || server.read_error || !client.running(); });
    server.stream->close(false);
    client.wait();
    why_ = server.why;
    return client.output();
  }

  std::unique_ptr<event::Reactor> reactor_ = net::make_reactor();
  Authority authority_;
  std::filesystem::path folder_;
  std::string why_;
};

TEST_F(OpensslTest, ServesTheClientProgram) {
  const auto issued = authority_.issue({.common_name = "shop", .names = "DNS:a.example"});
  CertificateSource source{"a", issued.pem(), issued.key_pem(), authority_.ocsp(issued, 3600), false};
  VirtualServer server;
  server.certificates = {*Certificate::load(source)};
  ServerPolicy policy;
  policy.alpn = {"h2", "http/1.1"};
  server.policy = std::make_shared<const ServerPolicy>(policy);
  const auto context = serve({.servers = {server}, .tickets = make_tickets()});
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    SCOPED_TRACE(version);
    const auto session = path("session" + version);
    const auto first = client_says(context, {version, "-alpn", "http/1.1,h2", "-status", "-sess_out", session});
    EXPECT_THAT(first, HasSubstr("Verify return code: 0 (ok)")) << why_;
    EXPECT_THAT(first, HasSubstr("ALPN protocol: h2"));
    EXPECT_THAT(first, HasSubstr("OCSP Response Status: successful"));
    EXPECT_THAT(first, HasSubstr("New, TLSv1."));
    EXPECT_THAT(first, HasSubstr("answer to hello"));
    EXPECT_THAT(first, HasSubstr("Secure Renegotiation IS"));
    const auto second = client_says(context, {version, "-alpn", "http/1.1", "-sess_in", session});
    EXPECT_THAT(second, HasSubstr("Reused, TLSv1."));
    EXPECT_THAT(second, HasSubstr("ALPN protocol: http/1.1"));
    EXPECT_THAT(second, HasSubstr("answer to hello"));
  }
  EXPECT_THAT(client_says(context, {"-tls1_1"}), Not(HasSubstr("answer")));
}

// Their server, echoing lines backwards (-rev), with and without our certificate.
TEST_F(OpensslTest, ConnectsToTheServerProgram) {
  const auto issued = authority_.issue({.names = "DNS:a.example"});
  write("cert.pem", issued.pem());
  write("key.pem", issued.key_pem());
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    SCOPED_TRACE(version);
    test::Process server(
        {.argv = {"openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", path("cert.pem"), "-key", path("key.pem"),
                  "-rev", version, "-alpn", "h2", "-Verify", "1", "-CAfile", path("ca.pem"), "-verify_return_error"}});
    ASSERT_TRUE(server.wait_for("ACCEPT 127.0.0.1:"));
    ASSERT_TRUE(server.wait_for("\n"));
    const auto output = server.output();
    const auto at = output.find("ACCEPT ") + 7;
    const auto address = output.substr(at, output.find('\n', at) - at);
    const auto client = trust(authority_.pem(), "a.example", [&](ClientConfig& config) {
      config.certificate = authority_.load({.common_name = "gateway"});
      config.alpn = {"http/1.1", "h2"};
    });
    for (const bool resumed : {false, true}) {
      auto tcp = net::TcpStream::connect(*reactor_, net::address(address));
      ASSERT_TRUE(tcp);
      End end;
      end.stream = *TlsStream::connect(std::move(*tcp), client, address);
      end.stream->set_handler(&end);
      end.stream->start();
      end.send("forwards\n");
      EXPECT_TRUE(net::run_until(*reactor_, [&] { return end.got == "sdrawrof\n" || end.failed; })) << end.why;
      ASSERT_NE(end.stream->tls(), nullptr);
      EXPECT_EQ(end.stream->tls()->alpn, "h2");
      EXPECT_EQ(end.stream->tls()->resumed, resumed);
      EXPECT_EQ(end.stream->tls()->peer_identity, "a.example");
    }
  }
  // Nobody listens there.
  Fd listener = net::listening("127.0.0.1:0");
  const auto nobody = *net::local_address(listener.get());
  listener.reset();
  auto tcp = net::TcpStream::connect(*reactor_, nobody);
  ASSERT_TRUE(tcp);
  End end;
  end.stream = *TlsStream::connect(std::move(*tcp), trust(authority_.pem(), "a.example"), "nobody");
  end.stream->set_handler(&end);
  end.stream->start();
  EXPECT_TRUE(net::run_until(*reactor_, [&] { return end.failed; }));
  EXPECT_EQ(end.stream->failure(), TlsFailure::kReset);
}

}  // namespace
}  // namespace fairlead::tls
