// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "agent/ctl/command.hpp"
#include "agent/ctl/out.hpp"
#include "agent/ctl/pairs.hpp"
#include "agent/ctl/screen.hpp"

namespace fairlead::ctl {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct Status {
  Clock::time_point when;
  Json json;
};

/// Two samples with the seconds between them.
struct Span {
  const Json& before;
  const Json& after;
  double seconds;

  [[nodiscard]] double rate(const Json& a, const Json& b, const std::string& name) const {
    const double earlier = a.contains(name) ? a.at(name).get<double>() : 0;
    return seconds > 0 ? std::max(0.0, (b.at(name).get<double>() - earlier) / seconds) : 0;
  }
};

/// The duration below which `share` of the requests between the samples were, in microseconds; 0: there were none.
double quantile(const Json& before, const Json& after, double share) {
  double all = 0;
  for (std::size_t i = 0; i < after.size(); ++i)
    all += after[i].at("count").get<double>() - before[i].at("count").get<double>();
  double below = 0;
  for (std::size_t i = 0; i < after.size() && all > 0; ++i) {
    below += after[i].at("count").get<double>() - before[i].at("count").get<double>();
    if (below >= share * all) return after[i].at("toUs").get<double>();
  }
  return 0;
}

Json measured(const Span& span) {
  const auto& a = span.before.at("counters");
  const auto& b = span.after.at("counters");
  const auto& old_latency = span.before.at("latency").at("buckets");
  const auto& new_latency = span.after.at("latency").at("buckets");
  Json out{{"seconds", span.seconds},
           {"requestsPerSecond", span.rate(a, b, "requests")},
           {"refusedPerSecond", span.rate(a, b, "refusedRequests")},
           {"connectionsPerSecond", span.rate(a, b, "connections")},
           {"requestBytesPerSecond", span.rate(a, b, "requestBytes")},
           {"responseBytesPerSecond", span.rate(a, b, "responseBytes")},
           {"openConnections", b.at("openConnections")},
           {"activeRequests", b.at("activeRequests")},
           {"p50Us", quantile(old_latency, new_latency, 0.5)},
           {"p99Us", quantile(old_latency, new_latency, 0.99)}};
  for (const auto& [name, count] : b.at("byClass").items())
    out["byClass"][name] = span.rate(a.at("byClass"), b.at("byClass"), name);
  std::vector<Json> backends;
  for (const auto& cluster : span.after.at("clusters"))
    for (const auto& backend : cluster.at("backends")) {
      Json earlier = Json::object();
      for (const auto& other : span.before.at("clusters"))
        if (other.at("name") == cluster.at("name"))
          for (const auto& one : other.at("backends"))
            if (one.at("address") == backend.at("address")) earlier = one;
      backends.push_back({{"cluster", cluster.at("name")},
                          {"address", backend.at("address")},
                          {"state", backend.at("state")},
                          {"active", backend.at("active")},
                          {"requestsPerSecond", span.rate(earlier, backend, "requests")},
                          {"failuresPerSecond", span.rate(earlier, backend, "failures")},
                          {"responses5xxPerSecond", span.rate(earlier, backend, "responses5xx")},
                          {"requests", backend.at("requests")}});
    }
  std::ranges::sort(backends, [](const Json& x, const Json& y) {
    return x.at("requestsPerSecond").get<double>() > y.at("requestsPerSecond").get<double>();
  });
  out["backends"] = std::move(backends);
  return out;
}

std::string picture(const Json& now, std::size_t most) {
  const auto number = [&](const char* name) { return now.at(name).get<double>(); };
  const auto until = [&](const char* name) { return number(name) > 0 ? "< " + micros_text(number(name)) : "-"; };
  std::string out = paint(count_text(number("requestsPerSecond")) + " requests/s", Colour::kBold) + "  latency p50 " +
                    until("p50Us") + ", p99 " + until("p99Us") + "  in " + bytes_text(number("requestBytesPerSecond")) +
                    "/s, out " + bytes_text(number("responseBytesPerSecond")) + "/s\n";
  out += count_text(number("openConnections")) + " connections, " + count_text(number("activeRequests")) +
         " requests under way";
  const char* before = "; ";
  for (const auto& [name, rate] : now.at("byClass").items())
    if (rate.get<double>() > 0)
      out += std::exchange(before, " ") + paint(name + " " + count_text(rate.get<double>()) + "/s",
                                                name == "5xx" || name == "none" ? Colour::kRed : Colour::kNone);
  out += "\n\n";
  Table table;
  for (const char* title : {"CLUSTER", "BACKEND", "STATE"}) table.column(title);
  for (const char* title : {"REQ/S", "5XX/S", "FAILED/S", "ACTIVE", "REQUESTS"})
    table.column(title, Table::Align::kRight);
  for (const auto& one : now.at("backends")) {
    if (most-- == 0) break;
    const auto rate = [&](const char* name) { return count_text(one.at(name).get<double>()); };
    table.row({{one.at("cluster").get<std::string>()},
               {one.at("address").get<std::string>()},
               {one.at("state").get<std::string>()},
               {rate("requestsPerSecond")},
               {rate("responses5xxPerSecond")},
               {rate("failuresPerSecond")},
               {rate("active")},
               {rate("requests")}});
  }
  return out + (table.empty() ? "no backends\n" : table.text());
}

Result<Status> take(const Arguments& arguments) {
  FL_TRY(const auto body, admin::Client(arguments.socket).get("/v1/gateway/live"));
  return Status{Clock::now(), Json::parse(body)};
}

Json between(const Status& before, const Status& after) {
  return measured({before.json, after.json, std::chrono::duration<double>(after.when - before.when).count()});
}

int live(const Arguments& arguments, Status before, double seconds) {
  {
    const Screen screen;
    while (true) {
      const char key = key_within(std::max(seconds, 0.1));
      if (key == 'q' || key == '\x03') return kDone;
      auto now = take(arguments);
      if (!now) break;
      choose_width(Screen::columns());
      std::cout << "\033[H\033[2J" << paint("fairctl gateway top", Colour::kBold) << "  (q: end)\n\n"
                << picture(between(before, *now), Screen::lines()) << std::flush;
      before = std::move(*now);
    }
  }
  std::cerr << "fairctl: the gateway has ended\n";
  return kUnreachable;
}

}  // namespace

int run_gateway_top(const Arguments& arguments) {
  const double seconds = interval_of(arguments);
  if (seconds < 0) return kUsage;
  auto before = take(arguments);
  if (!before) return explain(arguments, before.error());
  if (!arguments.has("once") && !arguments.json && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1)
    return live(arguments, std::move(*before), seconds);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const auto after = take(arguments);
  if (!after) return explain(arguments, after.error());
  const auto now = between(*before, *after);
  std::cout << (arguments.json ? now.dump(2) + "\n" : picture(now, 1'000'000));
  return kDone;
}

}  // namespace fairlead::ctl
