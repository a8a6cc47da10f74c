// SPDX-License-Identifier: Apache-2.0
// The protocol, the script's answers, and a client against a server that says what a test wants.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <deque>
#include <memory>
#include <numeric>
#include <string>

#include "fairlead/event/reactor.hpp"
#include "fairlead/limit/redis_client.hpp"
#include "fairlead/net/listener.hpp"
#include "fairlead/net/tcp_stream.hpp"

namespace fairlead::limit {
namespace {

using Type = RespValue::Type;

TEST(Resp, ReadsReplies) {
  std::vector<RespValue> out;
  std::size_t used = 0;
  const std::string_view all = "*4\r\n:-7\r\n$3\r\na\r\n\r\n*2\r\n$-1\r\n+OK\r\n-ERR no\r\n:1\r\n";
  EXPECT_EQ(parse_resp(all, used, out), RespStatus::kComplete);
  EXPECT_EQ(used, all.size() - 4) << "the next reply is left";
  ASSERT_EQ(out.size(), 7U);
  EXPECT_EQ(out[0].integer, 4);
  EXPECT_EQ(out[1].integer, -7);
  EXPECT_EQ(out[2].text, "a\r\n");
  EXPECT_EQ(out[3].type, Type::kArray);
  EXPECT_EQ(out[4].type, Type::kNil);
  EXPECT_EQ(out[5].text, "OK");
  EXPECT_EQ(out[6].type, Type::kError);
  for (std::size_t cut = 0; cut < used; ++cut)
    EXPECT_EQ(parse_resp(all.substr(0, cut), used = 0, out), RespStatus::kMore) << cut;
}

TEST(Resp, RefusesWhatIsNone) {
  std::vector<RespValue> out;
  std::size_t used = 0;
  const std::string nested = [] {
    std::string text;
    for (int i = 0; i < 70'000; ++i) text += "*1\r\n";
    return text;
  }();
  for (const std::string& bad :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string(":1x\r\n"), std::string(":\r\n"),
        std::string("$-2\r\n"), std::string("$9999999999\r\n"), std::string("$1\r\nabc"), std::string("*99999999\r\n"),
        std::string("%1\r\n+a\r\n+b\r\n"), std::string("*-2\r\n"), nested, std::string(2 << 20, '+')})
    EXPECT_EQ(parse_resp(bad, used, out), RespStatus::kBroken) << bad.substr(0, 30);
}

TEST(Resp, WritesCommands) {
  std::string out;
  append_command(out, 2);
  append_argument(out, "GET");
  append_argument(out, std::int64_t{-12});
  EXPECT_EQ(out, "*2\r\n$3\r\nGET\r\n$3\r\n-12\r\n");
}

TEST(HashSlots, AreTheSpecifications) {
  EXPECT_EQ(hash_slot("123456789"), 0x31C3 & 16383);  // its own check value
  EXPECT_EQ(hash_slot("foo"), 12182);
  EXPECT_EQ(hash_slot("{user1000}.following"), hash_slot("{user1000}.followers"));
  EXPECT_EQ(hash_slot("foo{}{bar}"), hash_slot("foo{}{bar}"));
  EXPECT_NE(hash_slot("foo{}{bar}"), hash_slot("bar")) << "an empty tag is none";
  EXPECT_EQ(hash_slot("foo{{bar}}zap"), hash_slot("{bar"));
}

Rule fixed(std::uint64_t requests) {
  Rule rule{.algorithm = Algorithm::kFixedWindow, .requests = requests, .per_us = 60'000'000};
  rule.settle();
  return rule;
}

RespValue number(std::int64_t value) { return {.type = Type::kInteger, .integer = value}; }

TEST(Script, AnswersAreRead) {
  const auto rule = fixed(10);
  std::array items{SharedItem{.rule = &rule, .key = "k", .cost = 3}};
  std::int64_t time = 0;
  const RespValue array{.type = Type::kArray, .integer = 5};
  const auto read = [&](std::initializer_list<RespValue> values) {
    const std::vector<RespValue> reply(values);
    return read_take(reply, items, time);
  };
  EXPECT_EQ(read({array, number(99), number(1), number(4), number(500), number(0)}), TakeStatus::kAllowed);
  EXPECT_EQ(time, 99);
  EXPECT_EQ(items[0].level.remaining, 3U);
  EXPECT_EQ(read({array, number(99), number(0), number(8), number(500), number(0)}), TakeStatus::kRefused);
  EXPECT_FALSE(items[0].level.allowed);
  EXPECT_EQ(items[0].level.remaining, 2U);
  EXPECT_EQ(items[0].level.retry_us, 500);
  EXPECT_EQ(read({array, number(99), number(-1)}), TakeStatus::kOtherTime);
  EXPECT_EQ(read({array, number(99), number(1)}), TakeStatus::kBroken);
  EXPECT_EQ(read({array, number(99), number(1), number(-4), number(0), number(0)}), TakeStatus::kBroken);
  EXPECT_EQ(read({number(99)}), TakeStatus::kBroken);
  EXPECT_EQ(read({array, number(99), {.type = Type::kText, .text = "1"}}), TakeStatus::kBroken);
}

// ---- A client and a server on one reactor -------------------------------------------------------------------------

/// Takes connections, keeps what they send, and says what it is told to.
class FakeServer final : net::StreamHandler, event::IoHandler {
 public:
  explicit FakeServer(event::Reactor& reactor) : reactor_(reactor) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 16), 0);
    EXPECT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    EXPECT_TRUE(reactor.add_level(listener_.get(), *this));
  }
  ~FakeServer() { reactor_.remove(listener_.get(), *this); }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void say(std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    EXPECT_EQ(stream_->write({&piece, 1}).bytes, text.size());
  }
  void hang_up() { stream_.reset(); }
  [[nodiscard]] bool has_client() const { return stream_ != nullptr; }
  int accepted = 0;
  std::string heard;
  std::function<void()> on_heard;

 private:
  void on_io(std::uint32_t) override {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    ++accepted;
    auto made = net::TcpStream::accepted(reactor_, std::move(fd), {}, {});
    ASSERT_TRUE(made);
    stream_ = std::move(*made);
    stream_->set_handler(this);
  }
  void on_readable() override {
    char buffer[65536];
    while (stream_) {
      const auto got = stream_->read(buffer);
      if (got.status != net::IoStatus::kOk) return;
      heard.append(buffer, got.bytes);
      if (on_heard) on_heard();
    }
  }
  void on_writable() override {}
  void on_failed(int, std::string_view) override {}

  event::Reactor& reactor_;
  Fd listener_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::Stream> stream_;
};

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = event::Reactor::create();
    ASSERT_TRUE(made);
    reactor = std::move(*made);
    server = std::make_unique<FakeServer>(*reactor);
    server->on_heard = [this] { react(); };
    config->addresses = {server->address()};
    config->timeout = std::chrono::milliseconds(60'000);
  }
  void TearDown() override {
    asks.clear();
    client.reset();
    server.reset();
  }
  void make_client() { client = std::make_unique<RedisClient>(*reactor, config, nullptr); }

  /// Answers the greeting; what follows by the next of `answers`, each for one ask. Nothing left: silence.
  void react() {
    if (server->heard.find("LOAD") != std::string::npos) {
      std::size_t loads = 0;
      for (auto at = server->heard.find("LOAD"); at != std::string::npos; at = server->heard.find("LOAD", at + 1))
        ++loads;
      if (loads < limit_scripts().size()) return;
      server->heard.clear();
      std::string answer;
      for (; loads > 0; --loads) answer += "+sha\r\n";
      return server->say(answer);
    }
    for (auto at = server->heard.find('$'); at != std::string::npos; at = server->heard.find('$', 1)) {
      server->heard.erase(0, at);
      if (server->heard.starts_with("$6\r\nASKING")) server->say("+OK\r\n");
      whole += server->heard.starts_with("$4\r\nEVAL\r") ? 1 : 0;
      if (!server->heard.starts_with("$4\r\nEVAL\r") && !server->heard.starts_with("$7\r\nEVALSHA")) continue;
      if (answers.empty()) continue;
      const auto next = answers.front();
      answers.pop_front();
      if (next == "hang up") return server->hang_up();
      server->say(next);
    }
    server->heard.clear();
  }

  struct Ask final : RedisAsk {
    Ask(ClientTest& of, SharedItem& item) : RedisAsk({&item, 1}), test(of) {}
    void on_answer(bool allowed) override { finish(allowed ? "allowed" : "refused"); }
    void on_no_answer(NoAnswer reason) override { finish(std::string(text_of(reason))); }
    void finish(std::string what) {
      test.told.push_back(std::move(what));
      if (test.told.size() >= test.expected) test.reactor->stop();
    }
    ClientTest& test;
  };
  /// False: turned down at once.
  bool ask() {
    asks.push_back(std::make_unique<Ask>(*this, item));
    return client->ask(*asks.back());
  }
  /// Until so many asks in all have been told something.
  void await(std::size_t count) {
    expected = count;
    if (told.size() < count) reactor->run();
  }

  static constexpr const char* kAllowed = "*5\r\n:1790000000000000\r\n:1\r\n:0\r\n:500\r\n:0\r\n";
  static constexpr const char* kRefused = "*5\r\n:1790000000000000\r\n:0\r\n:10\r\n:500\r\n:0\r\n";

  std::unique_ptr<event::Reactor> reactor;
  std::unique_ptr<FakeServer> server;
  std::shared_ptr<RedisConfig> config = std::make_shared<RedisConfig>();
  std::unique_ptr<RedisClient> client;
  Rule rule = fixed(10);
  SharedItem item{.rule = &rule, .key = "k", .cost = 1};
  std::vector<std::unique_ptr<Ask>> asks;
  std::deque<std::string> answers;
  std::vector<std::string> told;
  std::size_t expected = 0;
  int whole = 0;
};
using Told = std::vector<std::string>;

TEST_F(ClientTest, AsksInOneConnectionAndKeepsTheOrder) {
  make_client();
  answers = {kAllowed, kRefused, kAllowed};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask());
  await(3);
  EXPECT_EQ(told, (Told{"allowed", "refused", "allowed"}));
  EXPECT_EQ(server->accepted, 1);
  EXPECT_EQ(client->counters().answered, 3U);
}

TEST_F(ClientTest, ForgetsWhoHasGone) {
  make_client();
  answers = {kAllowed};
  EXPECT_TRUE(ask());
  await(1);
  EXPECT_TRUE(ask());
  EXPECT_TRUE(ask());
  asks[1].reset();  // its request is over; the answer still comes, for nobody
  answers = {kRefused, kAllowed};
  await(2);
  EXPECT_EQ(told, (Told{"allowed", "allowed"}));
}

TEST_F(ClientTest, LoadsTheScriptAgain) {
  make_client();
  answers = {"-NOSCRIPT No matching script.\r\n", "-NOSCRIPT No matching script.\r\n", kAllowed, kRefused};
  EXPECT_TRUE(ask());
  EXPECT_TRUE(ask());
  await(2);
  EXPECT_EQ(told, (Told{"allowed", "refused"}));
  EXPECT_EQ(whole, 2);
  EXPECT_EQ(client->counters().reloads, 2U);
}

TEST_F(ClientTest, TellsErrorsAndGoesOn) {
  make_client();
  answers = {"-OOM command not allowed\r\n", "+what\r\n", "*1\r\n:5\r\n", kAllowed};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask());
  await(4);
  EXPECT_EQ(told, (Told{"error", "error", "error", "allowed"}));
}

TEST_F(ClientTest, TurnsDownAtOnceWhatASilentServerWouldNotAnswer) {
  config->timeout = std::chrono::milliseconds(20);
  make_client();
  answers = {kAllowed};
  EXPECT_TRUE(ask());
  await(1);
  if (told[0] != "allowed") return;  // a machine too busy for 20 ms: nothing to be seen here
  EXPECT_TRUE(ask());  // no answer is left
  await(2);
  EXPECT_EQ(told[1], "timeout");
  EXPECT_FALSE(ask());
  EXPECT_FALSE(ask());
  EXPECT_EQ(client->counters().not_connected, 2U);
}

TEST_F(ClientTest, TellsAllWhoWaitedWhenTheConnectionIsLost) {
  make_client();
  answers = {kAllowed, "hang up"};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask());
  await(4);
  EXPECT_EQ(told, (Told{"allowed", "not_connected", "not_connected", "not_connected"}));
  EXPECT_FALSE(ask()) << "not before it is there again";
  EXPECT_FALSE(client->failure().empty());
}

TEST_F(ClientTest, TurnsDownAtOnceWhereNobodyListens) {
  server.reset();
  make_client();
  if (ask()) await(1);  // the refusal may come with the connect, or after it
  EXPECT_FALSE(ask());
}

TEST_F(ClientTest, AsksAgainWhereRedisClockIsFarAway) {
  make_client();
  answers = {"*2\r\n:1990000000000000\r\n:-1\r\n", kAllowed};
  EXPECT_TRUE(ask());
  await(1);
  EXPECT_EQ(told, Told{"allowed"});
}

TEST_F(ClientTest, GivesUpWhatNeverEnds) {
  make_client();
  for (int i = 0; i < 20; ++i) answers.emplace_back("-NOSCRIPT again\r\n");
  EXPECT_TRUE(ask());
  await(1);
  EXPECT_EQ(told, Told{"error"});
}

TEST_F(ClientTest, FollowsACluster) {
  config->cluster = true;
  make_client();
  const auto slot = std::to_string(hash_slot("k"));
  answers = {"-MOVED " + slot + " " + server->address() + "\r\n",
             kAllowed,
             "-ASK " + slot + " " + server->address() + "\r\n",
             kRefused,
             "-MOVED 99999 x:1\r\n",
             "-MOVED\r\n"};
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(ask());
    await(static_cast<std::size_t>(i) + 1);
  }
  EXPECT_EQ(told, (Told{"allowed", "refused", "error", "error"}));
  EXPECT_EQ(client->counters().redirects, 3U);
}

TEST_F(ClientTest, GoesWhereItsPlacesSay) {
  const auto turn = [&] {
    reactor->post([&] { reactor->stop(); });
    reactor->run();
  };
  auto places = std::make_shared<RedisPlaces>();
  config->addresses.clear();
  config->places = places;
  make_client();
  EXPECT_FALSE(ask()) << "nobody says where it is";
  EXPECT_EQ(config->totals->sum().fallback, 1U);
  EXPECT_FALSE(client->failure().empty());
  places->set({server->address(), "192.0.2.1:1"});
  (void)ask();
  turn();
  answers = {kAllowed};
  ASSERT_TRUE(ask());
  await(1);
  EXPECT_EQ(config->totals->sum().fallback, 0U);

  const auto old = std::exchange(server, std::make_unique<FakeServer>(*reactor));
  server->on_heard = [this] { react(); };
  old->on_heard = nullptr;
  places->set({server->address()});
  ASSERT_TRUE(ask()) << "the old one, in this turn";
  turn();
  answers = {kAllowed};
  ASSERT_TRUE(ask());
  await(2);
  old->say(kRefused);
  await(3);
  EXPECT_EQ(told, (Told{"allowed", "allowed", "refused"}));
  EXPECT_EQ(server->accepted, 1);
  EXPECT_EQ(old->accepted, 1);
}

TEST_F(ClientTest, CountsForAllThatComeAndGo) {
  make_client();
  answers = {kAllowed, kRefused, "hang up"};
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ask());
  await(3);
  EXPECT_FALSE(ask());
  auto sum = config->totals->sum();
  EXPECT_EQ(sum.clients, 1U);
  EXPECT_EQ(sum.fallback, 1U);
  EXPECT_EQ(sum.connections, 0U);
  EXPECT_EQ(sum.asked, 4U);
  EXPECT_EQ(sum.not_connected, 2U);
  EXPECT_EQ(std::accumulate(sum.round_trips.begin(), sum.round_trips.end(), std::uint64_t{0}), 2U);
  EXPECT_TRUE(sum.failure.starts_with(server->address() + ": ")) << sum.failure;
  answers = {kAllowed};
  while (!ask()) {
    reactor->post([&] { reactor->stop(); });
    reactor->run();
  }
  await(4);
  client->note_lease(7);
  sum = config->totals->sum();
  EXPECT_EQ(sum.connections, 1U);
  EXPECT_EQ(sum.reconnects, 1U);
  client.reset();
  sum = config->totals->sum();
  EXPECT_EQ(sum.clients + sum.connections + sum.fallback, 0U);
  EXPECT_EQ(sum.answered, 3U);
  EXPECT_EQ(sum.leased, 7U);
}

TEST_F(ClientTest, ShowsOfWhatRedisSaysToAPasswordOneWord) {
  config->password = "hunter2";
  make_client();
  server->on_heard = [this] { server->say("-ERR unknown command 'AUTH', with args beginning with: 'hunter2'\r\n"); };
  EXPECT_TRUE(ask());
  await(1);
  EXPECT_EQ(client->failure(), server->address() + ": it says ERR");
  EXPECT_EQ(config->totals->sum().failure, client->failure());
}

}  // namespace
}  // namespace fairlead::limit
