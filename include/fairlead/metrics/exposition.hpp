// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::metrics {

/// Names and values in the order in which they are to be printed.
using Labels = std::vector<std::pair<std::string_view, std::string>>;

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram, kSummary, kInfo };
enum class Format : std::uint8_t { kPrometheus, kOpenMetrics };

/// `{a="b",c="d"}`, values escaped; empty for none.
[[nodiscard]] std::string label_text(const Labels& labels);

/// One family: its samples by labels. Adding twice under equal labels gives the sum.
/// Owner: its page. Thread: one.
class Family {
 public:
  /// name without `_total`.
  Family(std::string name, Type type, std::string help) : name_(std::move(name)), help_(std::move(help)), type_(type) {}

  void add(const std::string& labels, double value);
  void add(const std::string& labels, std::uint64_t value);
  /// bounds: upper edges in the unit of the family's name; counts: one more than bounds, not cumulative.
  void add_histogram(const std::string& labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
                     double sum);
  void add_summary(const std::string& labels, std::uint64_t count, double sum);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool empty() const { return counters_.empty() && gauges_.empty() && histograms_.empty(); }
  void print(std::string& out, Format format) const;

 private:
  struct Histogram {
    std::vector<double> bounds;
    std::vector<std::uint64_t> counts;
    std::uint64_t count = 0;
    double sum = 0;
  };
  void print_histogram(std::string& out, Format format, const std::string& labels, const Histogram& histogram) const;

  std::string name_;
  std::string help_;
  Type type_;
  std::map<std::string, std::uint64_t> counters_;
  std::map<std::string, double> gauges_;
  std::map<std::string, Histogram> histograms_;
};

/// A page of families in the text format 0.0.4 of Prometheus or in OpenMetrics 1.0.
/// Owner: who answers a scrape. Thread: one.
class Page {
 public:
  /// The family of that name; made with type and help where it is new. References stay valid.
  Family& family(const std::string& name, Type type, std::string_view help);
  [[nodiscard]] std::string print(Format format) const;

  [[nodiscard]] static std::string_view content_type(Format format);
  /// Which one an HTTP Accept header asks for.
  [[nodiscard]] static Format accepted(std::string_view accept_header);

 private:
  std::map<std::string, Family> families_;
};

}  // namespace fairlead::metrics
