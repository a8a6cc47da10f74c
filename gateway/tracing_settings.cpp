// SPDX-License-Identifier: Apache-2.0
#include "gateway/tracing_settings.hpp"

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace fairlead::gateway {
namespace {

using telemetry::Propagation;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kTracesPath = "/v1/traces";
constexpr std::string_view kFormats = "tracecontext, b3, b3multi, jaeger and datadog, separated by commas";

/// Variables, by the rules of OpenTelemetry's specification: empty is not set.
class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}
  [[nodiscard]] std::string get(const char* name) const {
    const char* value = environment_(name);
    return value != nullptr ? value : "";
  }
  /// That of traces goes before that of all signals.
  [[nodiscard]] std::string of_traces(const std::string& what) const {
    auto value = get(("OTEL_EXPORTER_OTLP_TRACES_" + what).c_str());
    return value.empty() ? get(("OTEL_EXPORTER_OTLP_" + what).c_str()) : value;
  }

 private:
  const Environment& environment_;
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Calls back with each part between commas.
template <class Visitor>
void for_each_part(std::string_view text, Visitor&& visit) {
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (const auto part = trimmed(text.substr(0, comma)); !part.empty()) visit(part);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const bool coded = text[i] == '%' && i + 2 < text.size() &&
                       std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3;
    out += coded ? static_cast<char>(value) : text[i];
    if (coded) i += 2;
  }
  return out;
}

/// "a=1,b=2", values percent-encoded (W3C Baggage). The error does not show the text: there are secrets in headers.
Result<Pairs> pairs_of(const std::string& text, const char* name) {
  Pairs out;
  bool wrong = false;
  for_each_part(text, [&](std::string_view part) {
    const auto equals = part.find('=');
    wrong = wrong || equals == std::string_view::npos || equals == 0;
    if (!wrong) out.emplace_back(trimmed(part.substr(0, equals)), percent_decoded(trimmed(part.substr(equals + 1))));
  });
  if (wrong) return fail(std::string(name) + ": found something else, expected name=value, separated by commas");
  return out;
}

Result<telemetry::Propagations> formats_of(const std::string& text, const char* name) {
  std::vector<Propagation> found;
  std::string wrong;
  for_each_part(text, [&](std::string_view part) {
    if (part == "tracecontext") found.push_back(Propagation::kW3c);
    else if (part == "b3") found.push_back(Propagation::kB3Single);
    else if (part == "b3multi") found.push_back(Propagation::kB3);
    else if (part == "jaeger") found.push_back(Propagation::kJaeger);
    else if (part == "datadog") found.push_back(Propagation::kDatadog);
    else if (part != "baggage" && part != "none") wrong = part;  // baggage passes as any field does
  });
  if (!wrong.empty()) return fail(std::string(name) + ": found \"" + wrong + "\", expected " + std::string(kFormats));
  telemetry::Propagations out;
  for (const auto format : found) out.add(format);
  return out;
}

Result<double> ratio_of(const Variables& variables) {
  const auto sampler = variables.get("OTEL_TRACES_SAMPLER");
  if (sampler.ends_with("always_off")) return 0.0;
  if (!sampler.empty() && !sampler.ends_with("traceidratio")) return 1.0;
  const auto text = variables.get("OTEL_TRACES_SAMPLER_ARG");
  if (text.empty()) return 1.0;
  double ratio = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  if (error != std::errc{} || end != text.data() + text.size() || !(ratio >= 0 && ratio <= 1))
    return fail("OTEL_TRACES_SAMPLER_ARG: found \"" + text + "\", expected a number from 0 to 1");
  return ratio;
}

/// Empty: nobody named one.
std::string endpoint_of(const Arguments& arguments, const Variables& variables) {
  auto endpoint = arguments.otlp_endpoint;
  if (!endpoint.empty()) {
    const auto scheme = endpoint.find("://");
    const auto path = endpoint.find('/', scheme == std::string::npos ? 0 : scheme + 3);
    if (path == std::string::npos || path + 1 == endpoint.size())
      endpoint = endpoint.substr(0, path) + std::string(kTracesPath);
    return endpoint;
  }
  if (variables.get("OTEL_TRACES_EXPORTER") == "none") return {};
  endpoint = variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (!endpoint.empty()) return endpoint;
  endpoint = variables.get("OTEL_EXPORTER_OTLP_ENDPOINT");
  if (endpoint.empty()) return {};
  while (endpoint.ends_with('/')) endpoint.pop_back();
  return endpoint + std::string(kTracesPath);
}

Result<telemetry::OtlpOptions> otlp_of(std::string endpoint, const Variables& variables) {
  telemetry::OtlpOptions out;
  out.endpoint = std::move(endpoint);
  const auto protocol = variables.of_traces("PROTOCOL");
  if (!protocol.empty() && protocol != "http/protobuf")
    return fail("OTEL_EXPORTER_OTLP_PROTOCOL: found \"" + protocol + "\", expected http/protobuf");
  FL_TRY(out.headers, pairs_of(variables.of_traces("HEADERS"), "OTEL_EXPORTER_OTLP_HEADERS"));
  FL_TRY(auto attributes, pairs_of(variables.get("OTEL_RESOURCE_ATTRIBUTES"), "OTEL_RESOURCE_ATTRIBUTES"));
  for (auto& [key, value] : attributes) {
    if (key == "service.name") out.service_name = value;
    else out.resource.emplace_back(std::move(key), std::move(value));
  }
  if (const auto name = variables.get("OTEL_SERVICE_NAME"); !name.empty()) out.service_name = name;
  const auto timeout = variables.of_traces("TIMEOUT");
  const auto end = timeout.data() + timeout.size();
  if (!timeout.empty() && (std::from_chars(timeout.data(), end, out.timeout_ms).ptr != end || out.timeout_ms <= 0))
    return fail("OTEL_EXPORTER_OTLP_TIMEOUT: found \"" + timeout + "\", expected milliseconds");
  return out;
}

}  // namespace

Result<std::optional<TracingSettings>> tracing_settings(const Arguments& arguments, const Environment& environment) {
  const Variables variables(environment);
  const bool asked = !arguments.otlp_endpoint.empty() || !arguments.trace_headers.empty();
  if (!asked && variables.get("OTEL_SDK_DISABLED") == "true") return std::nullopt;
  auto endpoint = endpoint_of(arguments, variables);
  if (endpoint.empty() && arguments.trace_headers.empty()) return std::nullopt;
  TracingSettings out;
  if (!endpoint.empty()) {
    FL_TRY(out.otlp, otlp_of(std::move(endpoint), variables));
  }
  const auto propagators = variables.get("OTEL_PROPAGATORS");
  if (!arguments.trace_headers.empty()) {
    FL_TRY(out.formats, formats_of(arguments.trace_headers, "--trace-headers"));
  } else {
    FL_TRY(out.formats, formats_of(propagators.empty() ? "tracecontext" : propagators, "OTEL_PROPAGATORS"));
  }
  if (arguments.trace_sample >= 0) {
    out.policy.fraction = arguments.trace_sample / 100;
  } else {
    FL_TRY(out.policy.fraction, ratio_of(variables));
  }
  return out;
}

}  // namespace fairlead::gateway
