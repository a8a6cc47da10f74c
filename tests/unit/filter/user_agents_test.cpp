// SPDX-License-Identifier: Apache-2.0
// Section userAgents: whom it lets in, and which bots it knows.
#include <gtest/gtest.h>

#include "fairlead/model/request_access.hpp"
#include "gateway/dataplane/filter/known_bots.hpp"
#include "tests/unit/filter/change_request.hpp"
#include "tests/unit/filter/fake_request.hpp"

namespace fairlead::filter {
namespace {

/// 0: it passes.
int status(const model::UserAgentRules& settings, std::initializer_list<const char*> agents) {
  ChangeContext context;
  auto all = context.get();
  FakeRequest request;
  for (const auto* agent : agents) request.with("user-agent", agent);
  if (make_user_agents(settings, all)->on_request(request) == Verdict::kContinue) return 0;
  return request.said()->status;
}

TEST(UserAgents, AllowGoesBeforeDenyAndBots) {
  const model::UserAgentRules rules{.allow = {"^ours/", "bingbot/9"}, .deny = {"curl", "(?i)wget"}, .deny_bots = true};
  EXPECT_EQ(status(rules, {}), 0);
  EXPECT_EQ(status(rules, {""}), 0);
  EXPECT_EQ(status(rules, {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}), 0);
  EXPECT_EQ(status(rules, {"curl/8.0"}), 403);
  EXPECT_EQ(status(rules, {"Curl/8.0"}), 0);
  EXPECT_EQ(status(rules, {"GNU WGET"}), 403);
  EXPECT_EQ(status(rules, {"ours/1 curl/8.0"}), 0);
  EXPECT_EQ(status(rules, {"not ours/1 curl/8.0"}), 403);
  EXPECT_EQ(status(rules, {"bingbot/2.0"}), 403);
  EXPECT_EQ(status(rules, {"bingbot/9.0"}), 0);
  EXPECT_EQ(status(rules, {"ours/1", "ours/1"}), 400);
  EXPECT_EQ(status({.allow = {}, .deny = {"curl"}, .deny_bots = false}, {"bingbot/2.0"}), 0);
}

TEST(UserAgents, BotsAreKnown) {
  for (const auto* agent : {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                            "facebookexternalhit/1.1",
                            "Twitterbot/1.0",
                            "aws-cli/1.2",
                            "aws-sdk-dotnet-45/1.1",
                            "Boto3/1.20 md",
                            "a PTST/12",
                            "x /mybot-1",
                            "Steeler/3.1",
                            "Mozilla/4.0 (compatible; MSIE 6.0; MSIECrawler)",
                            "Go-http-client/1.1",
                            "okhttp",
                            "unirest-java",
                            "BotName/$BotVersion",
                            "50.nu",
                            "favicon",
                            "jbot",
                            "NING",
                            "Zao-Crawler",
                            "my SPIDER",
                            "Scrape",
                            "some indexer/1",
                            "Archiver 3",
                            "Y!J-BRX/1.0",
                            "Xenu's Link Sleuth",
                            "Yandex1",
                            "archive xyz.org_bot"})
    EXPECT_TRUE(is_known_bot(agent)) << agent;
  for (const auto* agent :
       {"", "curl/8.5.0", "Wget/1.21", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0",
        "PTST/12", "CUBOT", "bot", "SCRAPE", "Steelers 3", "Steeler/x", "50xnu", "jbots", "a NING", "Yandex", "aYeti",
        "aws-sdk-dotnet-x/1.1", "facebookexternalhit", "PostmanRuntime/7.1"})
    EXPECT_FALSE(is_known_bot(agent)) << agent;
}

}  // namespace
}  // namespace fairlead::filter
