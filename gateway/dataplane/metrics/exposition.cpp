// SPDX-License-Identifier: Apache-2.0
#include "fairlead/metrics/exposition.hpp"

#include <charconv>
#include <cmath>

namespace fairlead::metrics {
namespace {

constexpr std::string_view type_name(Type type, Format format) {
  switch (type) {
    case Type::kCounter: return "counter";
    case Type::kGauge: return "gauge";
    case Type::kHistogram: return "histogram";
    case Type::kSummary: return "summary";
    case Type::kInfo: return format == Format::kOpenMetrics ? "info" : "gauge";
  }
  return "untyped";
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

/// Bounds are floats in OpenMetrics ("1.0"), and so may they be in Prometheus' format.
std::string bound_text(double value) {
  std::string text = number(value);
  if (text.find_first_of(".eI") == std::string::npos) text += ".0";
  return text;
}

void append_escaped(std::string& out, std::string_view value, bool quotes) {
  for (const char c : value) {
    if (c == '\n') out += "\\n";
    else if (c == '\\' || (c == '"' && quotes)) (out += '\\') += c;
    else out += c;
  }
}

/// OpenMetrics has the unit apart, which a name ends with.
std::string_view unit_of(std::string_view name) {
  for (const std::string_view unit : {"bytes", "seconds"})
    if (name.ends_with(unit) && name.substr(0, name.size() - unit.size()).ends_with('_')) return unit;
  return {};
}

/// Puts one more label into an already printed set.
std::string with_label(const std::string& labels, std::string_view name, const std::string& value) {
  std::string more = labels.empty() ? "{" : labels.substr(0, labels.size() - 1) + ",";
  return more.append(name).append("=\"").append(value).append("\"}");
}

void line(std::string& out, const std::string& name, const char* suffix, const std::string& labels,
          const std::string& value) {
  out.append(name).append(suffix).append(labels).append(" ").append(value).append("\n");
}

}  // namespace

std::string label_text(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? '{' : ',';
    text.append(name).append("=\"");
    append_escaped(text, value, true);
    text += '"';
  }
  if (!text.empty()) text += '}';
  return text;
}

void Family::add(const std::string& labels, double value) { gauges_[labels] += value; }
void Family::add(const std::string& labels, std::uint64_t value) { counters_[labels] += value; }

void Family::add_histogram(const std::string& labels, std::span<const double> bounds,
                           std::span<const std::uint64_t> counts, double sum) {
  auto& histogram = histograms_[labels];
  if (histogram.counts.empty()) {
    histogram.bounds.assign(bounds.begin(), bounds.end());
    histogram.counts.assign(counts.size(), 0);
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    histogram.counts[i] += counts[i];
    histogram.count += counts[i];
  }
  histogram.sum += sum;
}

void Family::add_summary(const std::string& labels, std::uint64_t count, double sum) {
  auto& summary = histograms_[labels];
  summary.count += count;
  summary.sum += sum;
}

void Family::print_histogram(std::string& out, Format format, const std::string& labels,
                             const Histogram& histogram) const {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    below += histogram.counts[i];
    const auto edge = i < histogram.bounds.size() ? bound_text(histogram.bounds[i]) : std::string("+Inf");
    line(out, name_, "_bucket", with_label(labels, "le", edge), std::to_string(below));
  }
  line(out, name_, "_sum", labels, format == Format::kOpenMetrics ? bound_text(histogram.sum) : number(histogram.sum));
  line(out, name_, "_count", labels, std::to_string(histogram.count));
}

void Family::print(std::string& out, Format format) const {
  // The family of a counter or info goes by its bare name in OpenMetrics, by its samples' name in Prometheus' format.
  const char* suffix = type_ == Type::kCounter ? "_total" : type_ == Type::kInfo ? "_info" : "";
  const std::string name = format == Format::kOpenMetrics ? name_ : name_ + suffix;
  out.append("# HELP ").append(name).append(" ");
  append_escaped(out, help_, format == Format::kOpenMetrics);  // in Prometheus' format quotes stand in help as they are
  out.append("\n# TYPE ").append(name).append(" ").append(type_name(type_, format)).append("\n");
  if (const auto unit = unit_of(name); !unit.empty() && format == Format::kOpenMetrics)
    out.append("# UNIT ").append(name).append(" ").append(unit).append("\n");
  for (const auto& [labels, value] : counters_) line(out, name_, suffix, labels, std::to_string(value));
  for (const auto& [labels, value] : gauges_) line(out, name_, suffix, labels, number(value));
  for (const auto& [labels, histogram] : histograms_) print_histogram(out, format, labels, histogram);
}

Family& Page::family(const std::string& name, Type type, std::string_view help) {
  return families_.try_emplace(name, name, type, std::string(help)).first->second;
}

std::string Page::print(Format format) const {
  std::string out;
  for (const auto& [name, family] : families_)
    if (!family.empty()) family.print(out, format);
  if (format == Format::kOpenMetrics) out += "# EOF\n";
  return out;
}

std::string_view Page::content_type(Format format) {
  return format == Format::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

Format Page::accepted(std::string_view accept_header) {
  return accept_header.find("application/openmetrics-text") == std::string_view::npos ? Format::kPrometheus
                                                                                      : Format::kOpenMetrics;
}

}  // namespace fairlead::metrics
