// SPDX-License-Identifier: Apache-2.0
// Lists are cut into items: a change of one reads one.
#include "gateway/dataplane/config/parse.hpp"
#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

std::string yaml_list(const std::string& second, const std::string& indent) {
  std::string out = "apiVersion: v1\nitems:\n";
  for (const auto& [name, ip] :
       {std::pair<std::string, std::string>{"one", "10.0.0.1"}, {"two", second}, {"three", "10.0.0.3"}})
    out += indent + "- apiVersion: v1\n" + indent + "  kind: Service\n" + indent + "  metadata:\n" + indent +
           "    name: " + name + "\n" + indent + "  spec:\n" + indent + "    clusterIP: " + ip + "\n" + indent +
           "    ports:\n" + indent + "    - port: 80\n";
  return out + "kind: List\nmetadata:\n  resourceVersion: \"\"\n";
}

std::string json_list(const std::string& second) {
  std::string out = "{\n  \"apiVersion\": \"v1\",\n  \"items\": [";
  for (const auto& [name, ip] :
       {std::pair<std::string, std::string>{"one", "10.0.0.1"}, {"two", second}, {"three", "10.0.0.3"}})
    out += std::string(name == "one" ? "" : ",") +
           "\n    {\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"" + name +
           "\"},\n     \"spec\": {\"clusterIP\": \"" + ip +
           "\", \"ports\": [{\"port\": 80, \"appProtocol\": \"a]}\\\"\"}]}}";
  return out + "\n  ],\n  \"kind\": \"List\"\n}\n";
}

class ListTest : public DirectoryTest {
 protected:
  void change_one(const std::string& name, const std::string& before, const std::string& after) {
    write(name, before);
    load();
    EXPECT_EQ(last_.changes.size(), 3U);
    write(name, after);
    changed();
    EXPECT_EQ(last_.documents_parsed, 1U);
    ASSERT_EQ(last_.changes.size(), 1U);
    EXPECT_EQ(get<model::Service>(Kind::kService, "default", "two")->cluster_ips[0].text(), "10.0.0.22");
  }
};

TEST_F(ListTest, YamlAsKubectlPrintsIt) { change_one("a.yaml", yaml_list("10.0.0.2", ""), yaml_list("10.0.0.22", "")); }
TEST_F(ListTest, YamlWithIndentedItems) {
  change_one("a.yaml", yaml_list("10.0.0.2", "  "), yaml_list("10.0.0.22", "  "));
}

/// As the API server answers: what the items are stands in the list only.
std::string typed_list(const std::string& kind, const std::string& version, const std::string& items) {
  return R"({"kind":")" + kind + R"(","apiVersion":"v1","metadata":{"resourceVersion":")" + version +
         R"("},"items":[)" + items + "]}\n";
}

std::string bare_service(const std::string& name, const std::string& ip) {
  return R"({"metadata":{"name":")" + name + R"("},"spec":{"clusterIP":")" + ip + R"(","ports":[{"port":80}]}})";
}

TEST_F(ListTest, ItemsAreOfTheListsKindWhereTheySayNone) {
  const auto services = [](const std::string& version, const std::string& second) {
    return typed_list(
        "ServiceList", version,
        bare_service("one", "10.0.0.1") + "," + bare_service("two", second) + "," + bare_service("three", "10.0.0.3"));
  };
  change_one("a.json", services("7", "10.0.0.2"), services("8", "10.0.0.22"));
  EXPECT_TRUE(last_.diagnostics.empty());
}

TEST_F(ListTest, TheListsKindMayStandBehindItsItems) {
  const auto list = [](const std::string& kind) {
    return "apiVersion: v1\nitems:\n- metadata: {name: x}\n- metadata: {name: y}\nkind: " + kind + "\n";
  };
  write("a.yaml", list("NamespaceList"));
  load();
  EXPECT_TRUE(last_.diagnostics.empty()) << last_.diagnostics[0].text();
  EXPECT_EQ(last_.changes.size(), 2U);
  write("a.yaml", list("NodeList"));
  changed();
  EXPECT_EQ(get<model::Namespace>(Kind::kNamespace, "", "x"), nullptr);
  EXPECT_NE(get<model::Node>(Kind::kNode, "", "x"), nullptr);
}

TEST_F(ListTest, TheSameItemsOfAnotherKind) {
  const std::string items = R"({"metadata":{"name":"x"}},{"metadata":{"name":"y"}})";
  write("a.json", typed_list("NamespaceList", "1", items));
  load();
  EXPECT_NE(get<model::Namespace>(Kind::kNamespace, "", "y"), nullptr);
  write("a.json", typed_list("NodeList", "1", items));
  changed();
  EXPECT_EQ(get<model::Namespace>(Kind::kNamespace, "", "y"), nullptr);
  EXPECT_NE(get<model::Node>(Kind::kNode, "", "y"), nullptr);
}

TEST_F(ListTest, ItemsOfAPlainListSayWhatTheyAre) {
  write("a.json", typed_list("List", "1", bare_service("one", "10.0.0.1")));
  load();
  EXPECT_TRUE(last_.changes.empty());
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_NE(last_.diagnostics[0].text().find("apiVersion"), std::string::npos) << last_.diagnostics[0].text();
}

TEST_F(ListTest, ABadItemLeavesTheOthersAndNamesItsLine) {
  write("a.yaml", yaml_list("10.0.0.300", ""));
  load();
  EXPECT_EQ(last_.changes.size(), 2U);
  ASSERT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_EQ(last_.diagnostics[0].line, 16U) << last_.diagnostics[0].text();
}

TEST_F(ListTest, AnAliasToAnotherItemIsFollowed) {
  write("a.yaml",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: &m {name: x}\n"
        "- apiVersion: v1\n  kind: Node\n  metadata: *m\nkind: List\n");
  load();
  EXPECT_TRUE(last_.diagnostics.empty()) << last_.diagnostics[0].text();
  EXPECT_EQ(last_.changes.size(), 2U);
}

TEST_F(ListTest, WhatIsNoListIsSaidToBeNone) {
  write("a.yaml", "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: x}\nkind: Other\n");
  load();
  EXPECT_TRUE(last_.changes.empty());
  EXPECT_EQ(last_.diagnostics.size(), 1U);
}

// libfyaml 0.7.12 does not come back from some unfinished ones.
TEST(ParseText, RefusesDirectives) {
  for (const auto* text : {"%YAML 1.2\n---\nkind: List\n", "a: b\n%", "\xef\xbb\xbf%TAG"}) {
    const auto parsed = parse_text(text, false);
    ASSERT_EQ(parsed.diagnostics.size(), 1U);
    EXPECT_NE(parsed.diagnostics[0].expected.find("directives"), std::string::npos);
  }
  EXPECT_TRUE(
      parse_text("apiVersion: v1\nkind: Node\nmetadata: {name: a, uid: \"100%\"}\n", false).diagnostics.empty());
}

std::string json_namespace(const std::string& name) {
  return R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ")" + name + "\"}}";
}

// A JSON document that others followed is cut otherwise once it is the last: the blanks behind it are its own then.
TEST_F(ListTest, JsonWhoseRestGoes) {
  write("a.json", json_namespace("one") + "\n" + json_namespace("two") + "\n");
  load();
  EXPECT_EQ(last_.changes.size(), 2U);
  write("a.json", json_namespace("one") + "\n");
  changed();
  EXPECT_EQ(last_.documents, 1U);
  EXPECT_TRUE(last_.diagnostics.empty());
  EXPECT_NE(get<model::Namespace>(Kind::kNamespace, "", "one"), nullptr);
  EXPECT_EQ(get<model::Namespace>(Kind::kNamespace, "", "two"), nullptr);
}

// The second item does not become the first by leaving that out: its comma is in the way.
TEST_F(ListTest, JsonWithoutItsFirstItem) {
  const std::string head = R"({"apiVersion": "v1", "kind": "List", "items": [)";
  write("a.json", head + json_namespace("one") + "," + json_namespace("two") + "]}");
  load();
  EXPECT_EQ(last_.changes.size(), 2U);
  write("a.json", head + "," + json_namespace("two") + "]}");
  changed();
  EXPECT_EQ(last_.diagnostics.size(), 1U);
  EXPECT_TRUE(last_.changes.empty()) << "what cannot be read leaves what was good in force";
}

TEST_F(ListTest, Json) { change_one("a.json", json_list("10.0.0.2"), json_list("10.0.0.22")); }

}  // namespace
}  // namespace fairlead::config
