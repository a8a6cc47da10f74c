// SPDX-License-Identifier: Apache-2.0
// What a change concerns, and that many changes lead where one does.
#include <gtest/gtest.h>

#include <random>

#include "unit/policy/small_cluster.hpp"

namespace fairlead {
namespace {

using model::Kind;
using test::SmallCluster;

std::string labelled_pod(int number, const std::string& app) {
  return SmallCluster::pod("default", "p" + std::to_string(number), "10.1.0." + std::to_string(number),
                           "{app: " + app + "}", "[]");
}

TEST(Change, OfAPodThatIsLikeOthersConcernsItsAddressOnly) {
  SmallCluster cluster;
  cluster.apply(SmallCluster::network_policy(
      "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: shop}}}]}]}"));
  // The service account is part of an identity: pods of one deployment share it.
  const auto pod = [](const std::string& name, const std::string& address) {
    return "{apiVersion: v1, kind: Pod, metadata: {name: " + name +
           ", namespace: default, labels: {app: shop}}, spec: {nodeName: n1, containers: "
           "[{name: c, image: i}]}, status: {phase: Running, podIP: '" +
           address + "'}}\n";
  };
  const auto first = cluster.apply(pod("shop-1", "10.1.0.1"));
  EXPECT_EQ(first.fresh.size(), 1U);
  EXPECT_EQ(first.sets.size(), 1U);
  const auto second = cluster.apply(pod("shop-2", "10.1.0.2"));
  EXPECT_TRUE(second.fresh.empty());
  EXPECT_TRUE(second.sets.empty());
  EXPECT_EQ(second.addresses, std::set{*Address::parse("10.1.0.2")});
  EXPECT_EQ(cluster.ask("10.1.0.2 > db:80"), "allow by NetworkPolicy default/np, ingress rule 1");
}

TEST(Change, OfANamespacesLabelsIsSeen) {
  SmallCluster cluster;
  cluster.apply(SmallCluster::network_policy(
      "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {env: stage}}}]}]}"));
  EXPECT_EQ(cluster.ask("job > db:80").substr(0, 4), "deny");
  cluster.apply("{apiVersion: v1, kind: Namespace, metadata: {name: other, labels: {env: stage}}}");
  EXPECT_EQ(cluster.ask("job > db:80").substr(0, 5), "allow");
}

TEST(Change, OfAPolicysPeersKeepsTheSet) {
  SmallCluster cluster;
  cluster.apply(SmallCluster::network_policy("{podSelector: {}}"));
  const auto before = cluster.compiler().row(SmallCluster::address("db"))->policy_set;
  const auto delta = cluster.apply(SmallCluster::network_policy("{podSelector: {}, ingress: [{}]}"));
  EXPECT_EQ(cluster.compiler().row(SmallCluster::address("db"))->policy_set, before);
  EXPECT_EQ(delta.sets, std::set{before});
}

using Remarks = std::map<std::string, std::vector<std::string>>;

std::string denied(const std::string& principals) {
  return SmallCluster::authorization_policy("{action: DENY, rules: [{from: [{source: {principals: [" + principals +
                                            "]}}]}]}");
}

TEST(Mesh, PrincipalsBeginWithItsTrustDomainOrAnAlias) {
  SmallCluster cluster(false, {.trust_domain = "corp.example", .trust_domain_aliases = {"old-td"}});
  const auto refuses = [&](const std::string& principal) {
    cluster.apply(denied(principal));
    return cluster.ask("job > db:80").starts_with("deny");
  };
  for (const auto* own : {"corp.example/ns/other/sa/job", "old-td/ns/other/sa/job", "cluster.local/ns/other/sa/job",
                          "'*-td/ns/other/sa/job'", "'*/ns/other/sa/job'", "corp.example/ns/other/*"}) {
    EXPECT_TRUE(refuses(own)) << own;
    EXPECT_EQ(cluster.compiler().warnings(), Remarks{}) << own;
  }
  for (const auto* other : {"other.example/ns/other/sa/job", "old-td/ns/other/*", "cluster.local/ns/other/*"}) {
    EXPECT_FALSE(refuses(other)) << other;
    const Remarks expected = {{"AuthorizationPolicy default/ap",
                               {std::string("principal ") + other +
                                " is of another trust domain than corp.example and "
                                "its aliases: no workload has it, and it matches nobody"}}};
    EXPECT_EQ(cluster.compiler().warnings(), expected);
  }
  cluster.remove({Kind::kAuthorizationPolicy, "default", "ap"});
  EXPECT_EQ(cluster.compiler().warnings(), Remarks{});
}

TEST(Mesh, PoliciesOfItsRootNamespaceReachAll) {
  SmallCluster cluster(false, {.root_namespace = "mesh"});
  cluster.apply(SmallCluster::authorization_policy("{action: DENY, rules: [{}]}", "all", "istio-system"));
  EXPECT_EQ(cluster.ask("job > db:80"), "allow");
  cluster.apply(SmallCluster::authorization_policy("{action: DENY, rules: [{}]}", "all", "mesh"));
  EXPECT_EQ(cluster.ask("job > db:80"), "deny by AuthorizationPolicy mesh/all, ingress rule 1");
}

TEST(Change, AFinishedPodsAddressMayBeAnothers) {
  SmallCluster cluster;
  cluster.apply(SmallCluster::network_policy("{podSelector: {matchLabels: {app: db}}}"));
  cluster.apply(
      "{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: default, labels: {app: db}}, spec: {nodeName: n1, "
      "containers: "
      "[{name: c, image: i}]}, status: {phase: Succeeded, podIP: 10.0.0.2}}");
  EXPECT_EQ(cluster.compiler().row(SmallCluster::address("db")), nullptr);
}

TEST(Change, RedirectionIsOptedIntoByPodOrNamespace) {
  SmallCluster cluster;
  const auto redirected = [&](const char* name) {
    return (cluster.compiler().row(SmallCluster::address(name))->flags & FL_WORKLOAD_REDIRECT) != 0;
  };
  EXPECT_FALSE(redirected("job"));
  cluster.apply(
      "{apiVersion: v1, kind: Namespace, metadata: {name: other, annotations: {fairlead.io/redirect: 'true'}}}");
  EXPECT_TRUE(redirected("job"));
  EXPECT_FALSE(redirected("db"));
  cluster.apply(
      "{apiVersion: v1, kind: Pod, metadata: {name: job, namespace: other, annotations: {fairlead.io/redirect: "
      "'false'}}, spec: "
      "{nodeName: n1, containers: [{name: c, image: i}]}, status: {phase: Running, podIP: 10.0.1.1}}");
  EXPECT_FALSE(redirected("job"));
  EXPECT_TRUE(redirected("api"));
}

TEST(Change, LeavesNumbersThatARestartFindsAgain) {
  SmallCluster one, other;
  const std::string a = SmallCluster::network_policy("{podSelector: {}}", "a"),
                    b = SmallCluster::network_policy("{podSelector: {}, ingress: [{}]}", "b");
  one.apply(a);
  one.apply(b);
  other.apply(b);
  other.apply(a);
  for (const char* name : {"web", "db", "job"}) {
    const auto *x = one.compiler().row(SmallCluster::address(name)),
               *y = other.compiler().row(SmallCluster::address(name));
    EXPECT_EQ(x->workload_id, y->workload_id);
    EXPECT_EQ(x->identity, y->identity);
    EXPECT_EQ(x->policy_set, y->policy_set);
  }
}

TEST(Change, ManyLeadWhereOneDoes) {
  const std::string policies[] = {
      SmallCluster::network_policy(
          "{podSelector: {matchLabels: {app: a}}, ingress: [{from: [{podSelector: {matchLabels: {app: b}}}]}]}", "x"),
      SmallCluster::network_policy("{podSelector: {matchLabels: {app: b}}, policyTypes: [Egress], egress: [{to: "
                                   "[{ipBlock: {cidr: 10.1.0.0/29}}]}]}",
                                   "y"),
      SmallCluster::authorization_policy("{action: DENY, rules: [{from: [{source: {ipBlocks: [10.1.0.4/30]}}]}]}", "z"),
      SmallCluster::authorization_policy(
          "{selector: {matchLabels: {app: c}}, rules: [{from: [{source: {notNamespaces: [other]}}]}]}", "w")};
  const Kind kinds[] = {Kind::kNetworkPolicy, Kind::kNetworkPolicy, Kind::kAuthorizationPolicy,
                        Kind::kAuthorizationPolicy};
  const char* names[] = {"x", "y", "z", "w"};
  std::mt19937 random(11);
  SmallCluster changed;
  std::map<int, std::string> pods;
  std::set<std::size_t> standing;
  for (int round = 0; round < 150; ++round) {
    if (const int number = 1 + static_cast<int>(random() % 8); random() % 3 != 0) {
      pods[number] = labelled_pod(number, std::string(1, static_cast<char>('a' + random() % 3)));
      changed.apply(pods[number]);
    } else if (random() % 2 == 0) {
      changed.remove({Kind::kPod, "default", "p" + std::to_string(number)});
      pods.erase(number);
    } else if (const auto policy = random() % 4; standing.erase(policy) != 0) {
      changed.remove({kinds[policy], "default", names[policy]});
    } else {
      standing.insert(policy);
      changed.apply(policies[policy]);
    }
    SmallCluster fresh;
    for (const auto policy : standing) fresh.apply(policies[policy]);
    for (const auto& [number, text] : pods) fresh.apply(text);
    for (int from = 1; from <= 9; ++from)
      for (int to = 1; to <= 8; ++to) {
        const auto question = "10.1.0." + std::to_string(from) + " > 10.1.0." + std::to_string(to) + ":80";
        ASSERT_EQ(changed.ask(question), fresh.ask(question)) << "round " << round << ": " << question;
      }
  }
}

}  // namespace
}  // namespace fairlead
