// SPDX-License-Identifier: Apache-2.0
// What workloads are called, by Istio's rules.
#include "agent/telemetry/names.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "agent/telemetry/page.hpp"

namespace fairlead::telemetry {
namespace {

const policy::WorkloadName kWorkload = {
    .kind = "Deployment", .ns = "shop", .name = "reviews-v2", .service_account = "bookinfo"};

WorkloadLabels with(const model::Labels& labels) {
  model::Pod pod;
  pod.metadata.labels = labels;
  std::ranges::sort(pod.metadata.labels);  // as the reader of objects leaves them
  return labels_of(kWorkload, &pod);
}

fl_pair_key key_of(fl_reporter reporter) {
  fl_pair_key key{};
  key.proto = FL_TCP;
  key.reporter = static_cast<std::uint8_t>(reporter);
  return key;
}

TEST(Names, WithoutLabelsTheWorkloadsNameStandsForAll) {
  for (const auto& labels : {with({}), labels_of(kWorkload, nullptr)}) {
    EXPECT_TRUE(labels.known);
    EXPECT_EQ(labels.text(), "shop/reviews-v2");
    EXPECT_EQ(labels.service_account, "bookinfo");
    EXPECT_EQ(labels.canonical_service, "reviews-v2");
    EXPECT_EQ(labels.canonical_revision, "latest");
    EXPECT_EQ(labels.app, "reviews-v2");
    EXPECT_EQ(labels.version, "latest");
  }
}

TEST(Names, TheCanonicalServiceGoesByTheMostSpecificLabel) {
  model::Labels labels = {{"app", "plain"}, {"version", "v1"}};
  EXPECT_EQ(with(labels).canonical_service, "plain");
  EXPECT_EQ(with(labels).canonical_revision, "v1");
  EXPECT_EQ(with(labels).app, "plain");
  labels.insert(labels.end(), {{"app.kubernetes.io/name", "kube"}, {"app.kubernetes.io/version", "v2"}});
  EXPECT_EQ(with(labels).canonical_service, "kube");
  EXPECT_EQ(with(labels).canonical_revision, "v2");
  EXPECT_EQ(with(labels).app, "kube");
  EXPECT_EQ(with(labels).version, "v2");
  labels.insert(labels.end(),
                {{"service.istio.io/canonical-name", "istio"}, {"service.istio.io/canonical-revision", "v3"}});
  EXPECT_EQ(with(labels).canonical_service, "istio");
  EXPECT_EQ(with(labels).canonical_revision, "v3");
  EXPECT_EQ(with(labels).app, "kube");
}

TEST(Names, WhatIsUnknownSaysSo) {
  const auto labels = istio_labels(key_of(FL_REPORTER_SOURCE), {}, "cluster.local");
  for (const char* part : {"source_workload=\"unknown\"", "destination_workload_namespace=\"unknown\"",
                           "destination_service=\"unknown\"", "source_canonical_revision=\"latest\""})
    EXPECT_NE(labels.find(part), std::string::npos) << part << labels;
}

// Prometheus takes an empty label for none, and Kiali leaves out series that lack one.
TEST(Names, ANodeIsInNoNamespace) {
  const auto node = labels_of({.kind = "Node", .ns = {}, .name = "worker-1", .service_account = {}}, nullptr);
  const auto labels = istio_labels(key_of(FL_REPORTER_SOURCE),
                                   {.source = node, .destination = node, .has_service = false, .service = {}}, "x");
  EXPECT_NE(labels.find("source_workload=\"worker-1\",source_workload_namespace=\"unknown\""), std::string::npos)
      << labels;
  EXPECT_EQ(labels.find("=\"\""), std::string::npos) << labels;
}

TEST(Names, AServiceHasItsHostName) {
  const PairNames names = {.source = {},
                           .destination = with({}),
                           .has_service = true,
                           .service = {.id = 1, .ns = "shop", .name = "reviews", .port_name = "http", .port = 80}};
  const auto labels = istio_labels(key_of(FL_REPORTER_DESTINATION), names, "example.org");
  for (const char* part : {"reporter=\"destination\"", "destination_service=\"reviews.shop.svc.example.org\"",
                           "destination_service_name=\"reviews\"", "destination_service_namespace=\"shop\"",
                           "destination_workload=\"reviews-v2\"", "connection_security_policy=\"none\""})
    EXPECT_NE(labels.find(part), std::string::npos) << part << labels;
}

}  // namespace
}  // namespace fairlead::telemetry
