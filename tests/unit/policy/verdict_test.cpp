// SPDX-License-Identifier: Apache-2.0
// What policies mean: text in, the kernel's own decision code out.
#include <gtest/gtest.h>

#include "unit/policy/small_cluster.hpp"

namespace fairlead {
namespace {

using test::SmallCluster;

struct Row {
  const char* name;
  std::string policies;
  const char* question;
  const char* answer;
  bool default_closed = false;
};

std::string np(const std::string& spec, const std::string& name = "np", const std::string& ns = "default") {
  return SmallCluster::network_policy(spec, name, ns);
}
std::string ap(const std::string& spec, const std::string& name = "ap", const std::string& ns = "default") {
  return SmallCluster::authorization_policy(spec, name, ns);
}
/// Ingress of db.
std::string db_from(const std::string& from) {
  return np("{podSelector: {matchLabels: {app: db}}, ingress: [{from: " + from + "}]}");
}
std::string db_ports(const std::string& ports) {
  return np("{podSelector: {matchLabels: {app: db}}, ingress: [{ports: " + ports + "}]}");
}
std::string web_to(const std::string& rule) {
  return np("{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [" + rule + "]}");
}
std::string db_ap(const std::string& action, const std::string& rules) {
  return ap("{selector: {matchLabels: {app: db}}, action: " + action + ", rules: " + rules + "}");
}
std::string db_source(const std::string& action, const std::string& source) {
  return db_ap(action, "[{from: [{source: " + source + "}]}]");
}
std::string db_when(const std::string& action, const std::string& when) {
  return db_ap(action, "[{when: [" + when + "]}]");
}

constexpr const char* kByRule = "allow by NetworkPolicy default/np, ingress rule 1";
constexpr const char* kNoRule = "deny by NetworkPolicy default/np, no ingress rule matches";
constexpr const char* kNoEgress = "deny by NetworkPolicy default/np, no egress rule matches";
constexpr const char* kEgress = "allow by NetworkPolicy default/np, egress rule 1";
constexpr const char* kByAllow = "allow by AuthorizationPolicy default/ap, ingress rule 1";
constexpr const char* kNoAllow = "deny by AuthorizationPolicy default/ap, no ingress rule matches";
constexpr const char* kByDeny = "deny by AuthorizationPolicy default/ap, ingress rule 1";

const Row kRows[] = {
    // the defaults
    {"OpenWithoutPolicies", "", "job > db:80", "allow"},
    {"ClosedWithoutPolicies", "", "job > db:80", "deny", true},
    {"ClosedToTheWorld", "", "203.0.113.5 >> db:80", "deny", true},
    {"ClosedButTheNode", "", "n1 > db:80", "allow", true},
    {"ClosedButTheNodesBridge", "", "10.0.0.254 >> db:80", "allow", true},
    {"ClosedButToTheNode", "", "db > n1:10250", "allow", true},
    {"ClosedToAnotherNode", "", "n2 >> db:80", "deny", true},
    {"ClosedButOneself", "", "db > db:80", "allow", true},
    {"ClosedOpensForWhatIsSelected",
     db_from("[{podSelector: {}}]") + "---\n" + np("{podSelector: {matchLabels: {app: web}}, ingress: []}", "w"),
     "web > db:80", kByRule, true},
    {"ClosedStaysSoForOnesThatOnlyDenyPoliciesSelect", db_source("DENY", "{namespaces: [x]}"), "n2 >> db:80", "deny",
     true},
    // isolation
    {"IsolatedByNoRules", np("{podSelector: {}}"), "web > db:80", kNoRule},
    {"OnlyItsNamespace", np("{podSelector: {}}"), "web > job:80", "allow"},
    {"OnlyWhatItSelects", db_from("[]"), "job > web:80", "allow"},
    {"IngressDoesNotIsolateEgress", db_from("[{podSelector: {}}]"), "db > job:80", "allow"},
    {"AnEmptyFromIsEverybody", db_from("[]"), "203.0.113.5 >> db:80", kByRule},
    {"APodReachesItself", np("{podSelector: {}, policyTypes: [Ingress, Egress]}"), "db > db:80", "allow"},
    {"TheNodeReachesItsPods", np("{podSelector: {}}"), "n1 >> db:80", "allow"},
    {"AnotherNodeDoesNot", np("{podSelector: {}}"), "n2 >> db:80", kNoRule},
    {"PoliciesAddUp",
     db_from("[{ipBlock: {cidr: 203.0.113.0/24}}]") + "---\n" +
         np("{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}", "second"),
     "web > db:80", "allow by NetworkPolicy default/second, ingress rule 1"},
    // peers
    {"PodsOfTheSameNamespace", db_from("[{podSelector: {matchLabels: {app: web}}}]"), "web > db:80", kByRule},
    {"PodsOfAnotherNamespaceWithThoseLabels", db_from("[{podSelector: {}}]"), "job > db:80", kNoRule},
    {"NamespacesByLabel", db_from("[{namespaceSelector: {matchLabels: {env: test}}}]"), "job > db:80", kByRule},
    {"NamespacesByTheirName", db_from("[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}]"),
     "api > db:80", kByRule},
    {"AllNamespacesAreNotTheWorld", db_from("[{namespaceSelector: {}}]"), "203.0.113.5 >> db:80", kNoRule},
    {"NamespaceAndPodTogether",
     db_from("[{namespaceSelector: {matchLabels: {env: test}}, podSelector: {matchLabels: {app: api}}}]"),
     "job > db:80", kNoRule},
    {"NamespaceAndPodTogetherMatch",
     db_from("[{namespaceSelector: {matchLabels: {env: test}}, podSelector: {matchLabels: {app: api}}}]"),
     "api > db:80", kByRule},
    {"NamespaceOrPod",
     db_from("[{namespaceSelector: {matchLabels: {env: test}}}, {podSelector: {matchLabels: {app: web}}}]"),
     "web > db:80", kByRule},
    {"NotIn", db_from("[{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}]"),
     "web > db:80", kNoRule},
    {"Exists", db_from("[{namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}}]"), "job > db:80",
     kByRule},
    {"Block", db_from("[{ipBlock: {cidr: 203.0.113.0/24}}]"), "203.0.113.5 >> db:80", kByRule},
    {"OutsideOfTheBlock", db_from("[{ipBlock: {cidr: 203.0.113.0/24}}]"), "198.51.100.7 >> db:80", kNoRule},
    {"AllOfV6IsNothingOfV4", db_from("[{ipBlock: {cidr: '::/0'}}]"), "203.0.113.5 >> db:80", kNoRule},
    {"NorAPodOfV4", db_from("[{ipBlock: {cidr: '::/0'}}]"), "web > db:80", kNoRule},
    {"NorIsAnyOfItExcepted", db_from("[{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: '::/0'}}]"),
     "203.0.113.5 >> db:80", kByRule},
    {"AllOfV6", db_from("[{ipBlock: {cidr: '::/0'}}]"), "2001:db8:9::9 >> db:80", kByRule},
    {"AllOfV6HoldsItsPods", db_from("[{ipBlock: {cidr: '::/0'}}, {ipBlock: {cidr: 203.0.113.0/24}}]"), "web6 > db:80",
     kByRule},
    {"Except", db_from("[{ipBlock: {cidr: 203.0.0.0/8, except: [203.0.113.0/24]}}]"), "203.0.113.5 >> db:80", kNoRule},
    {"BesideExcept", db_from("[{ipBlock: {cidr: 203.0.0.0/8, except: [203.0.113.0/24]}}]"), "203.0.112.5 >> db:80",
     kByRule},
    {"ABlockWithinAnException",
     db_from("[{ipBlock: {cidr: 203.0.0.0/8, except: [203.0.113.0/24]}}, {ipBlock: {cidr: 203.0.113.0/28}}]"),
     "203.0.113.5 >> db:80", kByRule},
    {"ABlockHoldsPodsToo", db_from("[{ipBlock: {cidr: 10.0.1.0/24}}]"), "job > db:80", kByRule},
    {"AndLeavesOthersOut", db_from("[{ipBlock: {cidr: 10.0.1.0/31}}]"), "api > db:80", kNoRule},
    {"TheOtherFamilyIsInNoBlock",
     np("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"),
     "2001:db8::9 >> web6:80", kNoRule},
    {"V6Block", np("{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: 2001:db8::/64}}]}]}"),
     "2001:db8::9 >> web6:80", kByRule},
    // ports
    {"Port", db_ports("[{port: 5432}]"), "job > db:5432", kByRule},
    {"AnotherPort", db_ports("[{port: 5432}]"), "job > db:5433", kNoRule},
    {"TcpWhereNothingElseIsSaid", db_ports("[{port: 53}]"), "job > db:53/udp", kNoRule},
    {"Udp", db_ports("[{port: 53, protocol: UDP}]"), "job > db:53/udp", kByRule},
    {"RangeBegins", db_ports("[{port: 1000, endPort: 2000}]"), "job > db:1000", kByRule},
    {"RangeEnds", db_ports("[{port: 1000, endPort: 2000}]"), "job > db:2000", kByRule},
    {"AfterTheRange", db_ports("[{port: 1000, endPort: 2000}]"), "job > db:2001", kNoRule},
    {"SctpIsNotTcp", db_ports("[{port: 5432, protocol: SCTP}]"), "job > db:5432", kNoRule},
    {"BesideSctp", db_ports("[{port: 5432, protocol: SCTP}, {port: 5432}]"), "job > db:5432", kByRule},
    {"ARuleOfSctpIsARule", np("{podSelector: {matchLabels: {app: web}}, egress: [{ports: [{protocol: SCTP}]}]}"),
     "web > db:80", kNoEgress},
    {"EveryPortOfAProtocol", db_ports("[{protocol: UDP}]"), "job > db:9/udp", kByRule},
    {"ButNotOfTheOther", db_ports("[{protocol: UDP}]"), "job > db:9", kNoRule},
    {"NamedPort", db_ports("[{port: pg}]"), "job > db:5432", kByRule},
    {"NameOfNoPort", db_ports("[{port: http}]"), "job > db:8080", kNoRule},
    {"MoreRangesThanARowHolds",
     db_ports("[{port: 1}, {port: 3}, {port: 5}, {port: 7}, {port: 9}, {port: 11}, {port: 13, endPort: 20}]"),
     "job > db:15", kByRule},
    {"BetweenThem",
     db_ports("[{port: 1}, {port: 3}, {port: 5}, {port: 7}, {port: 9}, {port: 11}, {port: 13, endPort: 20}]"),
     "job > db:10", kNoRule},
    // egress
    {"EgressIsolates", web_to(""), "web > db:80", kNoEgress},
    {"EgressToPods", web_to("{to: [{podSelector: {matchLabels: {app: db}}}]}"), "web > db:80", kEgress},
    {"EgressToTheWorld", web_to("{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}"), "web > 203.0.113.5:443", kEgress},
    {"EgressToNoBlock", web_to("{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}"), "web > 198.51.100.7:443", kNoEgress},
    {"EgressByTheNameThatEachPodGivesAPort", web_to("{to: [{namespaceSelector: {}}], ports: [{port: http}]}"),
     "web > api:9090", kEgress},
    {"EgressByThatNameElsewhere", web_to("{to: [{namespaceSelector: {}}], ports: [{port: http}]}"), "web > api:8080",
     kNoEgress},
    {"EgressToItsNode", web_to(""), "web > n1:10250", "allow"},
    {"EgressIsTheClientsToDecide", web_to(""), "web >> db:80", "allow"},
    {"BothSidesHaveToAllow", web_to("{}") + "---\n" + np("{podSelector: {matchLabels: {app: db}}}", "second"),
     "web > db:80", "deny by NetworkPolicy default/second, no ingress rule matches"},
    // AuthorizationPolicy
    {"AllowByPrincipal", db_source("ALLOW", "{principals: [cluster.local/ns/other/sa/job]}"), "job > db:80", kByAllow},
    {"AllowNobodyElse", db_source("ALLOW", "{principals: [cluster.local/ns/other/sa/job]}"), "api > db:80", kNoAllow},
    {"AllowNobodyOfTheWorld", db_source("ALLOW", "{principals: ['*']}"), "203.0.113.5 >> db:80", kNoAllow},
    {"AllowBySuffix", db_source("ALLOW", "{principals: ['*/sa/api']}"), "api > db:80", kByAllow},
    {"AllowByPrefix", db_source("ALLOW", "{principals: [cluster.local/ns/other/*]}"), "api > db:80", kByAllow},
    {"AllowByNamespace", db_source("ALLOW", "{namespaces: [oth*]}"), "job > db:80", kByAllow},
    {"AllowByAccount", db_source("ALLOW", "{serviceAccounts: [other/job]}"), "job > db:80", kByAllow},
    {"AccountOfItsOwnNamespace", db_source("ALLOW", "{serviceAccounts: [job]}"), "job > db:80", kNoAllow},
    {"AllowByBlock", db_source("ALLOW", "{ipBlocks: [203.0.113.0/24]}"), "203.0.113.5 >> db:80", kByAllow},
    {"AllowWithoutRulesIsNobody", ap("{selector: {matchLabels: {app: db}}}"), "web > db:80", kNoAllow},
    {"AllowEverybody", db_ap("ALLOW", "[{}]"), "203.0.113.5 >> db:80", kByAllow},
    {"NamespacesTakeWildcardsAnywhere", db_source("DENY", "{namespaces: ['*the*']}"), "job > db:80", kByDeny},
    {"NamespacesTakeSeveralWildcards", db_source("ALLOW", "{namespaces: ['o*h*r']}"), "job > db:80", kByAllow},
    {"NamespacesAreMatchedWhole", db_source("DENY", "{namespaces: ['*th', 'ot*x*r', 'other*er']}"), "job > db:80",
     "allow"},
    {"DenyByNamespace", db_source("DENY", "{namespaces: [other]}"), "job > db:80", kByDeny},
    {"DenyNobodyElse", db_source("DENY", "{namespaces: [other]}"), "web > db:80", "allow"},
    {"DenyAllButOne", db_source("DENY", "{notPrincipals: [cluster.local/ns/default/sa/web]}"), "203.0.113.5 >> db:80",
     kByDeny},
    {"AllButThatOne", db_source("DENY", "{notPrincipals: [cluster.local/ns/default/sa/web]}"), "web > db:80", "allow"},
    {"NotNamespaces", db_source("DENY", "{notNamespaces: [default]}"), "job > db:80", kByDeny},
    {"NotBlocks", db_source("DENY", "{notIpBlocks: [10.0.0.0/16]}"), "203.0.113.5 >> db:80", kByDeny},
    {"NotBlocksHold", db_source("DENY", "{notIpBlocks: [10.0.0.0/16]}"), "job > db:80", "allow"},
    {"SourcesAreAlternatives",
     db_ap("ALLOW", "[{from: [{source: {namespaces: [x]}}, {source: {namespaces: [other]}}]}]"), "job > db:80",
     kByAllow},
    {"FieldsOfASourceAreNot", db_source("ALLOW", "{namespaces: [other], ipBlocks: [10.0.1.1/32]}"), "api > db:80",
     kNoAllow},
    {"DenyWinsOverAllow",
     db_ap("ALLOW", "[{}]") + "---\n" + ap("{action: DENY, rules: [{from: [{source: {namespaces: [other]}}]}]}", "zz"),
     "job > db:80", "deny by AuthorizationPolicy default/zz, ingress rule 1"},
    {"ToPorts", db_ap("ALLOW", "[{to: [{operation: {ports: ['80', '81']}}]}]"), "job > db:81", kByAllow},
    {"ToOtherPorts", db_ap("ALLOW", "[{to: [{operation: {ports: ['80', '81']}}]}]"), "job > db:82", kNoAllow},
    {"NotPorts", db_ap("DENY", "[{to: [{operation: {notPorts: ['5432']}}]}]"), "job > db:80", kByDeny},
    {"NotPortsHold", db_ap("DENY", "[{to: [{operation: {notPorts: ['5432']}}]}]"), "job > db:5432", "allow"},
    {"WhenPort", db_when("DENY", "{key: destination.port, values: ['80']}"), "job > db:80", kByDeny},
    {"WhenSourceIp", db_when("DENY", "{key: source.ip, values: [10.0.1.0/24]}"), "job > db:80", kByDeny},
    {"WhenNotSourceIp", db_when("DENY", "{key: source.ip, notValues: [10.0.1.0/24]}"), "job > db:80", "allow"},
    {"WhenNamespace", db_when("ALLOW", "{key: source.namespace, values: [other]}"), "web > db:80", kNoAllow},
    {"WhenPrincipal", db_when("ALLOW", "{key: source.principal, values: ['*/sa/web']}"), "web > db:80", kByAllow},
    {"WhenDestinationIp", ap("{action: DENY, rules: [{when: [{key: destination.ip, values: [10.0.0.2]}]}]}"),
     "job > db:80", kByDeny},
    {"WhenAnotherDestinationIp", ap("{action: DENY, rules: [{when: [{key: destination.ip, values: [10.0.0.2]}]}]}"),
     "job > web:80", "allow"},
    {"AllOfWhen", db_when("DENY", "{key: source.namespace, values: [other]}, {key: destination.port, values: ['80']}"),
     "job > db:81", "allow"},
    {"RootNamespaceReachesAll",
     ap("{action: DENY, rules: [{from: [{source: {namespaces: [other]}}]}]}", "mesh", "istio-system"), "job > db:80",
     "deny by AuthorizationPolicy istio-system/mesh, ingress rule 1"},
    {"AnotherNamespaceDoesNot", ap("{action: DENY, rules: [{}]}", "ap", "other"), "job > db:80", "allow"},
    {"TheNodePassesAllOfThem", db_ap("DENY", "[{}]"), "n1 >> db:80", "allow"},
    {"Audit", db_source("AUDIT", "{namespaces: [other]}"), "job > db:80",
     "allow by AuthorizationPolicy default/ap, ingress rule 1 (audited)"},
    {"AuditOfOthers", db_source("AUDIT", "{namespaces: [other]}"), "web > db:80", "allow"},
    {"AuditOfWhatIsDenied",
     db_source("AUDIT", "{namespaces: [other]}") + "---\n" + ap("{action: DENY, rules: [{}]}", "zz"), "job > db:80",
     "deny by AuthorizationPolicy default/zz, ingress rule 1 (audited)"},
    {"BothKindsHaveToAllow", db_ap("ALLOW", "[{}]") + "---\n" + np("{podSelector: {}}"), "job > db:80", kNoRule},
    {"AndIfTheyDo", db_ap("ALLOW", "[{}]") + "---\n" + db_from("[]"), "job > db:80", kByAllow},
    // what cannot be enforced closes
    {"RefusedPolicyCloses",
     ap("{selector: {matchLabels: {app: db}}, action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"),
     "web > db:80", "closed"},
    {"OnlyWhatItSelectsIsClosed",
     ap("{selector: {matchLabels: {app: db}}, action: ALLOW, rules: [{to: [{operation: {methods: [GET]}}]}]}"),
     "job > web:80", "allow"},
    {"ButNotForTheNode", np("{podSelector: {}, ingress: [{from: [{podSelector: {}, colour: red}]}]}"), "n1 >> db:80",
     "allow"},
};

TEST(DryRun, IsTrueAsGoReadsIt) {
  for (const auto& [value, answer] :
       {std::pair("true", "allow by AuthorizationPolicy default/ap, ingress rule 1 (audited)"),
        {"True", "allow by AuthorizationPolicy default/ap, ingress rule 1 (audited)"},
        {"1", "allow by AuthorizationPolicy default/ap, ingress rule 1 (audited)"},
        {"false", kByDeny},
        {"yes", kByDeny}}) {
    SmallCluster cluster;
    cluster.apply(
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ap, namespace: default, "
        "annotations: {istio.io/dry-run: '" +
        std::string(value) + "'}}, spec: {action: DENY, rules: [{}]}}\n");
    EXPECT_EQ(cluster.ask("job > db:80"), answer) << value;
  }
}

class VerdictTest : public ::testing::TestWithParam<Row> {};

TEST_P(VerdictTest, IsWhatThePoliciesSay) {
  const auto& row = GetParam();
  SmallCluster cluster(row.default_closed);
  if (!row.policies.empty()) cluster.apply(row.policies);
  EXPECT_EQ(cluster.ask(row.question), row.answer) << row.policies;
}

INSTANTIATE_TEST_SUITE_P(Table, VerdictTest, ::testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace fairlead
