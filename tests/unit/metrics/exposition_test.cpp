// SPDX-License-Identifier: Apache-2.0
#include "fairlead/metrics/exposition.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace fairlead::metrics {
namespace {

std::string both(Page& page) { return page.print(Format::kPrometheus) + "---\n" + page.print(Format::kOpenMetrics); }

TEST(Labels, AreEscapedInBothFormatsAlike) {
  EXPECT_EQ(label_text({}), "");
  EXPECT_EQ(label_text({{"a", "b"}, {"c", ""}}), "{a=\"b\",c=\"\"}");
  EXPECT_EQ(label_text({{"a", "q\"b\\s\nn\tt{},="}}), "{a=\"q\\\"b\\\\s\\nn\tt{},=\"}");
}

TEST(Exposition, CountersAreNamedAsEachFormatWantsAndWholeNumbersStayWhole) {
  Page page;
  page.family("x_bytes", Type::kCounter, "some").add("{a=\"1\"}", std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(both(page),
            "# HELP x_bytes_total some\n# TYPE x_bytes_total counter\nx_bytes_total{a=\"1\"} 18446744073709551615\n"
            "---\n"
            "# HELP x_bytes some\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\n"
            "x_bytes_total{a=\"1\"} 18446744073709551615\n# EOF\n");
}

TEST(Exposition, HelpEscapesQuotesInOpenMetricsOnly) {
  Page page;
  page.family("x", Type::kGauge, "a \"b\" \\ c\nd").add("", 1.0);
  EXPECT_EQ(both(page),
            "# HELP x a \"b\" \\\\ c\\nd\n# TYPE x gauge\nx 1\n---\n"
            "# HELP x a \\\"b\\\" \\\\ c\\nd\n# TYPE x gauge\nx 1\n# EOF\n");
}

TEST(Exposition, AUnitIsAWholeWord) {
  Page page;
  page.family("kilobytes", Type::kGauge, "h").add("", 1.0);
  page.family("seconds", Type::kGauge, "h").add("", 1.0);
  EXPECT_EQ(page.print(Format::kOpenMetrics).find("UNIT"), std::string::npos);
}

TEST(Exposition, InfoIsAGaugeInPrometheus) {
  Page page;
  page.family("build", Type::kInfo, "h").add("{v=\"1\"}", 1.0);
  EXPECT_EQ(both(page),
            "# HELP build_info h\n# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n---\n"
            "# HELP build h\n# TYPE build info\nbuild_info{v=\"1\"} 1\n# EOF\n");
}

TEST(Exposition, NumbersAreShortAndExact) {
  const std::pair<double, std::string> kNumbers[] = {{0, "0"},
                                                     {0.1, "0.1"},
                                                     {-2.5, "-2.5"},
                                                     {1e21, "1e+21"},
                                                     {1.0 / 3, "0.3333333333333333"},
                                                     {std::numeric_limits<double>::infinity(), "+Inf"},
                                                     {-std::numeric_limits<double>::infinity(), "-Inf"},
                                                     {std::nan(""), "NaN"}};
  for (const auto& [value, text] : kNumbers) {
    Page page;
    page.family("x", Type::kGauge, "h").add("", value);
    EXPECT_EQ(page.print(Format::kPrometheus), "# HELP x h\n# TYPE x gauge\nx " + text + "\n");
  }
}

TEST(Exposition, HistogramsAreCumulativeAndAddUp) {
  Page page;
  const std::array bounds{0.5, 1.0};
  const std::array<std::uint64_t, 3> counts{1, 2, 4};
  auto& family = page.family("t_seconds", Type::kHistogram, "h");
  family.add_histogram("{a=\"1\"}", bounds, counts, 2);
  family.add_histogram("{a=\"1\"}", bounds, counts, 3);
  family.add_histogram("", bounds, counts, 1);
  const std::string samples =
      "t_seconds_bucket{le=\"0.5\"} 1\nt_seconds_bucket{le=\"1.0\"} 3\nt_seconds_bucket{le=\"+Inf\"} 7\n"
      "t_seconds_sum 1\nt_seconds_count 7\n"
      "t_seconds_bucket{a=\"1\",le=\"0.5\"} 2\nt_seconds_bucket{a=\"1\",le=\"1.0\"} 6\n"
      "t_seconds_bucket{a=\"1\",le=\"+Inf\"} 14\nt_seconds_sum{a=\"1\"} 5\nt_seconds_count{a=\"1\"} 14\n";
  EXPECT_EQ(page.print(Format::kPrometheus), "# HELP t_seconds h\n# TYPE t_seconds histogram\n" + samples);
}

TEST(Exposition, SumsOfOpenMetricsAreFloats) {
  Page page;
  page.family("t_seconds", Type::kSummary, "h").add_summary("", 2, 3);
  EXPECT_EQ(both(page),
            "# HELP t_seconds h\n# TYPE t_seconds summary\nt_seconds_sum 3\nt_seconds_count 2\n---\n"
            "# HELP t_seconds h\n# TYPE t_seconds summary\n# UNIT t_seconds seconds\nt_seconds_sum 3.0\n"
            "t_seconds_count 2\n# EOF\n");
}

TEST(Exposition, EqualLabelsAddUpAndEmptyFamiliesAreLeftOut) {
  Page page;
  page.family("none", Type::kCounter, "h");
  page.family("b", Type::kCounter, "h").add("", std::uint64_t{1});
  page.family("b", Type::kCounter, "other").add("", std::uint64_t{2});
  page.family("a", Type::kGauge, "h").add("", 1.0);
  EXPECT_EQ(page.print(Format::kPrometheus),
            "# HELP a h\n# TYPE a gauge\na 1\n# HELP b_total h\n# TYPE b_total counter\nb_total 3\n");
  EXPECT_EQ(Page().print(Format::kOpenMetrics), "# EOF\n");
  EXPECT_EQ(Page().print(Format::kPrometheus), "");
}

TEST(Exposition, TheFormatIsTheOneAskedFor) {
  EXPECT_EQ(Page::accepted(""), Format::kPrometheus);
  EXPECT_EQ(Page::accepted("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), Format::kPrometheus);
  EXPECT_EQ(Page::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), Format::kOpenMetrics);
  EXPECT_EQ(Page::content_type(Format::kPrometheus), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(Page::content_type(Format::kOpenMetrics), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

}  // namespace
}  // namespace fairlead::metrics
