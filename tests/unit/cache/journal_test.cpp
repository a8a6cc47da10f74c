// SPDX-License-Identifier: Apache-2.0
#include "fairlead/cache/journal.hpp"

#include <gtest/gtest.h>

#include <string>

#include "fairlead/cache/registry.hpp"

namespace fairlead::cache {
namespace {

using Tags = std::vector<std::string_view>;

EntryPtr tagged(const std::string& tags) {
  auto out = std::make_shared<Entry>();
  const http::Fields fields = {{"cache-tag", tags}};
  out->assign(fields, {"cache-tag"}, 1'700'000'000);
  out->lifetime = 1000;
  out->body = std::make_shared<const std::string>("x");
  return out;
}

class JournalTest : public testing::Test {
 protected:
  JournalTest() { journal.add(store); }

  void put(std::string_view url, const std::string& tags = "none") {
    Key key{.text = url, .url_size = url.size()};
    store->hash(key);
    ASSERT_TRUE(store->insert(key, tagged(tags), store->epoch(key)));
  }
  bool has(std::string_view url) {
    Key key{.text = url, .url_size = url.size()};
    store->hash(key);
    return store->find(key) != nullptr;
  }
  void read(std::uint64_t end, std::vector<JournalPage::Item> items, bool last = true, std::uint64_t floor = 0,
            std::uint64_t number = 1) {
    journal.apply({.end = {.journal = number, .purge = end}, .floor = floor, .items = std::move(items), .last = last},
                  1000);
  }

  std::shared_ptr<Store> store = std::make_shared<Store>(1 << 20, 1 << 10);
  Journal journal;
};

TEST_F(JournalTest, IsNotKnownBeforeItWasReadToItsEnd) {
  EXPECT_FALSE(journal.mark(1000));
  read(200, {{.number = 1, .text = "ta"}}, false);
  EXPECT_FALSE(journal.mark(1000)) << "there is more";
  EXPECT_EQ(journal.read_to().purge, 1U);
  read(200, {{.number = 200, .text = "tb"}});
  ASSERT_TRUE(journal.mark(1000));
  EXPECT_EQ(journal.mark(1000)->purge, 200U);
  EXPECT_TRUE(journal.mark(1000 + Journal::kMostLag));
  EXPECT_FALSE(journal.mark(1001 + Journal::kMostLag)) << "it was not read for too long";
}

TEST_F(JournalTest, PurgesOfOthersReachMemory) {
  put("http://a/1");
  put("http://a/2");
  put("http://b/1", "red");
  put("http://b/2", "blue");
  read(3, {{.number = 1, .text = "uhttp://a/1"}, {.number = 3, .text = "tred"}});
  EXPECT_FALSE(has("http://a/1") || has("http://b/1"));
  EXPECT_TRUE(has("http://a/2") && has("http://b/2"));
  read(4, {{.number = 4, .text = "phttp://b/"}});
  EXPECT_FALSE(has("http://b/2"));
  EXPECT_TRUE(has("http://a/2"));
  read(5, {{.number = 5, .text = "?of a later version"}});
  EXPECT_FALSE(has("http://a/2")) << "what is not understood purges everything";
}

TEST_F(JournalTest, WhatIsOlderThanAPurgeIsPurged) {
  read(30,
       {{.number = 10, .text = "uhttp://a/1"}, {.number = 20, .text = "tred"}, {.number = 30, .text = "phttp://b/"}});
  const auto purged = [&](std::uint64_t since, std::string_view url, const Tags& tags = {}) {
    return journal.purged({.journal = 1, .purge = since}, url, tags);
  };
  EXPECT_TRUE(purged(9, "http://a/1"));
  EXPECT_FALSE(purged(10, "http://a/1"));
  EXPECT_FALSE(purged(9, "http://a/12")) << "a URL is no prefix";
  EXPECT_TRUE(purged(19, "http://c/", {"blue", "red"}));
  EXPECT_FALSE(purged(19, "http://c/", {"blue"}));
  EXPECT_FALSE(purged(20, "http://c/", {"red"}));
  EXPECT_TRUE(purged(29, "http://b/x"));
  EXPECT_FALSE(purged(30, "http://b/x"));
  EXPECT_TRUE(journal.purged({.journal = 2, .purge = 99}, "http://d/", {})) << "of another journal";
}

TEST_F(JournalTest, WhatIsOlderThanTheJournalIsPurged) {
  read(50, {{.number = 50, .text = "tx"}}, true, 40);
  EXPECT_TRUE(journal.purged({.journal = 1, .purge = 39}, "http://a/", {}));
  EXPECT_FALSE(journal.purged({.journal = 1, .purge = 40}, "http://a/", {}));
  put("http://a/");
  read(70, {{.number = 70, .text = "ty"}}, true, 60);
  EXPECT_FALSE(has("http://a/")) << "purges between 50 and 60 were missed";
  EXPECT_FALSE(journal.purged({.journal = 1, .purge = 60}, "http://a/", Tags{"x"})) << "what was cut off is forgotten";
}

TEST_F(JournalTest, ANewJournalLeavesMemoryAlone) {
  put("http://a/");
  read(50, {});
  read(1, {}, true, 0, 2);
  EXPECT_TRUE(has("http://a/"));
  EXPECT_TRUE(journal.purged({.journal = 1, .purge = 50}, "http://a/", {}));
  EXPECT_EQ(journal.mark(1000)->journal, 2U);
}

TEST_F(JournalTest, WhatIsPurgedHereCountsAtOnceAndWaits) {
  int woken = 0;
  journal.set_wake([&] { ++woken; });
  read(5, {});
  const JournalMark now{.journal = 1, .purge = 5};
  journal.publish(PurgeKind::kTag, "red");
  journal.publish(PurgeKind::kTag, "red");
  journal.publish(PurgeKind::kPrefix, "http://a/");
  EXPECT_EQ(woken, 3);
  EXPECT_EQ(journal.waiting(10), (std::vector<std::string>{"tred", "phttp://a/"}));
  EXPECT_TRUE(journal.purged(now, "http://a/x", {}));
  EXPECT_TRUE(journal.purged(now, "http://b/x", Tags{"red"}));
  EXPECT_FALSE(journal.purged(now, "http://b/x", {}));
  journal.written({"tred"}, {.journal = 1, .purge = 6});
  EXPECT_EQ(journal.waiting_count(), 1U);
  EXPECT_TRUE(journal.purged(now, "http://b/x", Tags{"red"})) << "by its number";
  EXPECT_FALSE(journal.purged({.journal = 1, .purge = 6}, "http://b/x", Tags{"red"}));
}

TEST_F(JournalTest, IsBounded) {
  journal.publish(PurgeKind::kUrl, std::string(Journal::kMostText + 100, 'u'));
  EXPECT_EQ(journal.waiting(1)[0].substr(0, 2), "pu") << "all that begin so";
  EXPECT_EQ(journal.waiting(1)[0].size(), Journal::kMostText + 1);
  for (std::size_t i = 1; i < Journal::kMostWaiting; ++i) journal.publish(PurgeKind::kTag, std::to_string(i));
  EXPECT_EQ(journal.waiting_count(), Journal::kMostWaiting);
  journal.publish(PurgeKind::kTag, "one more");
  EXPECT_EQ(journal.waiting(10), (std::vector<std::string>{"p"})) << "everything";
}

TEST(JournalRegistry, APurgeIsPublished) {
  Registry registry;
  const auto journal = std::make_shared<Journal>();
  registry.add(journal);
  EXPECT_EQ(registry.purge_url("http://a/"), 0U);
  EXPECT_EQ(registry.purge_prefix("http://"), 0U);
  EXPECT_EQ(registry.purge_tag("red"), 0U);
  EXPECT_EQ(journal->waiting(10), (std::vector<std::string>{"uhttp://a/", "phttp://", "tred"}));
}

}  // namespace
}  // namespace fairlead::cache
