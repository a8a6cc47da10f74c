// SPDX-License-Identifier: Apache-2.0
// The commands that ask fairlead-gateway. They know it by its admin API alone.
#include "agent/ctl/command.hpp"

namespace fairlead::ctl {
namespace {

constexpr const char* kGroup = "gateway";

Command status_action() {
  return {
      "status",
      "the status of each object",
      "Shows the conditions of every object as a controller would write them, after what is refused and what is not "
      "served. As YAML or JSON it is the whole status of each object.",
      {{"--output", 'o', "FORMAT", "table (default), yaml or json", "table text yaml json"}},
      {},
      {{"fairctl gateway status", "what is accepted, and what is wrong"},
       {"fairctl gateway status -o yaml", "as kubectl get -o yaml would show it"}},
      run_gateway_status,
      kGroup};
}

Command routes_action() {
  return {
      "routes",
      "routes in force",
      "One line for each rule of a route at a listener: hosts, matches, filters, and the backends with their weights.",
      {},
      {},
      {{"fairctl gateway routes", "all routes"}},
      run_gateway_routes,
      kGroup};
}

Command backends_action() {
  return {"backends",
          "backends, and how requests are spread over them",
          "One line for each backend of a cluster: whether it gets requests, its weight, the requests that it has and "
          "had, how many of them failed, and how often it was ejected. All workers together.",
          {},
          {},
          {{"fairctl gateway backends", "all backends"}},
          run_gateway_backends,
          kGroup};
}

Command filters_action() {
  return {
      "filters",
      "what the sections of policies do",
      "One line for each section of a RequestPolicy: how many requests passed it, were answered or refused by it, or "
      "found it failing; then what it counts beside, by the names of the metrics, and what it holds.",
      {},
      {},
      {{"fairctl gateway filters", "who refuses requests, and why"}},
      run_gateway_filters,
      kGroup};
}

Command top_action() {
  return {"top",
          "rates, live",
          "Requests, answers by class, bytes, latency and the busiest backends, refreshed until q or Ctrl-C.",
          {{"--interval", 'i', "SECONDS", "how long to measure rates (default 1)", nullptr},
           {"--once", '1', nullptr, "print one table and end", nullptr}},
          {},
          {{"fairctl gateway top", "live"}, {"fairctl gateway top --once -o json", "one measurement for a script"}},
          run_gateway_top,
          kGroup};
}

Command why_action() {
  return {
      "why",
      "where a request would go, and why not elsewhere",
      "Asks the gateway's own router: which route takes the request, which field made each other candidate lose, "
      "which filters and backends follow, and what each section of the policies that it meets would say to it: what it "
      "cannot say without counting or asking, it says by what that is decided and how it stands. Nothing is sent. "
      "Without scheme or port in the URL every listener is "
      "looked at, those of the ports 80 and 443 first.",
      {{"--header", 'H', "HEADER", "a header of the request, \"Name: value\"; several times", nullptr, true},
       {"--client", '\0', "ADDRESS", "where the request comes from (default 127.0.0.1)", nullptr}},
      {{"METHOD", "the request's method", true}, {"URL", "https://HOST/PATH?QUERY, HOST/PATH or /PATH", true}},
      {{"fairctl gateway why GET http://a.example/cart", "which route takes it"},
       {"fairctl gateway why GET http://a.example/ -H 'x-canary: yes'", "with a header"},
       {"fairctl gateway why POST /cart -H 'Host: a.example' -o json", "for a script"}},
      run_gateway_why,
      kGroup};
}

Command level_action() {
  return {"log-level",
          "how much is logged",
          "Shows the level of the gateway's log, or sets it until the gateway ends.",
          {},
          {{"LEVEL", "trace, debug, info, warn or err; none: show it", false}},
          {{"fairctl gateway log-level debug", "say more"}},
          run_gateway_log_level,
          kGroup};
}

Command purge_action() {
  return {
      "purge",
      "forget stored responses",
      "Makes the gateway forget what the cache sections of all its policies have stored: of one URL as it is in the "
      "key, of all URLs that begin with a prefix, or what had a tag in Surrogate-Key or Cache-Tag. Prints how many.",
      {},
      {{"url|prefix|tag", "what VALUE is", true}, {"VALUE", "http://HOST/PATH?QUERY, its beginning, or a tag", true}},
      {{"fairctl gateway purge url http://shop.example/cart", "one URL"},
       {"fairctl gateway purge prefix http://shop.example/", "a host"},
       {"fairctl gateway purge tag product-7", "what a backend has tagged"}},
      run_gateway_purge,
      kGroup};
}

Command config_action() {
  return {"config",
          "what is in force, and what another configuration would change",
          "dump prints what the gateway serves by as JSON: listeners, routes, clusters; of policies whose they are and "
          "where they have a say, not what they say. diff plans PATH as the gateway would, and prints what it would "
          "change of that; the exit code is 1 where it would change something. Certificates, access logs and TLS "
          "settings are not compared. The gateway reads PATH itself, with its own rights. Values that may be secrets "
          "are not shown.",
          {},
          {{"dump|diff", "what to do", true}, {"PATH", "for diff: a directory or file of objects", false}},
          {{"fairctl gateway config dump | jq .clusters", "what is in force"},
           {"fairctl gateway config diff ./objects", "before it is put in force"}},
          run_gateway_config,
          kGroup};
}

}  // namespace

Command gateway_command() {
  return {"gateway",
          "what fairlead-gateway serves, and why",
          "Asks this node's fairlead-gateway, by its socket /run/fairlead/gateway.sock unless --socket names another.",
          {},
          {},
          {{"fairctl gateway status", "the status of each object"},
           {"fairctl gateway why GET http://a.example/", "which route takes a request"},
           {"fairctl gateway why --help", "the options of an action"}},
          nullptr,
          nullptr,
          {status_action(), routes_action(), backends_action(), filters_action(), top_action(), why_action(),
           level_action(), config_action(), purge_action()}};
}

}  // namespace fairlead::ctl
