// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/known_bots.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <string>

namespace fairlead::filter {
namespace {

/// Found anywhere; between them is |.
constexpr std::string_view kNames =
    "50.nu|Aboundex|AdsBot-Google|aihttp|altavista|Apache-HttpClient|AppEngine-Google|archiver|Ask Jeeves|axios|"
    "bingbot|BingPreview|blitzbot|BlogBridge|Bloglovin|BoardReader Blog Indexer|BoardReader Favicon Fetcher|"
    "BotName/$BotVersion|BotSeer|BUbiNG|Catchpoint|Checklinks|Cityreview Robot|clumboot|Daumoa|Feed Seeker Bot|"
    "Feedbin|Finderbots|findlinks|Flamingo_SearchEngine|FollowSite Bot|furlbot|Genieo|gigabot|Go-http-client|"
    "GomezAgent|gonzo1|Google SketchUp|Google-HTTP-Java-Client|Googlebot|grub-client|heritrix|HiddenMarket|holmes|"
    "HooWWWer|htdig|http%20client|HttpMonitor|Icarus6j|ichiro|IconSurf|IlTrovatore|InfuzApp|InternetArchive|JNLP|"
    "Job Roboter|KaloogaBot|Kraken|Kurzor|larbin|LEIA|LesnikBot|Linguee Bot|LinkAider|LinkedInBot|Lite Bot|Llaut|"
    "lycos|Mail.RU_Bot|masidani_bot|masscan|Mediapartners-Google|MJ12bot|mogimogi|mozDex|msnbot|msrbot|"
    "Mtps Feed Aggregation System|netresearch|Netvibes|NewsGator|Nutch|Nymesis|ObjectsSearch|OgScrper|okhttp|"
    "OOZBOT|Orbiter|PagePeeker|PagesInventory|PaxleFramework|Peeplo Screenshot Bot|PlantyNet_WebRobot|Pompos|"
    "Python-urllib|Qwantify|Read%20Later|Reaper|RedCarpet|reqwest|Retreiver|Riddler|Rival IQ|scalaj-http|scooter|"
    "Scrapy|Scrubby|searchsight|seekbot|semanticdiscovery|SemrushBot|SEOstats|SimplePie|SimpleRSS|Simpy|"
    "SiteCat Webbot|SiteCon|Slack-ImgProxy|Slackbot-LinkExpanding|Slurp|snappy|Squrl Java|Stringer|TheUsefulbot|"
    "Thumbshots.ru|ThumbShotsBot|Tiny Tiny RSS|TLSProber|Twitterbot|URL2PNG|Vagabondo|VoilaBot|Votay bot|"
    "Web-sniffer|WebThumb|WhatsApp|WhatWeb|WinHTTP|WIRE|WordPress|Wotbox|www.almaden.ibm.com|yacy|YahooSeeker|"
    "YodaoBot|YottaaMonitor|Yowedo|ZeBot_www.ze.bz|ZooShot|ZyBorg";
/// As words before a slash and a number.
constexpr std::string_view kWords =
    "008|Altresium|Argus|BaiduMobaider|BoardReader|DataparkSearch|DNSGroup|EDI|envolk|Goodzer|Grub|Infohelfer|"
    "INGRID|LOOQ|PathDefender|Peew|PostPost|sproose|Steeler|VSE|WebCrunch|WebZIP|wminer";
constexpr std::string_view kExpressions[] = {
    R"((?i:spider|crawl)|[Ss]crape)",
    R"((?:[Aa]rchiver|[Ii]ndexer|[Bb]ot)[/ ][0-9])",
    R"(/(?:[A-z]+[Bb]ot|Axtaris|fetchurl|Isara|ShopSalad|Tailsweep)[ -][0-9])",
    R"(\b(?:Boto3?|JetS3t|s3fs|aws-(?:cli|sdk-(?:cpp|go|java|nodejs|ruby2?|dotnet-(?:[0-9]{1,2}|core))))/[0-9]+\.[0-9])",
    R"(Pingdom\.com_bot_version_[0-9]+\.[0-9])",
    R"(facebookexternalhit/[0-9]+\.[0-9])",
    R"(Google.*/\+/web/snippet)",
    R"( PTST/[0-9]+\.?[0-9]+$)",
    R"(unirest-(?:java|python|ruby|nodejs|php|net))",
    R"(Accoona-[A-z]{1,30}-Agent)",
    R"(archive.{0,30}\.org_bot)",
    R"(boitho.com-dc)",
    R"(\b\w{0,30}favicon\w{0,30}\b)",
    R"(\bYeti)",
    R"([Cc]harlotte)",
    R"(IP2[a-z]{1,30}Bot)",
    R"(jbot\b)",
    R"(Microsoft .{0,30} Bot)",
    R"(^(?:NING|vortex|voyager|Zao))",
    R"(WASALive.Bot)",
    R"(WeSEE:[A-z])",
    R"(Xenu(?:.s)? Link Sleuth)",
    R"(Xerka [A-z]{1,30}Bot)",
    R"(Yandex\w)",
    R"(\bY!J-BR[A-Z]/[0-9])"};

/// One automaton for all: a request costs one pass over its field.
std::string expression() {
  std::string out = "\\b(?:" + std::string(kWords) + ")/[0-9]";
  for (const auto one : kExpressions) out.append("|").append(one);
  for (auto left = kNames; !left.empty();) {
    const auto name = left.substr(0, left.find('|'));
    left.remove_prefix(std::min(name.size() + 1, left.size()));
    out.append("|").append(re2::RE2::QuoteMeta(re2::StringPiece(name.data(), name.size())));
  }
  return out;
}

}  // namespace

bool is_known_bot(std::string_view agent) {
  static const re2::RE2 kBots(expression(), re2::RE2::Latin1);
  return re2::RE2::PartialMatch(re2::StringPiece(agent.data(), agent.size()), kBots);
}

}  // namespace fairlead::filter
