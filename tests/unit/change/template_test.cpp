// SPDX-License-Identifier: Apache-2.0
#include "fairlead/change/template.hpp"

#include <gtest/gtest.h>

#include <map>

namespace fairlead::change {
namespace {

/// request.header.x is `text`; request.body is `body`; nothing else is there.
class FakeScope final : public Scope {
 public:
  FakeScope(std::string text, std::string_view body) : text_(std::move(text)) {
    EXPECT_TRUE(body.empty() || json_.parse(body));
  }
  Value value(const Reference& reference, std::string& scratch) override {
    if (reference.source == Source::kHeader && reference.name == "x") {
      scratch = text_;
      return {.found = true, .text = scratch};
    }
    if (reference.source != Source::kBody || json_.empty()) return {};
    const auto at = find(json_, json_.root(), reference.path);
    return {.found = at != Json::kNone, .text = {}, .document = &json_, .node = at};
  }

 private:
  std::string text_;
  Json json_;
};

std::string rendered(std::string_view text, Place place, std::string value = "v", std::string_view body = {}) {
  const auto made = Template::compile(text, place);
  if (!made) return "! " + made.error().message;
  FakeScope scope(std::move(value), body);
  std::string out;
  switch (made->render(scope, 1000, out)) {
    case RenderError::kNone: return out;
    case RenderError::kTooLong: return "! too long";
    case RenderError::kUnsafe: return "! unsafe";
  }
  return "?";
}

TEST(Template, TakesValuesAndFilters) {
  struct Row {
    const char* text;
    const char* expected;
  };
  constexpr Row kRows[] = {
      {"plain", "plain"},
      {"a {{ request.header.X }} b", "a v b"},
      {"{{request.header.x}}", "v"},
      {"{{ request.body.a.b[1] }}", "2"},
      {"{{ request.body.n }}", "12345678901234567890123"},
      {"{{ request.body.d }}", "0.10"},
      {"{{ request.body.huge }}", "1e400"},
      {"{{ request.body.a }}", R"({"b":[1,2]})"},
      {"{{ request.body.nothing }}", ""},
      {"{{ request.body.null }}", ""},
      {"{{ request.body.nothing | default \"x y\" }}", "x y"},
      {"{{ request.body.null | default \"}}\" }}", "}}"},
      {"{{ request.body.s | upper }}", "TEXT \"Q\""},
      {"{{ request.body.s | upper | lower | limit 4 }}", "text"},
      {"{{ request.body.s | json }}", R"("text \"q\"")"},
      {"{{ request.body.s | urlencode }}", "text%20%22q%22"},
      {"{{ request.body.a.b | join \"; \" }}", "1; 2"},
      {"{{ request.body.s | number }}", ""},
      {"{{ request.body.s | base64 }}", "dGV4dCAicSI="},
      {"{{ request.body[\"x.y\"] }}", "true"},
      {"}} {", "}} {"},
  };
  constexpr auto kBody = R"({"a":{"b":[1,2]},"n":12345678901234567890123,"d":0.10,"huge":1e400,"null":null,)"
                         R"("s":"text \"q\"","x.y":true})";
  for (const auto& row : kRows) EXPECT_EQ(rendered(row.text, Place::kText, "v", kBody), row.expected) << row.text;
}

TEST(Template, SaysWhatIsWrong) {
  struct Row {
    const char* text;
    const char* expected;
    Place place = Place::kText;
  };
  constexpr Row kRows[] = {
      {"{{ a", "at character 1: {{ without }}"},
      {"ab {{ b }}", "at character 4: \"b\" is no value"},
      {"{{ }}", "at character 1: \"\" is no value"},
      {"{{ request.header. }}", "is no value"},
      {"{{ request.body. }}", "x"},
      {"{{ request.bodyx }}", "is no value"},
      {"{{ request.body.a..b }}", "is no value"},
      {"{{ calls.a }}", "is no value"},
      {"{{ calls.a.head }}", "is no value"},
      {"{{ uuid | shout }}", "\"shout\" is no filter"},
      {"{{ uuid lower }}", "a | before each filter"},
      {"{{ uuid | default }}", "default \"text\""},
      {"{{ uuid | default \"a }}", "{{ without }}"},
      {"{{ uuid | limit 0 }}", "limit and a number"},
      {"{{ uuid | }}", "\"\" is no filter"},
      {"{\"a\": {{ uuid }}", "no JSON", Place::kJson},
      {"{\"{{ uuid }}\": 1}", "a member's name without values", Place::kJson},
      {"{\"a{{ uuid }}b\" : 1}", "a member's name without values", Place::kJson},
      {"{{ uuid }}{{ uuid }}", "no JSON", Place::kJson},
      {"a\r\nb", "no control characters", Place::kHeader},
      {"a/{{ uuid }}", "a path begins with /", Place::kPath},
      {"/a/../{{ uuid }}", "without . and .. segments", Place::kPath},
      {"/a b", "no control characters, spaces", Place::kPath},
      {"/a?b", "no control characters, spaces, # or ?", Place::kPath},
  };
  for (const auto& row : kRows) {
    const auto made = Template::compile(row.text, row.place);
    if (row.text == std::string_view("{{ request.body. }}")) {
      EXPECT_TRUE(made) << "the whole body";
      continue;
    }
    ASSERT_FALSE(made) << row.text;
    EXPECT_NE(made.error().message.find(row.expected), std::string::npos) << made.error().message;
  }
  EXPECT_FALSE(Template::compile(std::string(65537, 'a'), Place::kText));
  std::string many;
  for (int i = 0; i < 257; ++i) many += "{{ uuid }}";
  EXPECT_FALSE(Template::compile(many, Place::kText));
}

/// What a client may put into a value, and what becomes of it where it is used.
TEST(Template, LetsNoValueBecomeStructure) {
  struct Row {
    const char* text;
    Place place;
    std::string_view value;
    const char* expected;
  };
  using namespace std::string_view_literals;
  constexpr Row kRows[] = {
      // headers
      {"a={{ request.header.x }}", Place::kHeader, "b\r\nset-cookie: c"sv, "a=b  set-cookie: c"},
      {"{{ request.header.x }}", Place::kHeader, "b\0c\x7f\x01"sv, "b c  "},
      {"{{ request.header.x }}", Place::kHeader, "\r\n"sv, ""},
      {"{{ request.body.s }}", Place::kHeader, "", "two  lines"},
      {"{{ request.header.x | json }}", Place::kHeader, "\r\n"sv, R"("\r\n")"},
      // paths
      {"/u/{{ request.header.x }}/p", Place::kPath, "a/b?c#d e%2f"sv, "/u/a%2Fb%3Fc%23d%20e%252f/p"},
      {"/u/{{ request.header.x }}/p", Place::kWholePath, "a/b?c#d e%2f:@"sv, "/u/a/b%3Fc%23d%20e%2f:@/p"},
      {"/u{{ request.header.x }}", Place::kWholePath, ""sv, "/u"},
      {"/u/{{ request.header.x }}/p", Place::kPath, "..", "! unsafe"},
      {"/u/{{ request.header.x }}/p", Place::kPath, ".", "! unsafe"},
      {"/u/.{{ request.header.x }}/p", Place::kPath, ".", "! unsafe"},
      {"/u/{{ request.header.x }}", Place::kPath, "../../admin", "! unsafe"},
      {"/u/{{ request.header.x }}", Place::kPath, "a\\..\\b", "! unsafe"},
      {"/u/{{ request.header.x }}", Place::kPath, "%2e%2e", "/u/%252e%252e"},
      {"/u/{{ request.header.x }}", Place::kPath, "...", "/u/..."},
      {"/u/{{ request.header.x }}/p", Place::kPath, "", "! unsafe"},
      {"/u/{{ request.body.none }}/p", Place::kPath, "a", "! unsafe"},
      {"/u/{{ request.body.none | default \"me\" }}/p", Place::kPath, "a", "/u/me/p"},
      {"/u/{{ request.header.x }}", Place::kPath, "\r\n \xc3\xa9"sv, "/u/%0D%0A%20%C3%A9"},
      {"/caf\xc3\xa9/[{{ request.header.x }}]", Place::kPath, "a"sv, "/caf%C3%A9/[a]"},
      // queries
      {"a={{ request.header.x }}", Place::kQuery, "b&c=d#e+f"sv, "a=b%26c%3Dd%23e%2Bf"},
      {"x y&z#\xc3\xa9\t\"%41%4+a/b?{{ request.header.x }}", Place::kQuery, "!"sv,
       "x%20y%26z%23%C3%A9%09%22%41%254+a/b?%21"},
      // JSON
      {R"({"a":"{{ request.header.x }}"})", Place::kJson, "\",\"admin\":true,\"b\":\""sv,
       R"({"a":"\",\"admin\":true,\"b\":\""})"},
      {R"({"a":{{ request.header.x }}})", Place::kJson, "1,\"admin\":true"sv, R"({"a":"1,\"admin\":true"})"},
      {R"({"a":{{ request.header.x | json }}})", Place::kJson, "\"\\"sv, R"({"a":"\"\\"})"},
      {R"({"a":"{{ request.header.x | json }}"})", Place::kJson, "\"\\"sv, R"({"a":"\"\\\"\\\\\""})"},
      {R"({"a":{{ request.header.x | number }}})", Place::kJson, "1}"sv, R"({"a":null})"},
      {R"({"a":{{ request.header.x | number }}})", Place::kJson, "1e400"sv, R"({"a":1e400})"},
      {R"({"a":"{{ request.header.x }}"})", Place::kJson, "\xff\n\0"sv, "{\"a\":\"\xef\xbf\xbd\\n\\u0000\"}"},
      {R"({"a":{{ request.body.n }},"b":"{{ request.body.n }}"})", Place::kJson, "", R"({"a":0.10,"b":"0.10"})"},
      {R"({"a":{{ request.body.none }}})", Place::kJson, "", R"({"a":null})"},
      {R"({"a":"\"{{ request.header.x }}"})", Place::kJson, "\""sv, R"({"a":"\"\""})"},
      // HTML
      {"<p>{{ request.header.x }}</p>", Place::kHtml, "<script>'\"&"sv, "<p>&lt;script&gt;&#39;&quot;&amp;</p>"},
      // values are no templates
      {"{{ request.header.x }}", Place::kText, "{{ request.body.s }}", "{{ request.body.s }}"},
  };
  for (const auto& row : kRows)
    EXPECT_EQ(rendered(row.text, row.place, std::string(row.value), R"({"s":"two\r\nlines","n":0.10})"), row.expected)
        << row.text << " with " << row.value;
}

TEST(Template, BoundsItsOutput) {
  EXPECT_EQ(rendered("{{ request.header.x }}{{ request.header.x }}", Place::kText, std::string(501, 'a')),
            "! too long");
  EXPECT_EQ(rendered("{{ request.header.x | limit 5 }}", Place::kText, "abcd\xc3\xa9"), "abcd");
}

TEST(Template, TellsWhatItNeeds) {
  const auto made =
      Template::compile("{{ request.body.a }} {{ calls.one.body.x }} {{ calls.two.status }}", Place::kText);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->uses(Source::kBody));
  EXPECT_FALSE(made->uses(Source::kHeader));
  EXPECT_EQ(made->calls(), (std::vector<std::string_view>{"one", "two"}));
  FakeScope scope("v", "");
  EXPECT_TRUE(made->lacks_value(scope));
  EXPECT_FALSE(Template::compile("{{ request.body.a | default \"\" }}", Place::kText)->lacks_value(scope));
}

TEST(Template, MakesJsonOfTexts) {
  EXPECT_EQ(json_template_of(" {{ uuid }} "), " {{ uuid }} ");
  EXPECT_EQ(json_template_of("a \"b\" {{ uuid | default \"c\" }}\n"), R"("a \"b\" {{ uuid | default "c" }}\n")");
  EXPECT_EQ(json_template_of("{{ uuid }}{{ uuid }}"), R"("{{ uuid }}{{ uuid }}")");
}

}  // namespace
}  // namespace fairlead::change
