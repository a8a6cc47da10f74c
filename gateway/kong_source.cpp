// SPDX-License-Identifier: Apache-2.0
#include "gateway/kong_source.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "fairlead/base/error.hpp"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/file.hpp"
#include "fairlead/tls/self_signed.hpp"

namespace fairlead::gateway {
namespace {

constexpr const char* kName = "/kong.yaml";

/// Credentials are in it: nobody else may read it.
Result<> write_file(const std::string& path, const std::string& text) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return fail(system_error(path, errno));
  if (const int error = write_all(file.get(), text); error != 0) return fail(system_error(path, error));
  return {};
}

}  // namespace

bool is_kong_file(const std::string& path) {
  const auto text = kong::read_kong_file(path);
  return text && kong::is_kong(*text, path.ends_with(".json"));
}

Result<kong::Options> kong_options(const Arguments& arguments) {
  kong::Options options;
  options.allow_partial = arguments.allow_partial;
  if (arguments.listen.empty()) return options;
  if (arguments.listen.size() > 2)
    return fail("--listen: found more than two, expected one for HTTP and one for HTTPS with Kong's file");
  options.http_port = options.https_port = 0;
  for (std::size_t i = 0; i < arguments.listen.size(); ++i) {
    FL_TRY(const auto listen, ListenArgument::parse(arguments.listen[i]));
    const auto address = listen.address == "::" ? std::string() : listen.address;
    if (listen.port == 0) return fail("--listen: found port 0, expected a port from 1 to 65535 with Kong's file");
    if (i > 0 && address != options.address)
      return fail("--listen: found two addresses, expected one for both ports with Kong's file");
    options.address = address;
    (i == 0 ? options.http_port : options.https_port) = listen.port;
  }
  return options;
}

void take_kong_tracing(Arguments& arguments) {
  if (arguments.config.empty() || !is_kong_file(arguments.config)) return;
  const auto options = kong_options(arguments);
  const auto converted = options ? kong::convert_file(arguments.config, *options) : fail(options.error());
  if (!converted || !converted->tracing) return;  // what is wrong is said where it is served
  if (arguments.otlp_endpoint.empty()) arguments.otlp_endpoint = converted->tracing->endpoint;
  if (arguments.trace_sample < 0) arguments.trace_sample = converted->tracing->sample_percent;
  arguments.otel_variables["OTEL_EXPORTER_OTLP_HEADERS"] = converted->tracing->headers;
  arguments.otel_variables["OTEL_RESOURCE_ATTRIBUTES"] = converted->tracing->resource_attributes;
}

Result<> KongSource::convert() {
  FL_TRY(const auto text, kong::read_kong_file(path_));
  const auto hash = std::hash<std::string>{}(text);
  if (hash == read_) return {};
  read_ = hash;
  const auto converted = kong::convert(text, path_.ends_with(".json"), path_, options_);
  for (const auto& found : converted.diagnostics)
    spdlog::log(found.severity == config::Severity::kError ? spdlog::level::err : spdlog::level::warn, "{}",
                found.text());
  if (converted.refused > 0)
    return fail(path_ + ": found " + std::to_string(converted.refused) +
                " that cannot be served as Kong does, expected none; with --allow-partial what is only not served is "
                "left out");
  const auto path = folder_ + kName;
  FL_CHECK(write_file(folder_ + "/.new", converted.yaml));
  if (std::rename((folder_ + "/.new").c_str(), path.c_str()) != 0) return fail(system_error(path, errno));
  return {};
}

Result<std::unique_ptr<KongSource>> KongSource::open(const Arguments& arguments) {
  if (!is_kong_file(arguments.config)) return std::unique_ptr<KongSource>();
  FL_TRY(auto options, kong_options(arguments));
  FL_TRY(auto own, tls::make_self_signed("localhost"));
  options.default_certificate = std::move(own.certificate);
  options.default_key = std::move(own.key);
  FL_TRY(auto watcher, config::Watcher::open(arguments.config));
  FL_TRY([[maybe_unused]] const auto listed, watcher.list());
  std::unique_ptr<KongSource> source(new KongSource(arguments.config, std::move(options), std::move(watcher)));
  const char* temporary = ::getenv("TMPDIR");
  auto name = std::string(temporary != nullptr && *temporary != '\0' ? temporary : "/tmp") + "/fairlead-kong-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return fail(system_error(name, errno));
  source->folder_ = std::move(name);
  FL_CHECK(source->convert());
  return source;
}

KongSource::~KongSource() {
  if (folder_.empty()) return;
  ::unlink((folder_ + "/.new").c_str());
  ::unlink((folder_ + kName).c_str());
  ::rmdir(folder_.c_str());
}

void KongSource::changed() {
  const auto seen = watcher_.take();
  if (seen.written.empty() && !seen.list && !seen.all) return;
  if (const auto listed = watcher_.list(); !listed) spdlog::error("{}: {}", path_, listed.error().message);
  if (const auto done = convert(); !done) spdlog::error("{}", done.error().message);
}

}  // namespace fairlead::gateway
