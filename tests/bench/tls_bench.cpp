// SPDX-License-Identifier: Apache-2.0
// What TLS costs the server: CPU of a handshake with one request, full and resumed; bulk; memory of an idle connection;
// loading of certificates. Beside it the floor: a blocking loop on OpenSSL with nothing around it. The client and the
// server have a thread each, and only the server's CPU counts. Usage: tls_bench [--json]
#include <malloc.h>
#include <pthread.h>
#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>

#include "bench/figures.hpp"
#include "fairlead/tls/ktls.hpp"
#include "unit/tls/link.hpp"

namespace fairlead::bench {
namespace {

using tls::TlsStream;

constexpr int kRounds = 7;
constexpr int kHandshakes = 150;
constexpr std::size_t kBulk = 64 << 20;
constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n0123456789012345678901234567890123456789";

double cpu_us(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// A thread that serves connections: reads a request, answers `answer` bytes, closes.
class Server {
 public:
  virtual ~Server() = default;
  virtual void serve(Fd fd) = 0;
  /// Of its thread.
  [[nodiscard]] double cpu() {
    clockid_t clock{};
    pthread_getcpuclockid(thread_.native_handle(), &clock);
    return cpu_us(clock);
  }
  std::size_t answer = kAnswer.size();
  bool keep = false;  // connections, open and idle

 protected:
  std::thread thread_;
};

const std::string& block() {
  static const std::string text(1 << 20, 'b');
  return text;
}

class Ours final : public Server {
 public:
  explicit Ours(std::shared_ptr<const tls::ServerContext> context)
      : reactor_(net::make_reactor()), context_(std::move(context)) {
    thread_ = std::thread([this] { reactor_->run(); });
  }
  ~Ours() override {
    reactor_->stop();
    thread_.join();
  }
  void serve(Fd fd) override {
    reactor_->post([this, raw = fd.release()] {
      auto session = std::make_unique<Session>(*this);
      session->stream = TlsStream::accept(tls::stream_over(*reactor_, Fd(raw)), context_);
      session->stream->set_handler(session.get());
      Session& started = *session;
      started.owned = std::move(session);
      started.stream->start();
    });
  }

 private:
  struct Session final : event::Retired, net::StreamHandler {
    explicit Session(Ours& of) : owner(of), left(of.answer) {}
    void on_readable() override {
      std::array<char, 4096> data;
      net::IoResult result;
      while ((result = stream->read(data)).status == net::IoStatus::kOk) asked = true;
      if (result.status != net::IoStatus::kAgain) return finish();
      if (asked) on_writable();
    }
    void on_writable() override {
      while (asked && left > 0) {
        const auto& from = block();
        const iovec piece{const_cast<char*>(from.data()), std::min(left, from.size())};
        const auto result = stream->write({&piece, 1});
        if (result.status == net::IoStatus::kAgain) return;
        if (result.status != net::IoStatus::kOk) return finish();
        left -= result.bytes;
      }
      if (asked && !owner.keep) finish();
    }
    void on_failed(int, std::string_view) override { finish(); }
    void finish() {
      if (!owned) return;
      stream->close(false);
      owner.reactor_->retire(std::move(owned));
    }
    Ours& owner;
    std::unique_ptr<TlsStream> stream;
    std::unique_ptr<Session> owned;  // itself, until it retires
    std::size_t left;
    bool asked = false;
  };

  std::unique_ptr<event::Reactor> reactor_;
  std::shared_ptr<const tls::ServerContext> context_;
};

class Floor final : public Server {
 public:
  explicit Floor(SSL_CTX* context) : context_(context) {
    thread_ = std::thread([this] { run(); });
  }
  ~Floor() override {
    serve(Fd());
    thread_.join();
  }
  void serve(Fd fd) override {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(fd));
    }
    more_.notify_one();
  }

 private:
  Fd next() {
    std::unique_lock lock(mutex_);
    more_.wait(lock, [this] { return !waiting_.empty(); });
    Fd fd = std::move(waiting_.front());
    waiting_.pop_front();
    return fd;
  }
  void run() {
    while (Fd fd = next()) {
      const tls::SslPtr ssl(SSL_new(context_));
      SSL_set_fd(ssl.get(), fd.get());
      std::array<char, 4096> data;
      if (SSL_accept(ssl.get()) != 1 || SSL_read(ssl.get(), data.data(), static_cast<int>(data.size())) <= 0) continue;
      for (std::size_t left = answer; left > 0;) {
        const int put = SSL_write(ssl.get(), block().data(), static_cast<int>(std::min(left, block().size())));
        if (put <= 0) break;
        left -= static_cast<std::size_t>(put);
      }
      SSL_shutdown(ssl.get());
    }
  }

  SSL_CTX* context_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Fd> waiting_;
};

/// Connects, asks, and reads the answer; keeps a session for the next.
class Client {
 public:
  Client() : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context_.get(), this);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL* ssl, SSL_SESSION* session) {
      static_cast<Client*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->session_.reset(session);
      return 1;
    });
  }
  /// The connection, still open where `server.keep`.
  Fd ask(Server& server, bool resume) {
    std::array<int, 2> ends{};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data());
    Fd ours(ends[0]);
    Fd theirs(ends[1]);
    if (dynamic_cast<Ours*>(&server) != nullptr) ::fcntl(theirs.get(), F_SETFL, O_NONBLOCK);
    server.serve(std::move(theirs));
    const tls::SslPtr ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), ours.get());
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name_.data());
    if (resume && session_) SSL_set_session(ssl.get(), session_.get());
    if (SSL_connect(ssl.get()) != 1) return failed("connect");
    constexpr std::string_view request = "GET / HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n";
    SSL_write(ssl.get(), request.data(), static_cast<int>(request.size()));
    static thread_local std::array<char, 64 * 1024> data;
    for (std::size_t got = 0; got < server.answer;) {
      const int now = SSL_read(ssl.get(), data.data(), static_cast<int>(data.size()));
      if (now <= 0) return failed("read");
      got += static_cast<std::size_t>(now);
    }
    resumed = SSL_session_reused(ssl.get()) == 1;
    while (!server.keep && SSL_read(ssl.get(), data.data(), static_cast<int>(data.size())) > 0) {
    }
    SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN);  // a session that was not ended is not resumed
    return ours;
  }
  bool resumed = false;

 private:
  static Fd failed(const char* what) {
    std::fprintf(stderr, "client: %s: %s\n", what, tls::take_openssl_error().c_str());
    std::exit(1);
  }
  std::string name_ = "a.example";
  tls::SslCtxPtr context_;
  tls::SessionPtr session_;
};

double handshake_us(Server& server, bool resume) {
  Client client;
  client.ask(server, false);
  const double before = server.cpu();
  for (int i = 0; i < kHandshakes; ++i) {
    client.ask(server, resume);
    if (client.resumed != resume) {
      std::fprintf(stderr, "resumed: %d, expected %d\n", client.resumed, resume);
      std::exit(1);
    }
  }
  return (server.cpu() - before) / kHandshakes;
}

double bulk_mb_per_s(Server& server) {
  Client client;
  server.answer = kAnswer.size();
  client.ask(server, false);
  const double before = server.cpu();
  server.answer = kBulk;
  client.ask(server, false);
  server.answer = kAnswer.size();
  return static_cast<double>(kBulk) / (server.cpu() - before);
}

/// Ours, the floor's, and the ratio, each the median over rounds that alternate.
void compare(Figures& figures, const std::string& what, const char* unit, Server& ours, Server& floor,
             const std::function<double(Server&)>& measure) {
  std::vector<double> us, them, ratios;
  for (int round = 0; round < kRounds; ++round) {
    us.push_back(measure(ours));
    them.push_back(measure(floor));
    ratios.push_back(us.back() / them.back());
  }
  figures.add(what + ": fairlead", median(us), unit);
  figures.add(what + ": OpenSSL alone", median(them), unit);
  figures.add(what + ": ratio", median(ratios), "");
}

std::size_t allocated() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

void measure_memory(Figures& figures, Ours& server) {
  constexpr int kConnections = 500;
  Client client;
  server.keep = true;
  std::vector<Fd> open;
  open.reserve(kConnections + 1);
  open.push_back(client.ask(server, false));
  const auto before = allocated();
  for (int i = 0; i < kConnections; ++i) open.push_back(client.ask(server, false));
  figures.add("memory of an idle TLS connection", static_cast<double>(allocated() - before) / kConnections / 1024,
              "KiB", 12);
}

void measure_loading(Figures& figures, const tls::Authority& authority) {
  constexpr int kCertificates = 1000;
  std::vector<tls::CertificateSource> sources;
  for (int i = 0; i < kCertificates; ++i) {
    const auto name = "host" + std::to_string(i) + ".example";
    const auto issued = authority.issue({.common_name = name, .names = "DNS:" + name});
    sources.push_back({name, issued.pem(), issued.key_pem(), "", false});
  }
  const double before = cpu_us(CLOCK_THREAD_CPUTIME_ID);
  tls::ServerConfig config;
  for (const auto& source : sources) {
    tls::VirtualServer server;
    server.names = {source.name};
    server.certificates.push_back(*tls::Certificate::load(source));
    config.servers.push_back(std::move(server));
  }
  const double loaded = cpu_us(CLOCK_THREAD_CPUTIME_ID);
  const auto context = tls::serve(std::move(config));
  figures.add("1000 certificates: parsed and checked", (loaded - before) / 1000, "ms");
  figures.add("1000 certificates: a context of them", (cpu_us(CLOCK_THREAD_CPUTIME_ID) - loaded) / 1000, "ms");
}

tls::SslCtxPtr floor_context(const tls::Certificate& certificate) {
  tls::SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
  SSL_CTX_use_cert_and_key(context.get(), certificate.leaf(), certificate.key(), certificate.chain(), 1);
  return context;
}

void run(Figures& figures) {
  const tls::Authority authority;
  const tls::Authority middle("middle", &authority);
  const auto certificate = middle.load({.common_name = "a", .names = "DNS:a.example"}, middle.pem());
  const auto context = floor_context(*certificate);
  {
    Ours ours(tls::serve(certificate, {}, tls::make_tickets()));
    Floor floor(context.get());
    compare(figures, "TLS 1.3 full handshake and a request", "us", ours, floor,
            [](Server& server) { return handshake_us(server, false); });
    compare(figures, "TLS 1.3 resumed handshake and a request", "us", ours, floor,
            [](Server& server) { return handshake_us(server, true); });
    compare(figures, "TLS 1.3 AES-128-GCM out", "MB/s", ours, floor, bulk_mb_per_s);
  }
  {
    Ours ours(tls::serve(certificate, {}, tls::make_tickets()));
    measure_memory(figures, ours);
  }
  measure_loading(figures, authority);
  const auto kernel = tls::probe_ktls();
  if (!kernel.available) figures.lack("kernel TLS", kernel.why);
}

}  // namespace
}  // namespace fairlead::bench

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  fairlead::bench::Figures figures(argc > 1 && std::string_view(argv[1]) == "--json");
  fairlead::bench::run(figures);
  return 0;
}
