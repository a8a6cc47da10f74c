// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/store.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "unit/cache/times.hpp"

namespace fairlead::cache {
namespace {

const std::vector<std::string> kTags = {"surrogate-key", "cache-tag"};

struct Named {
  std::string text;
  std::size_t url;
  explicit Named(std::string url_text, const std::string& rest = "\nrule")
      : text(url_text + rest), url(url_text.size()) {}
  [[nodiscard]] Key in(const Store& store) const {
    Key key{.text = text, .url_size = url};
    store.hash(key);
    return key;
  }
};

EntryPtr entry(std::string body, const http::Fields& fields = {}, const http::Fields& request = {}) {
  auto out = std::make_shared<Entry>();
  out->assign(fields, kTags, kNow);
  out->lifetime = 1000;
  out->body = std::make_shared<const std::string>(std::move(body));
  append_vary(out->vary, request, out->vary_values);
  return out;
}

bool put(Store& store, const Named& name, EntryPtr made) {
  const auto key = name.in(store);
  return store.insert(key, std::move(made), store.epoch(key));
}

std::string get(Store& store, const Named& name, const http::Fields& request = {}) {
  const auto found = store.find(name.in(store));
  if (found == nullptr) return "-";
  std::string scratch;
  const auto* one = found->select(request, scratch);
  return one == nullptr ? "vary" : *(*one)->body;
}

TEST(Entry, KeepsWhatMayBeStored) {
  const auto made = entry("b", {{"etag", "\"a\""},
                                {"age", "10"},
                                {"x-user", "u"},
                                {"set-cookie", "a=b"},
                                {"proxy-authenticate", "Basic"},
                                {"cache-control", "private=\"x-user\", no-cache=\"set-cookie\""},
                                {"vary", "Accept-Language, accept"},
                                {"vary", "ACCEPT"},
                                {"surrogate-key", "one two"},
                                {"cache-tag", "three,four , five"}});
  std::string names;
  for (const auto& field : made->fields) names.append(field.name).append(" ");
  EXPECT_EQ(names, "etag cache-control vary vary surrogate-key cache-tag date ");
  EXPECT_EQ(made->vary, (std::vector<std::string_view>{"accept", "accept-language"}));
  EXPECT_EQ(made->tags, (std::vector<std::string_view>{"one", "two", "three", "four", "five"}));
  EXPECT_EQ(made->validators.etag, "\"a\"");
  EXPECT_EQ(http::find(made->fields, "date")->value, "Tue, 14 Nov 2023 22:13:20 GMT");
}

TEST(Entry, IsFreshenedByA304) {
  const auto made = entry("b", {{"etag", "\"a\""}, {"content-type", "a/b"}, {"x", "1"}, {"y", "2"}, {"date", "old"}});
  const auto fields = freshened_fields(*made, {{"x", "3"}, {"content-type", "c/d"}, {"cache-control", "max-age=5"}});
  std::string text;
  for (const auto& field : fields) text.append(field.name).append("=").append(field.value).append(" ");
  EXPECT_EQ(text, "etag=\"a\" content-type=a/b y=2 x=3 cache-control=max-age=5 ");
}

TEST(Store, FindsByTheWholeKey) {
  Store store(1 << 20, 1024);
  ASSERT_TRUE(put(store, Named("http://a/x"), entry("one")));
  ASSERT_TRUE(put(store, Named("http://a/x", "\nother rule"), entry("two")));
  EXPECT_EQ(get(store, Named("http://a/x")), "one");
  EXPECT_EQ(get(store, Named("http://a/x", "\nother rule")), "two");
  EXPECT_EQ(get(store, Named("http://a/x", "\n")), "-");
  EXPECT_EQ(get(store, Named("http://a/y")), "-");
  ASSERT_TRUE(put(store, Named("http://a/x"), entry("three")));
  EXPECT_EQ(get(store, Named("http://a/x")), "three");
  EXPECT_EQ(store.counts().entries, 2U);
}

TEST(Store, TellsVariantsApart) {
  Store store(1 << 20, 1024);
  const Named name("http://a/x");
  const http::Fields vary = {{"vary", "accept-language"}};
  const auto language = [](std::string_view value) { return http::Fields{{"accept-language", value}}; };
  ASSERT_TRUE(put(store, name, entry("de", vary, language("de"))));
  ASSERT_TRUE(put(store, name, entry("en", vary, language("en"))));
  ASSERT_TRUE(put(store, name, entry("none", vary, {})));
  ASSERT_TRUE(put(store, name, entry("empty", vary, language(""))));
  EXPECT_EQ(get(store, name, language("de")), "de");
  EXPECT_EQ(get(store, name, language("en")), "en");
  EXPECT_EQ(get(store, name, {}), "none");
  EXPECT_EQ(get(store, name, language("")), "empty");
  EXPECT_EQ(get(store, name, language("fr")), "vary");
  // Two fields are not one with a comma in another place.
  EXPECT_EQ(get(store, name, {{"accept-language", "d"}, {"accept-language", "e"}}), "vary");
  ASSERT_TRUE(put(store, name, entry("de 2", vary, language("de"))));
  EXPECT_EQ(get(store, name, language("de")), "de 2");
  EXPECT_EQ(get(store, name, language("en")), "en");
  // Of many only the latest stay.
  for (int i = 0; i < 100; ++i) {
    const auto text = std::to_string(i);
    ASSERT_TRUE(put(store, name, entry(text, vary, language(text))));
  }
  EXPECT_EQ(get(store, name, language("99")), "99");
  EXPECT_EQ(get(store, name, language("68")), "68");
  EXPECT_EQ(get(store, name, language("67")), "vary");
}

TEST(Store, KeepsItsBoundAndWhatIsUsed) {
  Store store(1 << 20, 4096);
  const Named hot("http://a/hot");
  ASSERT_TRUE(put(store, hot, entry(std::string(2000, 'h'))));
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(put(store, Named("http://a/" + std::to_string(i)), entry(std::string(2000, 'x'))));
    EXPECT_NE(get(store, hot), "-") << i;
    ASSERT_LE(store.counts().bytes, std::uint64_t{1} << 20) << i;
  }
  const auto counts = store.counts();
  EXPECT_GT(counts.evictions, 2000U);
  EXPECT_GT(counts.bytes, std::uint64_t{3} << 18);  // room is used
  EXPECT_FALSE(put(store, Named("http://a/large"), entry(std::string(1 << 20, 'x'))));
}

/// One pass over many URLs leaves those that were in use.
TEST(Store, IsNotSweptByAScan) {
  Store store(1 << 20, 4096);
  std::vector<Named> used;
  for (int i = 0; i < 100; ++i) used.emplace_back("http://a/used" + std::to_string(i));
  for (const auto& name : used) ASSERT_TRUE(put(store, name, entry(std::string(2000, 'u'))));
  for (int round = 0; round < 2; ++round)
    for (const auto& name : used) EXPECT_NE(get(store, name), "-");
  for (int i = 0; i < 5000; ++i)
    ASSERT_TRUE(put(store, Named("http://a/" + std::to_string(i)), entry(std::string(2000, 'x'))));
  std::size_t left = 0;
  for (const auto& name : used) left += get(store, name) != "-" ? 1U : 0U;
  EXPECT_GT(left, 90U);
}

TEST(Store, ForgetsByUrlPrefixAndTag) {
  Store store(1 << 20, 1024);
  const auto fill = [&] {
    for (const char* url : {"http://a/x", "http://a/x?q", "http://a/y", "http://b/x"})
      ASSERT_TRUE(
          put(store, Named(url), entry("e", {{"cache-tag", std::string_view(url).ends_with('y') ? "t1, t2" : "t1"}})));
    ASSERT_TRUE(put(store, Named("http://a/x", "\nanother"), entry("e")));
  };
  const auto left = [&] { return store.counts().entries; };
  fill();
  EXPECT_EQ(store.invalidate("http://a/x"), 2U);  // both rules
  EXPECT_EQ(get(store, Named("http://a/x?q")), "e");
  EXPECT_EQ(store.invalidate("http://a/x"), 0U);
  fill();
  EXPECT_EQ(store.purge_prefix("http://a/"), 4U);
  EXPECT_EQ(left(), 1U);
  fill();
  EXPECT_EQ(store.purge_tag("t2"), 1U);
  EXPECT_EQ(store.purge_tag("t"), 0U);
  EXPECT_EQ(store.purge_tag("t1"), 3U);
  EXPECT_EQ(store.purge_prefix(""), 1U);
  EXPECT_EQ(left(), 0U);
  EXPECT_EQ(store.counts().bytes, 0U);
}

/// What was asked for before a purge came from before it.
TEST(Store, TakesNothingThatWasAskedForBeforeAPurge) {
  Store store(1 << 20, 1024);
  const Named name("http://a/x");
  const auto key = name.in(store);
  auto epoch = store.epoch(key);
  store.invalidate("http://a/x");
  EXPECT_FALSE(store.insert(key, entry("old"), epoch));
  epoch = store.epoch(key);
  store.purge_tag("any");
  EXPECT_FALSE(store.insert(key, entry("old"), epoch));
  EXPECT_EQ(get(store, name), "-");
  EXPECT_TRUE(store.insert(key, entry("new"), store.epoch(key)));
}

TEST(Store, RemembersWhatIsNotStored) {
  Store store(1 << 20, 1024);
  const Named name("http://a/x");
  store.pass(name.in(store), 500);
  const auto found = store.find(name.in(store));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->pass_until, 500);
  EXPECT_EQ(get(store, name), "vary");
  ASSERT_TRUE(put(store, name, entry("e")));
  EXPECT_EQ(store.find(name.in(store))->pass_until, 0);
}

TEST(Store, IsSharedByThreads) {
  Store store(1 << 20, 4096);
  const auto work = [&](int seed) {
    for (int i = 0; i < 20'000; ++i) {
      const Named name("http://a/" + std::to_string((i * 7 + seed) % 1000));
      const auto got = get(store, name);
      if (got == "-") put(store, name, entry(name.text));
      else if (got != name.text) ADD_FAILURE() << got;
      if (i % 1000 == 999) store.purge_prefix("http://a/1");
      if (i % 100 == 99) store.invalidate("http://a/2");
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
  EXPECT_LE(store.counts().bytes, std::uint64_t{1} << 20);
}

}  // namespace
}  // namespace fairlead::cache
