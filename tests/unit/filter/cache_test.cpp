// SPDX-License-Identifier: Apache-2.0
// The filter `cache` against a backend that the test plays.
#include <gtest/gtest.h>

#include <string>

#include "fairlead/filter/make.hpp"
#include "fairlead/model/request_cache.hpp"
#include "tests/unit/filter/consumers.hpp"
#include "tests/unit/filter/recorded_request.hpp"

namespace fairlead::filter {
namespace {

using namespace std::chrono_literals;
using Pairs = RecordedRequest::Pairs;

class CacheFilter : public testing::Test {
 protected:
  CacheFilter() {
    auto made = event::Reactor::create();
    if (!made) std::abort();
    reactor_ = std::move(*made);
  }

  void use(const model::ResponseCache& settings) {
    Context context{.policy = "RequestPolicy default/p",
                    .ns = "default",
                    .stores = stores_,
                    .cluster = {},
                    .grpc_cluster = {},
                    .secret = {},
                    .config_map = {},
                    .faults = faults_,
                    .remarks = faults_};
    filter_ = make_cache(settings, context);
    ASSERT_TRUE(faults_.empty());
  }

  RecordedRequest& ask(std::string_view target, Pairs fields = {}, http::Method method = http::Method::kGet) {
    return *asked_.emplace_back(std::make_unique<RecordedRequest>(*reactor_, target, std::move(fields), method));
  }
  Verdict send(RecordedRequest& request) {
    if (filter_ == nullptr) use({});
    return filter_->on_request(request);
  }

  /// The backend answers; what the client gets stands in the request afterwards.
  void respond(RecordedRequest& request, std::uint16_t status, const Pairs& fields, const std::string& body = "",
               bool whole = true) {
    ++fetches_;
    http::ResponseHead head;
    head.status = status;
    const bool follows = !body.empty() && request.head().method != http::Method::kHead;
    head.body = follows ? http::Body::kLength : http::Body::kNone;
    head.content_length = body.size();
    for (const auto& [name, value] : fields) head.fields.push_back({name, value});
    if (filter_->on_response(request, head) == Verdict::kAnswered) return;
    request.status = head.status;
    request.fields.clear();
    for (const auto& field : head.fields) request.fields.emplace(field.name, field.value);
    request.body.clear();
    // In two pieces, as bodies come.
    const auto half = body.size() / 2;
    for (const auto& [piece, end] : {std::pair(body.substr(0, half), false), std::pair(body.substr(half), true)}) {
      if (!follows || (end && !whole)) break;
      std::string_view data = piece;
      for (auto& filter : request.filters) data = *filter->on_data(data, end);
      request.body += data;
    }
  }

  /// Asks, and lets the backend answer where it is asked.
  RecordedRequest& get(std::string_view target, Pairs asks, const Pairs& fields, const std::string& body = "body",
                       std::uint16_t status = 200, http::Method method = http::Method::kGet) {
    auto& request = ask(target, std::move(asks), method);
    if (send(request) == Verdict::kContinue) respond(request, status, fields, body);
    return request;
  }

  std::unique_ptr<event::Reactor> reactor_;
  Stores stores_;
  std::vector<std::string> faults_;
  FilterPtr filter_;
  std::vector<std::unique_ptr<RecordedRequest>> asked_;
  int fetches_ = 0;
};

const Pairs kFresh = {{"cache-control", "max-age=60"}, {"etag", "\"a\""}, {"content-type", "text/plain"}};
/// Never fresh, but may be served while it is validated, and after errors.
const Pairs kStaleWhile = {
    {"cache-control", "max-age=0, stale-while-revalidate=60, stale-if-error=60"}, {"etag", "\"a\""}, {"age", "5"}};
const Pairs kStaleIfError = {{"cache-control", "max-age=0, stale-if-error=60"}, {"etag", "\"a\""}};

TEST_F(CacheFilter, AnswersFromWhatWasStored) {
  auto& miss = get("/a", {}, kFresh);
  EXPECT_EQ(miss.field("cache-status"), "fairlead; fwd=uri-miss; stored");
  auto& hit = get("/a", {}, kFresh, "other");
  EXPECT_EQ(hit.body, "body");
  EXPECT_EQ(hit.status, 200);
  EXPECT_EQ(hit.field("cache-status").substr(0, 18), "fairlead; hit; ttl");
  EXPECT_EQ(hit.field("age"), "0");
  EXPECT_EQ(hit.field("content-type"), "text/plain");
  EXPECT_EQ(hit.details, "cache");
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CacheFilter, ControlHeadersStandInForCacheControl) {
  model::ResponseCache settings;
  settings.control_headers = {"edge-control", "cdn-cache-control"};
  use(settings);
  struct Row {
    Pairs fields;
    bool stored;
  };
  const Row rows[] = {
      {{{"cdn-cache-control", "max-age=60"}, {"cache-control", "no-store"}}, true},
      {{{"cdn-cache-control", "foo, max-age=99999999999"}, {"expires", "0"}}, true},
      {{{"cdn-cache-control", "max-age=0"}, {"cache-control", "max-age=60"}}, false},
      {{{"cdn-cache-control", "max-age=0"}, {"expires", "Fri, 01 Jan 2100 00:00:00 GMT"}}, false},
      {{{"cdn-cache-control", "private"}, {"cache-control", "max-age=60"}}, false},
      {{{"cdn-cache-control", "private=\"x\""}, {"cache-control", "max-age=60"}}, false},
      {{{"cdn-cache-control", "no-cache"}, {"cache-control", "max-age=60"}}, false},
      {{{"cdn-cache-control", "no-store=?0"}, {"cache-control", "max-age=60"}}, false},  // nothing gives it a time
      // Passed over, as they cannot be read.
      {{{"cdn-cache-control", "max-age=60, &&&&"}, {"cache-control", "no-store"}}, false},
      {{{"cdn-cache-control", "max-age=\"60\""}, {"cache-control", "no-store"}}, false},
      {{{"cdn-cache-control", "max-age=-1"}, {"cache-control", "max-age=60"}}, true},
      {{{"cdn-cache-control", "no-store=1"}, {"cache-control", "max-age=60"}}, true},
      {{{"cdn-cache-control", ""}, {"cache-control", "max-age=60"}}, true},
      {{{"cdn-cache-control", "no-store=(a b)"}, {"cache-control", "max-age=60"}}, true},
      // The first of the list that can be read, in its order and not the response's.
      {{{"cdn-cache-control", "no-store"}, {"edge-control", "max-age=60"}}, true},
      {{{"edge-control", "&"}, {"cdn-cache-control", "no-store"}, {"cache-control", "max-age=60"}}, false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.fields.front().second);
    const auto target = "/" + std::to_string(&row - rows);
    const int before = fetches_;
    get(target, {}, row.fields);
    get(target, {}, row.fields);
    EXPECT_EQ(fetches_ - before, row.stored ? 1 : 2);
  }
  EXPECT_EQ(get("/0", {}, {}).field("cdn-cache-control"), "max-age=60");  // others downstream may listen to it too
}

TEST_F(CacheFilter, AnswersConditionsAndRanges) {
  get("/a", {}, kFresh, "0123456789");
  auto& not_modified = get("/a", {{"if-none-match", "\"a\""}}, kFresh);
  EXPECT_EQ(not_modified.status, 304);
  EXPECT_EQ(not_modified.body, "");
  EXPECT_EQ(not_modified.field("etag"), "\"a\"");
  EXPECT_EQ(not_modified.field("content-type"), "-");
  EXPECT_EQ(get("/a", {{"if-none-match", "\"b\""}}, kFresh).status, 200);
  auto& part = get("/a", {{"range", "bytes=2-4"}}, kFresh);
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.field("content-range"), "bytes 2-4/10");
  EXPECT_EQ(get("/a", {{"range", "bytes=2-4"}, {"if-range", "\"b\""}}, kFresh).status, 200);
  EXPECT_EQ(get("/a", {{"range", "bytes=2-4,0-0"}}, kFresh).body, "01234");  // near: one part
  auto& none = get("/a", {{"range", "bytes=10-"}}, kFresh);
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.field("content-range"), "bytes */10");
  auto& head = get("/a", {}, kFresh, "", 200, http::Method::kHead);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body.size(), 10U);  // its length; the proxy sends no body
  EXPECT_EQ(fetches_, 1);
  // Only the origin can answer these.
  get("/a", {{"if-match", "\"a\""}}, kFresh);
  EXPECT_EQ(fetches_, 2);
}

/// Each pair of requests differs in something that a backend may answer by; the second never gets the first one's.
TEST_F(CacheFilter, IsNotPoisonedByWhatIsNotInItsKey) {
  struct Side {
    std::string target = "/a";
    Pairs fields = {};
    std::string authority = "a.example";
    std::string rule = "0";
    std::string scheme = "http";
    bool has_body = false;
  };
  const Pairs vary = {{"cache-control", "max-age=60"}, {"vary", "accept-encoding, x-theme"}};
  struct {
    const char* what;
    Side evil;
    Side good = {};
    Pairs answer = kFresh;
  } const rows[] = {
      {"path", {.target = "/b"}},
      {"query", {.target = "/a?x=1"}},
      {"an empty query", {.target = "/a?"}},
      {"query order", {.target = "/a?x=1&y=2"}, {.target = "/a?y=2&x=1"}},
      {"query repeated", {.target = "/a?x=1&x=2"}, {.target = "/a?x=1"}},
      {"case of the path", {.target = "/A"}},
      {"port in Host", {.authority = "a.example:1234"}},
      {"scheme", {.scheme = "https"}},
      {"rule", {.rule = "1"}},
      {"X-Forwarded-Host", {.fields = {{"x-forwarded-host", "evil.example"}}}},
      {"X-Forwarded-Proto", {.fields = {{"x-forwarded-proto", "https"}}}},
      {"X-Forwarded-Port", {.fields = {{"x-forwarded-port", "1"}}}},
      {"X-Forwarded-Prefix", {.fields = {{"x-forwarded-prefix", "/evil"}}}},
      {"X-Forwarded-Scheme", {.fields = {{"x-forwarded-scheme", "nothttps"}}}},
      {"X-Host", {.fields = {{"x-host", "evil.example"}}}},
      {"X-Original-URL", {.fields = {{"x-original-url", "/admin"}}}},
      {"X-Rewrite-URL", {.fields = {{"x-rewrite-url", "/admin"}}}},
      {"X-HTTP-Method-Override", {.fields = {{"x-http-method-override", "POST"}}}},
      {"Forwarded", {.fields = {{"forwarded", "host=evil.example"}}}},
      {"Forwarded, in disorder", {.fields = {{"forwarded", "host=\"evil"}}}},
      {"a GET with a body", {.has_body = true}},
      {"Vary", {.fields = {{"x-theme", "evil"}}}, {}, vary},
      {"Vary, empty and absent", {.fields = {{"x-theme", ""}}}, {}, vary},
      {"Vary, two lines and one",
       {.fields = {{"x-theme", "a"}, {"x-theme", "b"}}},
       {.fields = {{"x-theme", "a"}}},
       vary},
      {"Authorization", {.fields = {{"authorization", "Bearer evil"}}}},
      {"cookies without a time",
       {.fields = {{"cookie", "session=evil"}}},
       {},
       {{"last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"}}},
      {"Set-Cookie", {}, {}, {{"cache-control", "public, max-age=60"}, {"set-cookie", "session=evil"}}},
  };
  for (const auto& row : rows) {
    use({});
    const auto go = [&](const Side& side, const char* body) -> std::string {
      auto& request = ask(side.target, side.fields);
      request.head().authority = side.authority;
      request.head().scheme = side.scheme;
      request.rule = side.rule;
      if (side.has_body) request.head().body = http::Body::kLength;
      if (send(request) == Verdict::kContinue) respond(request, 200, row.answer, body);
      return request.body;
    };
    EXPECT_EQ(go(row.evil, "evil"), "evil") << row.what;
    EXPECT_EQ(go(row.good, "good"), "good") << row.what;
    stores_ = {};
    filter_ = nullptr;
    asked_.clear();
  }
}

TEST_F(CacheFilter, KeepsWhatIsNotInTheKeyFromTheBackend) {
  model::ResponseCache settings;
  settings.key.query_exclude = {"utm source"};
  use(settings);
  auto& first = get("/a?x=1&utm+source=evil&y=2", {}, kFresh);
  EXPECT_EQ(first.target().query, "x=1&y=2");
  EXPECT_EQ(get("/a?x=1&utm%20source=b&y=2", {}, kFresh, "other").body, "body");
  EXPECT_EQ(get("/a?x=1&y=2", {}, kFresh, "other").body, "body");
  EXPECT_EQ(fetches_, 1);
  settings.key.query_exclude.clear();
  settings.key.query_include = {"x"};
  use(settings);
  auto& included = get("/b?y=1", {}, kFresh);
  EXPECT_FALSE(included.target().has_query);
  EXPECT_EQ(get("/b", {}, kFresh, "other").body, "body");
  EXPECT_EQ(get("/b?x=1", {}, kFresh, "x").body, "x");
}

TEST_F(CacheFilter, KeysByHeadersCookiesAndConsumer) {
  model::ResponseCache settings;
  settings.key.headers = {"x-tenant"};
  settings.key.cookies = {"plan"};
  settings.key.consumer = true;
  use(settings);
  EXPECT_EQ(get("/a", {{"x-tenant", "1"}}, kFresh, "1").body, "1");
  EXPECT_EQ(get("/a", {{"x-tenant", "2"}}, kFresh, "2").body, "2");
  EXPECT_EQ(get("/a", {{"x-tenant", "1"}}, kFresh, "3").body, "1");
  EXPECT_EQ(get("/b", {{"cookie", "x=y; plan=pro"}}, kFresh, "pro").body, "pro");
  EXPECT_EQ(get("/b", {{"cookie", "plan=free"}}, kFresh, "free").body, "free");
  EXPECT_EQ(get("/b", {{"cookie", "x=z;\tplan=pro"}}, kFresh, "3").body, "pro");
  const auto ann = make_consumer("ann");
  const auto bob = make_consumer("bob");
  const auto as = [&](const auth::ConsumerPtr& who, const char* body) {
    auto& request = ask("/c", {{"authorization", "Basic x"}});
    request.identity() = {.consumer = who.get(), .credential = {}, .subject = {}, .claims = {}, .authenticated = true};
    if (send(request) == Verdict::kContinue) respond(request, 200, kFresh, body);
    return request.body;
  };
  EXPECT_EQ(as(ann, "ann"), "ann");
  EXPECT_EQ(as(bob, "bob"), "bob");
  EXPECT_EQ(as(ann, "other"), "ann");
  EXPECT_EQ(get("/c", {}, kFresh, "nobody").body, "nobody");
}

TEST_F(CacheFilter, ValidatesWhatIsNotFresh) {
  get("/a", {}, {{"cache-control", "max-age=0"}, {"etag", "\"a\""}, {"x", "1"}});
  auto& request = ask("/a", {{"if-none-match", "\"mine\""}, {"range", "bytes=0-0"}});
  ASSERT_EQ(send(request), Verdict::kContinue);
  std::string sent;
  for (const auto& field : request.head().fields) sent.append(field.name).append("=").append(field.value).append(" ");
  EXPECT_EQ(sent, "if-none-match=\"a\" ");
  respond(request, 304, {{"x", "2"}, {"cache-control", "max-age=60"}});
  EXPECT_EQ(request.status, 206);  // to what the client had asked
  EXPECT_EQ(request.body, "b");
  EXPECT_EQ(request.field("x"), "2");
  EXPECT_EQ(request.field("cache-status").substr(0, 40), "fairlead; fwd=stale; fwd-status=304; ttl");
  auto& hit = get("/a", {}, {}, "other");
  EXPECT_EQ(hit.body, "body");
  EXPECT_EQ(hit.field("x"), "2");
  EXPECT_EQ(fetches_, 2);
}

TEST_F(CacheFilter, TakesANewResponseWhenValidationFails) {
  get("/a", {}, {{"cache-control", "max-age=0"}, {"etag", "\"a\""}});
  EXPECT_EQ(get("/a", {}, kFresh, "new").body, "new");
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "new");
}

TEST_F(CacheFilter, ServesWhatIsStaleAfterAnError) {
  get("/a", {}, kStaleIfError);
  for (const std::uint16_t status : std::initializer_list<std::uint16_t>{500, 502, 503, 504}) {
    auto& request = get("/a", {}, {}, "broken", status);
    EXPECT_EQ(request.status, 200) << status;
    EXPECT_EQ(request.body, "body") << status;
  }
  EXPECT_EQ(get("/a", {}, {}, "gone", 404).status, 404);
  get("/b", {}, {{"cache-control", "max-age=0, must-revalidate, stale-if-error=60"}, {"etag", "\"a\""}});
  EXPECT_EQ(get("/b", {}, {}, "broken", 503).status, 503);
}

TEST_F(CacheFilter, ServesWhatIsStaleWhileOneValidates) {
  get("/a", {}, kStaleWhile);
  auto& validates = ask("/a");
  ASSERT_EQ(send(validates), Verdict::kContinue);
  auto& served = ask("/a");
  ASSERT_EQ(send(served), Verdict::kAnswered);
  EXPECT_EQ(served.body, "body");
  EXPECT_EQ(served.field("cache-status").substr(0, 20), "fairlead; hit; ttl=-");
  respond(validates, 200, kFresh, "new");
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "new");
}

/// Nobody waits where the backend can be asked beside.
TEST_F(CacheFilter, ValidatesBesideWhatItServes) {
  std::vector<CallHandler*> calls;
  const auto stale = [&](std::string_view body) {
    auto& request = ask("/a", {{"if-none-match", "\"mine\""}});
    request.calls = &calls;
    EXPECT_EQ(send(request), Verdict::kAnswered);
    EXPECT_EQ(request.body, body);
    return http::find(request.head().fields, "if-none-match")->value;
  };
  get("/a", {}, kStaleWhile);
  EXPECT_EQ(stale("body"), "\"a\"");
  stale("body");
  stale("body");
  ASSERT_EQ(calls.size(), 1U);
  CallAnswer broken;
  broken.head.status = 503;
  calls[0]->on_call_answer(broken);
  stale("body");
  ASSERT_EQ(calls.size(), 2U);
  calls[1]->on_call_failure("no connection");
  stale("body");
  ASSERT_EQ(calls.size(), 3U);
  CallAnswer same;
  same.head.status = 304;
  same.head.fields = {{"cache-control", "max-age=60"}};
  calls[2]->on_call_answer(same);
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "body");
  EXPECT_EQ(calls.size(), 3U);
  get("/a", {}, {}, "", 200, http::Method::kPost);
  get("/a", {}, kStaleWhile);
  stale("body");
  CallAnswer changed;
  changed.head.fields = {{"cache-control", "max-age=60"}};
  changed.body = "new";
  calls.back()->on_call_answer(changed);
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "new");
}

/// What may not be stored any more is not kept for an error either.
TEST_F(CacheFilter, DropsWhatIsNotStorableAnyMore) {
  get("/a", {}, kStaleIfError);
  EXPECT_EQ(get("/a", {}, {{"cache-control", "private"}}, "mine").body, "mine");
  EXPECT_EQ(get("/a", {}, {}, "broken", 503).body, "broken");
}

TEST_F(CacheFilter, LetsOthersWaitForOneFetch) {
  auto& leader = ask("/a");
  ASSERT_EQ(send(leader), Verdict::kContinue);
  auto& one = ask("/a");
  auto& two = ask("/a");
  ASSERT_EQ(send(one), Verdict::kWait);
  ASSERT_EQ(send(two), Verdict::kWait);
  EXPECT_EQ(send(ask("/b")), Verdict::kContinue);
  respond(leader, 200, kFresh, "body");
  reactor_->post([&] { reactor_->stop(); });
  reactor_->run();
  for (auto* waited : {&one, &two}) {
    EXPECT_EQ(waited->status, 200);
    EXPECT_EQ(waited->body, "body");
    EXPECT_NE(waited->field("cache-status").find("; collapsed"), std::string::npos);
    EXPECT_EQ(waited->resumed, 0);
  }
  EXPECT_EQ(fetches_, 1);
}

TEST_F(CacheFilter, LetsNobodyWaitForWhatIsNotStored) {
  auto& leader = ask("/a");
  ASSERT_EQ(send(leader), Verdict::kContinue);
  auto& one = ask("/a");
  ASSERT_EQ(send(one), Verdict::kWait);
  respond(leader, 200, {{"cache-control", "no-store"}}, "mine");
  reactor_->post([&] { reactor_->stop(); });
  reactor_->run();
  EXPECT_EQ(one.resumed, 1);
  EXPECT_FALSE(one.answered);
  auto& two = ask("/a");  // it is remembered
  auto& three = ask("/a");
  EXPECT_EQ(send(two), Verdict::kContinue);
  EXPECT_EQ(send(three), Verdict::kContinue);
  // Those with credentials wait for nobody, and nobody for them.
  EXPECT_EQ(send(ask("/c", {{"authorization", "x"}})), Verdict::kContinue);
  EXPECT_EQ(send(ask("/c", {{"authorization", "x"}})), Verdict::kContinue);
}

TEST_F(CacheFilter, BeginsAnewWhenWhoeverFetchesIsGone) {
  auto& leader = ask("/a");
  ASSERT_EQ(send(leader), Verdict::kContinue);
  auto& one = ask("/a");
  auto& two = ask("/a");
  ASSERT_EQ(send(one), Verdict::kWait);
  ASSERT_EQ(send(two), Verdict::kWait);
  respond(leader, 200, kFresh, "half", false);
  asked_.erase(asked_.begin());  // the client has left
  reactor_->post([&] { reactor_->stop(); });
  reactor_->run();
  ASSERT_EQ(one.resumed + two.resumed, 1);
  respond(one.resumed == 1 ? one : two, 200, kFresh, "whole");
  reactor_->post([&] { reactor_->stop(); });
  reactor_->run();
  EXPECT_EQ(one.body, "whole");
  EXPECT_EQ(two.body, "whole");
}

TEST_F(CacheFilter, WaitsNoLongerThanItsTime) {
  model::ResponseCache settings;
  settings.max_wait = 1ms;
  use(settings);
  auto& leader = ask("/a");
  ASSERT_EQ(send(leader), Verdict::kContinue);
  auto& one = ask("/a");
  ASSERT_EQ(send(one), Verdict::kWait);
  struct Stop final : event::Timer {
    event::Reactor* reactor = nullptr;
    void on_timer() override { reactor->stop(); }
  } stop;
  stop.reactor = reactor_.get();
  reactor_->timers().arm(stop, reactor_->now_ms() + 5);
  reactor_->run();
  EXPECT_EQ(one.resumed, 1);
  // What waits when its client leaves is forgotten.
  auto& two = ask("/b");
  ASSERT_EQ(send(two), Verdict::kContinue);
  auto& three = ask("/b");
  ASSERT_EQ(send(three), Verdict::kWait);
  asked_.pop_back();
  respond(two, 200, kFresh);
}

TEST_F(CacheFilter, StoresNothingTooLarge) {
  model::ResponseCache settings;
  settings.max_object_bytes = 10;
  use(settings);
  EXPECT_EQ(get("/a", {}, kFresh, "12345678901").body, "12345678901");
  EXPECT_EQ(get("/a", {}, kFresh, "1234567890").body, "1234567890");
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "1234567890");
  // Of unknown length: streamed on, and dropped where it grows too long.
  auto& request = ask("/b");
  ASSERT_EQ(send(request), Verdict::kContinue);
  http::ResponseHead head;
  head.body = http::Body::kStream;
  head.fields = {{"cache-control", "max-age=60"}};
  ASSERT_EQ(filter_->on_response(request, head), Verdict::kContinue);
  ASSERT_EQ(request.filters.size(), 1U);
  EXPECT_EQ(request.filters[0]->on_data("123456789", false), "123456789");
  EXPECT_EQ(request.filters[0]->on_data("0ab", false), "0ab");
  EXPECT_EQ(request.filters[0]->on_data("cd", true), "cd");
  EXPECT_EQ(get("/b", {}, kFresh, "new").body, "new");
}

TEST_F(CacheFilter, ForgetsWhatUnsafeRequestsChange) {
  const Pairs located = {{"location", "/c"}, {"content-location", "http://a.example/d"}};
  for (const char* target : {"/a", "/b", "/c", "/d"}) get(target, {}, kFresh);
  get("/a", {}, {}, "", 500, http::Method::kPost);
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "body");  // an error changes nothing
  get("/a", {}, located, "", 201, http::Method::kPost);
  for (const char* target : {"/a", "/c", "/d"}) EXPECT_EQ(get(target, {}, kFresh, "new").body, "new") << target;
  EXPECT_EQ(get("/b", {}, kFresh, "new").body, "body");
  get("/b", {}, {{"location", "http://other.example/a"}}, "", 201, http::Method::kDelete);
  EXPECT_EQ(get("/b", {}, kFresh, "new").body, "new");
  EXPECT_EQ(get("/a", {}, kFresh, "newer").body, "new");  // of another origin
}

/// RFC 9111 section 4.4: a reference is resolved as any other (RFC 3986 section 5.2).
TEST_F(CacheFilter, ForgetsWhatRelativeReferencesName) {
  model::ResponseCache settings;
  settings.key.query_exclude = {"utm"};
  use(settings);
  const auto forgets = [&](const char* posted, const char* reference, const char* target) {
    get(target, {}, kFresh, "old");
    get(posted, {}, {{"content-location", reference}}, "", 201, http::Method::kPost);
    return get(target, {}, kFresh, "new").body == "new";
  };
  constexpr struct {
    const char *posted, *reference, *target;
  } kNamed[] = {
      {"/items/1", "2", "/items/2"},
      {"/items/2/new", "../list#top", "/items/list"},
      {"/items/3", "./4/../5", "/items/5"},
      {"/items/6?b=1", "?a=1", "/items/6?a=1"},
      {"/items/7?x=/y/", "8?c=2&utm=3", "/items/8?c=2"},
      {"/q", "a:b/../c%7e", "/nothing"},
      {"/items", "//A.example/q/%7ec", "/q/~c"},
      {"/items", "HTTP://a.example:80?d", "/?d"},
      {"/items", "../..", "/"},
  };
  for (const auto& one : kNamed)
    EXPECT_EQ(forgets(one.posted, one.reference, one.target), std::string_view(one.target) != "/nothing")
        << one.reference;
  for (const char* other :
       {"https://a.example/o", "//a.example:81/o", "//u@a.example/o", "http:/o", "http:o", "//", "a:o"})
    EXPECT_FALSE(forgets("/items", other, "/o")) << other;
}

TEST_F(CacheFilter, HonoursRequestsOnlyWhereItIsTold) {
  get("/a", {}, kFresh);
  EXPECT_EQ(get("/a", {{"cache-control", "no-cache"}}, kFresh, "new").body, "body");
  model::ResponseCache settings;
  settings.honour_request_directives = true;
  use(settings);
  EXPECT_EQ(get("/a", {{"cache-control", "only-if-cached"}}, kFresh, "new").body, "body");
  EXPECT_EQ(get("/a", {{"cache-control", "min-fresh=30"}}, kFresh, "new").body, "body");
  EXPECT_EQ(get("/a", {{"cache-control", "min-fresh=90"}}, kFresh, "fresh").body, "fresh");
  auto& newer = get("/a", {{"pragma", "no-cache"}}, kFresh, "newer");
  EXPECT_EQ(newer.body, "newer");
  EXPECT_EQ(newer.field("cache-status"), "fairlead; fwd=request; stored");
  auto& validating = ask("/a", {{"cache-control", "no-cache"}});
  ASSERT_EQ(send(validating), Verdict::kContinue);
  respond(validating, 304, {{"cache-control", "max-age=60"}});
  EXPECT_EQ(validating.field("cache-status").substr(0, 35), "fairlead; fwd=request; fwd-status=3");
  EXPECT_EQ(get("/a", {{"cache-control", "no-store, no-cache"}}, kFresh, "newest").body, "newest");
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "newer");
  auto& refused = get("/b", {{"cache-control", "only-if-cached"}}, kFresh);
  EXPECT_EQ(refused.status, 504);
  EXPECT_EQ(refused.field("content-type"), "application/problem+json");
  get("/c", {}, {{"cache-control", "max-age=0"}, {"etag", "\"a\""}});
  EXPECT_EQ(get("/c", {{"cache-control", "max-stale=60"}}, kFresh, "new").body, "body");
  get("/d", {}, {{"cache-control", "max-age=0, must-revalidate"}, {"etag", "\"a\""}});
  EXPECT_EQ(get("/d", {{"cache-control", "max-stale=60"}}, kFresh, "new").body, "new");
}

TEST_F(CacheFilter, BypassesAndCachesFailuresAsItIsTold) {
  model::ResponseCache settings;
  settings.bypass_headers = {"x-debug"};
  settings.statuses = {{404, 60s}, {503, 60s}};
  settings.default_ttl = 60s;
  use(settings);
  get("/a", {}, {});
  EXPECT_EQ(get("/a", {{"x-debug", "1"}}, {}, "new").body, "new");
  EXPECT_EQ(get("/a", {}, {}, "new").body, "body");
  EXPECT_EQ(get("/none", {}, {}, "none", 404).status, 404);
  EXPECT_EQ(get("/none", {}, {}, "found").status, 404);
  // What the gateway says itself, since no backend did, is not stored.
  auto& failed = ask("/b");
  ASSERT_EQ(send(failed), Verdict::kContinue);
  failed.record_of().flags.set(telemetry::ResponseFlag::kNoHealthyUpstream);
  respond(failed, 503, {}, "no backend");
  EXPECT_EQ(get("/b", {}, {}, "back").body, "back");
}

TEST_F(CacheFilter, LeavesOtherMethodsAndPartsAlone) {
  EXPECT_EQ(get("/a", {}, kFresh, "", 200, http::Method::kOptions).field("cache-status"), "fairlead; fwd=method");
  EXPECT_EQ(get("/a", {}, kFresh, "", 200, http::Method::kHead).status, 200);
  EXPECT_EQ(get("/a", {{"range", "bytes=0-1"}}, {{"content-range", "bytes 0-1/4"}, {"cache-control", "max-age=60"}},
                "bo", 206)
                .status,
            206);
  EXPECT_EQ(get("/a", {{"if-none-match", "\"a\""}}, kFresh, "", 304).status, 304);
  EXPECT_EQ(get("/a", {}, kFresh, "whole").body, "whole");
  EXPECT_EQ(get("/a", {}, kFresh, "other").body, "whole");
}

}  // namespace
}  // namespace fairlead::filter
