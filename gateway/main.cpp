// SPDX-License-Identifier: Apache-2.0
// fairlead-gateway: reads the command line, starts the gateway, turns errors into words and exit codes.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "fairlead/base/standard_output.hpp"
#include "fairlead/config/report.hpp"
#include "gateway/admin_json.hpp"
#include "gateway/config_plan.hpp"
#include "gateway/gateway.hpp"
#include "gateway/kong_source.hpp"

namespace {

using fairlead::Result;
using fairlead::gateway::Arguments;
using fairlead::gateway::Json;

constexpr const char* kFooter = R"(
Examples:
  fairlead-gateway --config ./objects                                  Gateway API objects, followed as they change
  fairlead-gateway check ./objects                                     is this configuration right?
  fairlead-gateway --listen :8080 --to http://127.0.0.1:3000
  fairlead-gateway --listen :443 --cert site.pem --key site.key --to http://10.0.0.1 --to http://10.0.0.2
  fairlead-gateway --config kong.yaml                                  Kong's own file, on :8000 and :8443
  fairlead-gateway convert kong kong.yaml > objects.yaml               the same as Gateway API objects
  fairlead-gateway --config ./objects --upgrade                        another build, in place of the one that runs
  fairlead-gateway --listen 127.0.0.1:0 --to h2c://127.0.0.1:50051     gRPC; the port is printed

Standard output: one line `listening on URL` for each listener, `admin on ADDRESS`, then `ready`. SIGTERM: no new
connections, after --drain-delay, and the end once those under way are over; a second one does not wait. SIGHUP: look at
the configuration, or --cert and --key, again. SIGUSR1: open the files of access logs anew, after they were moved; so does
SIGHUP.
Exit status: 0 done or ended by a signal, 1 an error (said on standard error) or, for check, a refused object; 2 a wrong
command line.)";

constexpr int kUsage = 2;  // as fairctl's

/// --config, or --listen and --to; --listen says where Kong's file is served, too.
Result<> check(const Arguments& arguments) {
  const bool kong = !arguments.config.empty() && fairlead::gateway::is_kong_file(arguments.config);
  const bool by_flags = (!arguments.listen.empty() && !kong) || !arguments.to.empty() ||
                        !arguments.certificate.empty() || !arguments.key.empty() || !arguments.ocsp.empty();
  if (arguments.upgrade && arguments.socket.empty())
    return fairlead::fail("--upgrade: found an empty --socket, expected that of the gateway to take over from");
  if (!arguments.config.empty() && by_flags)
    return fairlead::fail(
        "--config: found beside --listen, --to, --cert, --key or --ocsp, expected one of the two ways");
  if (!arguments.config.empty() && arguments.loose_targets)
    return fairlead::fail("--loose-targets: found beside --config, expected looseTargets of a ClientPolicy");
  if (!arguments.config.empty()) return {};
  for (auto text = arguments.listen.begin(); text != arguments.listen.end(); ++text) {
    FL_TRY(const auto listen, fairlead::gateway::ListenArgument::parse(*text));
    if (listen.port != 0 && std::find(arguments.listen.begin(), text, *text) != text)
      return fairlead::fail("--listen: found " + *text + " more than once, expected an address once");
  }
  for (const auto& text : arguments.to) {
    FL_TRY([[maybe_unused]] const auto target, fairlead::gateway::TargetArgument::parse(text));
  }
  if (arguments.listen.empty())
    return fairlead::fail("found nothing to serve, expected --config PATH, or --listen ADDRESS:PORT and --to URL");
  if (arguments.to.empty()) return fairlead::fail("found nobody to ask, expected --to URL");
  if (arguments.certificate.empty() != arguments.key.empty())
    return fairlead::fail("--cert and --key: found one of them, expected both");
  if (!arguments.ocsp.empty() && arguments.certificate.empty())
    return fairlead::fail("--ocsp: found without --cert, expected the certificate that it is for");
  return {};
}

Result<> serve(Arguments arguments) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("fairlead-gateway"));
  spdlog::set_level(spdlog::level::from_str(arguments.log_level));
  FL_CHECK(check(arguments));
  FL_TRY(const auto gateway, fairlead::gateway::Gateway::start(std::move(arguments)));
  gateway->run();
  return {};
}

/// What a command ends with: 1, too, where what it printed did not arrive.
int written(int status) {
  const auto flushed = fairlead::flush_standard_output();
  if (flushed) return status;
  std::cerr << "fairlead-gateway: " << flushed.error().message << "\n";
  return 1;
}

/// The objects go to standard output, remarks to standard error.
int convert_kong(const std::string& path, const Arguments& arguments) {
  auto options = fairlead::gateway::kong_options(arguments);
  if (!options) {
    std::cerr << "fairlead-gateway: " << options.error().message << "\n";
    return 1;
  }
  options->objects_only = true;
  const auto converted = fairlead::kong::convert_file(path, *options);
  if (!converted) {
    std::cerr << "fairlead-gateway: " << converted.error().message << "\n";
    return 1;
  }
  for (const auto& found : converted->diagnostics) std::cerr << found.text() << "\n";
  std::cout << converted->yaml;
  return converted->refused == 0 ? 0 : 1;
}

int check_kong(const std::string& path, const Arguments& arguments) {
  const auto options = fairlead::gateway::kong_options(arguments);
  const auto converted = options ? fairlead::kong::convert_file(path, *options) : fairlead::fail(options.error());
  if (!converted) {
    std::cerr << "fairlead-gateway: " << converted.error().message << "\n";
    return 1;
  }
  for (const auto& found : converted->diagnostics) std::cout << found.text() << "\n";
  std::cout << path << ": Kong's format, " << converted->refused << " refused\n";
  return converted->refused == 0 ? 0 : 1;
}

/// Conditions that say no: of an object (`who`), one of its listeners, parents or ancestors. That nothing is programmed
/// is only told where no other one says why.
void add_refusals(const std::string& who, const Json& conditions, std::vector<std::string>& out) {
  const auto before = out.size();
  const auto add = [&](std::string_view type) {
    for (const auto& condition : conditions) {
      const auto reason = condition.at("reason").get<std::string>();
      if (condition.at("type") != type || condition.at("status") != "False" || reason.starts_with("Listeners"))
        continue;
      out.push_back(who + ": " + std::string(type) + " is False (" + reason +
                    "): " + condition.at("message").get<std::string>());
    }
  };
  add("Accepted");
  add("ResolvedRefs");
  if (out.size() == before) add("Programmed");
}

std::string name_of(const Json& reference) {
  auto out = reference.at("kind").get<std::string>() + " " + reference.at("name").get<std::string>();
  if (reference.contains("sectionName")) out += ", " + reference.at("sectionName").get<std::string>();
  return out;
}

/// What shows only when the objects meet.
std::vector<std::string> check_together(const std::string& path) {
  auto plan = fairlead::gateway::ConfigPlan::open(path, {}, nullptr, nullptr, nullptr, true);
  if (!plan || !(*plan)->load()) return {};
  std::vector<std::string> out;
  for (const auto& item : fairlead::gateway::documents_json((*plan)->status())) {
    const auto& metadata = item.at("metadata");
    const auto who = item.at("kind").get<std::string>() + " " +
                     (metadata.contains("namespace") ? metadata.at("namespace").get<std::string>() + "/" : "") +
                     metadata.at("name").get<std::string>();
    const auto& status = item.at("status");
    if (status.empty()) out.push_back(who + ": has no effect: its class, parent or target is not here, or not in use");
    add_refusals(who, status.value("conditions", Json::array()), out);
    for (const auto& listener : status.value("listeners", Json::array()))
      add_refusals(who + ", listener " + listener.at("name").get<std::string>(), listener.at("conditions"), out);
    for (const auto& parent : status.value("parents", Json::array()))
      add_refusals(who + " at " + name_of(parent.at("parentRef")), parent.at("conditions"), out);
    for (const auto& ancestor : status.value("ancestors", Json::array()))
      add_refusals(who + " at " + name_of(ancestor.at("ancestorRef")), ancestor.at("conditions"), out);
  }
  return out;
}

int check_objects(const std::string& path, bool json) {
  const auto checked = fairlead::config::Checked::of(path, fairlead::config::gateway_kinds());
  if (!checked) {
    std::cerr << "fairlead-gateway: " << checked.error().message << "\n";
    return 1;
  }
  const auto warnings = check_together(path);
  if (json) {
    auto out = Json::parse(checked->json());
    out["warnings"] = warnings;
    std::cout << fairlead::gateway::dump(out) << "\n";
  } else {
    for (const auto& found : checked->update.diagnostics) std::cout << found.text() << "\n";
    for (const auto& warning : warnings) std::cout << "warning: " << warning << "\n";
    std::cout << checked->summary(path) << "\n";
  }
  return checked->refused == 0 ? 0 : 1;
}

void add_serving_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config,
                 "directory or file of Gateway API objects, or Kong's file; or --listen and --to")
      ->type_name("PATH");
  app.add_option("--listen", arguments.listen, "where to listen: :PORT, ADDRESS:PORT or [IPV6]:PORT; several times")
      ->type_name("ADDRESS");
  app.add_option("--to", arguments.to, "a backend: http://, https:// or h2c://HOST[:PORT]; several times")
      ->type_name("URL");
  app.add_option("--cert", arguments.certificate,
                 "PEM file of the certificate chain: the listeners speak TLS; it and its key are followed")
      ->type_name("FILE");
  app.add_option("--key", arguments.key, "PEM file of its private key")->type_name("FILE");
  app.add_option("--ocsp", arguments.ocsp, "an OCSP response for it (DER), stapled as long as it is good")
      ->type_name("FILE");
  app.add_flag(
      "--loose-targets", arguments.loose_targets,
      "take targets as browsers send them, with \" [ ] ^ ` { | } and backslash unencoded; without it they get 400");
  app.add_option("--zone", arguments.zone, "zone of this machine, for backends nearby first")->type_name("NAME");
  app.add_option("--dns", arguments.dns, "name servers, ADDRESS[:PORT] with commas (default: /etc/resolv.conf)")
      ->type_name("ADDRESSES");
  app.add_option("--session-key", arguments.session_key,
                 "file of secrets for session persistence, one a line, newest first (default: made at each start)")
      ->type_name("FILE");
  app.add_option("--state-dir", arguments.state_dir,
                 "directory for what local quotas have counted, so that it survives a restart (default: systemd's "
                 "STATE_DIRECTORY; without one nothing is kept)")
      ->type_name("DIRECTORY");
}

void add_running_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--workers", arguments.workers, "threads (default: the CPUs that it may run on)")->type_name("NUMBER");
  app.add_option("--socket", arguments.socket, "unix socket for fairctl; empty: none")->capture_default_str();
  app.add_option("--admin", arguments.admin, "address of the live page, /metrics, /healthz and /readyz; empty: none")
      ->capture_default_str();
  app.add_flag(
      "--allow-partial", arguments.allow_partial,
      "of Kong's file leave out what cannot be served as Kong does, and name it; without it that refuses the file");
  app.add_flag(
      "--upgrade", arguments.upgrade,
      "take over from the gateway that has the same --socket, if there is one: it hands its sockets over, and ends "
      "once what it serves is over");
  app.add_option("--drain-seconds", arguments.drain_seconds, "how long connections may take to end after SIGTERM")
      ->capture_default_str();
  app.add_option("--drain-delay", arguments.drain_delay_seconds,
                 "seconds after SIGTERM in which /readyz fails and new connections are served still; for load "
                 "balancers and Kubernetes, that need a while to notice")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_option("--queue-limit", arguments.queue_limit_ms,
                 "milliseconds that requests may wait for a worker; beyond, they get 503; 0: no limit")
      ->type_name("MS")
      ->capture_default_str();
  app.add_option("--memory-limit", arguments.memory_limit,
                 "bytes of buffers, such as 512MiB, beyond which new requests get 503 (default: a quarter of what the "
                 "process may have)")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false));
  app.add_option(
         "--kernel-tls", arguments.kernel_tls,
         "auto: the kernel seals TLS records where it can, so that long bodies are moved without a copy; off: never")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "off"}));
}

void add_telling_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--log-level", arguments.log_level, "trace, debug, info, warn, err")
      ->capture_default_str()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "err"}));
  app.add_option("--access-log", arguments.access_log,
                 "a line for each request: json, common, combined, kong or template, and where to: "
                 "[:stdout|:stderr|:/PATH|:udp://ADDRESS:PORT], the last by syslog; a ClientPolicy's goes before it")
      ->type_name("FORMAT[:TARGET]")
      ->capture_default_str();
  app.add_option("--access-log-template", arguments.access_log_template,
                 "of format template: text and operators such as %RESPONSE_CODE%")
      ->type_name("TEXT");
  app.add_option("--access-log-sample", arguments.access_log_sample, "percent of requests that are logged")
      ->type_name("PERCENT")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 100.0));
  app.add_option(
         "--otlp-endpoint", arguments.otlp_endpoint,
         "spans go there by OTLP/HTTP: http:// or https://HOST:PORT (default: by OpenTelemetry's environment, as "
         "is all about traces)")
      ->type_name("URL");
  app.add_option("--trace-headers", arguments.trace_headers,
                 "headers of traces, separated by commas: tracecontext, b3, b3multi, jaeger, datadog")
      ->type_name("LIST");
  app.add_option("--trace-sample", arguments.trace_sample, "percent of the traces begun here that are exported")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 100.0));
}

/// "--admin=" is an option with an empty value, where CLI11 would take the next word for it.
std::vector<std::string> split_empty_values(int count, char** words) {
  std::vector<std::string> out;
  for (int i = count - 1; i > 0; --i) {  // CLI11 takes them last first
    std::string word = words[i];
    if (word.starts_with("--") && word.ends_with('=')) {
      out.emplace_back();
      word.pop_back();
    }
    out.push_back(std::move(word));
  }
  return out;
}

int run(int count, char** words) {
  CLI::App app("fairlead-gateway: HTTP/1.1 and HTTP/2, TLS, balanced over backends", "fairlead-gateway");
  app.footer(kFooter);
  app.set_version_flag("-V,--version", "fairlead-gateway " FAIRLEAD_VERSION, "the version of fairlead-gateway");
  Arguments arguments;
  add_serving_options(app, arguments);
  add_running_options(app, arguments);
  add_telling_options(app, arguments);
  auto* check_command = app.add_subcommand("check", "validate a configuration without serving it");
  std::string path;
  check_command->add_option("PATH", path, "directory or file of YAML and JSON objects")->type_name("")->required();
  std::string output;
  check_command->add_option("-o,--output", output, "json: all that is found, for programs")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}));
  auto* convert_command = app.add_subcommand("convert", "another gateway's configuration as Gateway API objects");
  convert_command->require_subcommand(1)->fallthrough();
  auto* kong_command = convert_command->add_subcommand("kong", "Kong's declarative file, to standard output");
  kong_command->fallthrough();
  kong_command->add_option("FILE", path, "YAML or JSON with _format_version")->type_name("")->required();
  check_command->fallthrough();
  try {
    app.parse(split_empty_values(count, words));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;  // 0: --help, --version
  }
  if (kong_command->parsed()) return written(convert_kong(path, arguments));
  if (check_command->parsed() && fairlead::gateway::is_kong_file(path)) return written(check_kong(path, arguments));
  if (check_command->parsed()) return written(check_objects(path, output == "json"));
  const auto served = serve(std::move(arguments));
  if (served) return 0;
  std::cerr << "fairlead-gateway: " << served.error().message << "\n";
  return 1;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const std::exception& error) {  // CLI11, spdlog and the standard library throw
    std::cerr << "fairlead-gateway: " << error.what() << "\n";
    return 1;
  }
}
