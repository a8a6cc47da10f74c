// SPDX-License-Identifier: Apache-2.0
// The forms in which objects may stand in a file, and what is no object of ours.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/config/directory_fixture.hpp"

namespace fairlead::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FormTest : public DirectoryTest {
 protected:
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto kind : {Kind::kNamespace, Kind::kNode, Kind::kPod, Kind::kService, Kind::kEndpointSlice,
                            Kind::kDestinationRule, Kind::kNetworkPolicy, Kind::kAuthorizationPolicy})
      for (const auto& [key, unused] : cluster_.objects(kind)) out.push_back(key.text());
    return out;
  }
  std::vector<std::string> remarks() {
    std::vector<std::string> out;
    for (const auto& diagnostic : last_.diagnostics) out.push_back(diagnostic.text());
    return out;
  }
};

/// One of every kind that is read.
constexpr const char* kEach[] = {
    R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})",
    R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})",
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"shop"}})",
    R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"clusterIP":"10.0.0.1","ports":[{"port":80}]}})",
    R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e"},"addressType":"IPv4"})",
    R"({"apiVersion":"networking.istio.io/v1beta1","kind":"DestinationRule","metadata":{"name":"d"},"spec":{"host":"s"}})",
    R"({"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"n"},"spec":{"podSelector":{}}})",
    R"({"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"a"},"spec":{}})",
};
const auto kAllNames =
    ElementsAre("Namespace shop", "Node n1", "Pod shop/p", "Service default/s", "EndpointSlice default/e",
                "DestinationRule default/d", "NetworkPolicy default/n", "AuthorizationPolicy default/a");

TEST_F(FormTest, OneFileEach) {
  for (std::size_t i = 0; i < std::size(kEach); ++i) write("o" + std::to_string(i) + ".json", kEach[i]);
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), kAllNames);
}

TEST_F(FormTest, DocumentsInOneFile) {
  std::string text = "# exported\n";
  for (const auto* object : kEach) text += std::string("---\n") + object + "\n";
  write("all.yml", text + "---\n---\n# nothing\n...\n");
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), kAllNames);
}

TEST_F(FormTest, JsonList) {
  std::string items;
  for (const auto* object : kEach) items += (items.empty() ? "" : ",\n") + std::string(object);
  write("all.json",
        R"({"apiVersion":"v1","items":[)" + items + R"(],"kind":"List","metadata":{"resourceVersion":""}})");
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), kAllNames);
}

TEST_F(FormTest, YamlListAndTypedList) {
  std::string text = "apiVersion: v1\nitems:\n";
  for (const auto* object : kEach) text += std::string("- ") + object + "\n";
  write("a.yaml", text + "kind: List\nmetadata:\n  resourceVersion: \"\"\n");
  write("b.yaml",
        "apiVersion: v1\nkind: ServiceList\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: typed}\n  "
        "spec: "
        "{clusterIP: 10.0.0.2, ports: [{port: 1}]}\n");
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_EQ(names().size(), std::size(kEach) + 1);
  EXPECT_TRUE(get<model::Service>(Kind::kService, "default", "typed"));
}

TEST_F(FormTest, OtherKindsAreNamedAndIgnored) {
  write("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n---\n" + std::string(kEach[0]) +
                      "\n---\napiVersion: example.com/v1\nkind: Service\nmetadata: {name: knative}\n");
  load();
  EXPECT_THAT(remarks(), ElementsAre(HasSubstr("kind Deployment of apps/v1 is not served: ignored"),
                                     HasSubstr("kind Service of example.com/v1 is not served: ignored")));
  EXPECT_THAT(names(), ElementsAre("Namespace shop"));
}

TEST_F(FormTest, OtherFilesAreNotRead) {
  write("a.yaml", kEach[0]);
  write("notes.txt", "not: [yaml");
  std::filesystem::create_directories(root_ / "sub" / "deep");
  std::ofstream(root_ / "sub" / "b.yaml") << kEach[1];
  std::ofstream(root_ / "sub" / "deep" / "c.yaml") << kEach[2];
  std::ofstream(root_ / ".hidden.yaml") << kEach[3];
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("Namespace shop", "Node n1"));
  EXPECT_EQ(last_.files, 2U);
}

TEST_F(FormTest, YamlOfHands) {
  write("a.yaml", R"(--- # by hand
apiVersion: v1
kind: Service
metadata: &meta
  name: >-
    folded
spec:
  "clusterIP": '10.0.0.1'
  ports:
    - {port: 80,   # comment
       protocol: !!str TCP}
...
)");
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  const auto* found = get<model::Service>(Kind::kService, "default", "folded");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->cluster_ips[0].text(), "10.0.0.1");
}

TEST_F(FormTest, JsonObjectsOneAfterTheOther) {
  std::string text;
  for (const auto* object : kEach) text += std::string(object) + "\r\n";
  write("all.json", text);
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), kAllNames);
  EXPECT_EQ(last_.documents, std::size(kEach));
  write("all.json", text + R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"LAST"}})");
  changed();
  EXPECT_EQ(last_.documents_parsed, 2U);  // the one that was the last before ended with the file
  EXPECT_THAT(remarks(), ElementsAre(HasSubstr("all.json:9:59: error: Namespace LAST")));
}

TEST_F(FormTest, MergeKeysThatMeanNothing) {
  std::string wide = "a: &a {";
  for (int i = 0; i < 3000; ++i) wide += "k" + std::to_string(i) + ": ,";
  wide += "}\nb: {<<: [";
  for (int i = 0; i < 3000; ++i) wide += "*a,";
  write("a.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\nspec: {<<: 5}\n");
  write("b.yaml", wide + "]}\n");
  load();
  EXPECT_THAT(remarks(), ElementsAre(HasSubstr("a.yaml:4:12: error: the merge key << takes a mapping"),
                                     HasSubstr("b.yaml:2:11: error: merge keys (<<) that give too many fields")));
}

TEST_F(FormTest, OtherEncodingsAreNamed) {
  const auto wide = [](const std::string& text) {
    std::string out = "\xff\xfe";
    for (const char c : text) out += {c, '\0'};
    return out;
  };
  write("a.yaml", wide("apiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: a}\r\n"));
  write("b.json", wide(kEach[0]));
  write("c.yaml",
        std::string(kEach[0]) + "\n---\n" + kEach[1] + "\n" + std::string(1, '\0') + "\n---\n" + kEach[2] + "\n");
  load();
  EXPECT_THAT(remarks(), ElementsAre(HasSubstr("a.yaml:1:1: error: found UTF-16, expected UTF-8"),
                                     HasSubstr("b.json:1:1: error: found UTF-16, expected UTF-8"),
                                     HasSubstr("c.yaml:4:1: error: found a zero byte, expected text in UTF-8")));
  EXPECT_THAT(names(), ElementsAre("Namespace shop", "Pod shop/p"));
}

TEST_F(FormTest, WindowsLineEnds) {
  write("a.yaml",
        "---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata:\r\n  name: shop\r\n---\r\napiVersion: v1\r\nkind: "
        "Namespace\r\nmetadata:\r\n  name: tools\r\n");
  load();
  EXPECT_THAT(remarks(), IsEmpty());
  EXPECT_THAT(names(), ElementsAre("Namespace shop", "Namespace tools"));
}

}  // namespace
}  // namespace fairlead::config
