// SPDX-License-Identifier: Apache-2.0
#pragma once

// The nouns of Kong's file, as they were read: names as Kong has them, references resolved to places in the lists.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/dataplane/config/reader.hpp"

namespace fairlead::kong {

using config::View;
using Index = std::optional<std::size_t>;

inline constexpr std::uint64_t kMostMs = 2'147'483'646;  ///< of times

/// Kong takes no other.
inline bool is_method(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

struct Service {
  View at;
  std::string name, protocol = "http", host, path = "/";
  std::uint16_t port = 80;
  std::uint32_t retries = 5;
  std::uint32_t connect_ms = 60'000, read_ms = 60'000, write_ms = 60'000;
  bool tls_verify = false;
  std::vector<std::string> ca_certificates;  ///< ids
  View client_at;
  Index client;  ///< the certificate that backends are shown
  bool enabled = true;
};

[[nodiscard]] inline bool is_grpc(std::string_view protocol) { return protocol == "grpc" || protocol == "grpcs"; }

/// NAME and PORT of NAME:PORT; PORT is empty where there is none.
[[nodiscard]] inline std::pair<std::string_view, std::string_view> parts_of_host(std::string_view host) {
  const auto colon = std::min(host.find(':'), host.size());
  return {host.substr(0, colon), host.substr(std::min(colon + 1, host.size()))};
}

struct HeaderCondition {
  std::string name;
  std::vector<std::string> values;
  View at;
};

struct PathCondition {
  std::string text;  ///< without the ~
  bool regex = false;
  View at;
};

struct Route {
  View at;
  std::string name;
  Index service;
  View service_at;
  std::vector<std::string> protocols{"http", "https"};
  std::vector<std::string> methods, hosts;
  std::vector<std::string> snis;  ///< count where there is TLS
  std::vector<PathCondition> paths;
  std::vector<HeaderCondition> headers;
  std::uint16_t https_redirect = 426;
  bool strip_path = true;
  bool preserve_host = false;
  View joins_as_it_is;  ///< path_handling v1: no slash is put between the service's path and what is left
  std::uint32_t regex_priority = 0;
  bool left_out = false;  ///< a condition is not served

  [[nodiscard]] bool grpc() const { return !protocols.empty() && is_grpc(protocols.front()); }  ///< all are, or none
};

struct ActiveCheck {
  View at;
  std::string type = "http", path = "/";
  double timeout = 1, healthy_interval = 0, unhealthy_interval = 0;
  std::vector<std::uint32_t> healthy_statuses{200, 302};
  std::vector<std::uint32_t> unhealthy_statuses{429, 404, 500, 501, 502, 503, 504, 505};
  View verifies_at;  ///< https_verify_certificate
  std::uint32_t successes = 0, tcp_failures = 0, timeouts = 0, http_failures = 0;
};

/// What requests meet; 0: never.
struct PassiveCheck {
  std::uint32_t tcp_failures = 0, timeouts = 0, http_failures = 0;
  std::vector<std::uint32_t> http_statuses{429, 500, 503};
};

struct Upstream {
  View at;
  std::string name, algorithm = "round-robin", hash_on = "none", hash_header, hash_cookie, hash_query, host_header;
  std::string hash_fallback = "none", fallback_header, fallback_query, cookie_path = "/";
  View client_at;
  Index client;  ///< the certificate that targets are shown, where the service has none
  std::uint32_t threshold = 0;
  ActiveCheck active;
  PassiveCheck passive;
};

struct Target {
  View at;
  Index upstream;
  View upstream_at;
  std::string host;
  std::uint16_t port = 8000;
  std::uint32_t weight = 100;
};

struct Credential {
  enum class Kind : std::uint8_t { kKey, kBasic, kHmac, kJwt, kGroup };
  Kind kind = Kind::kKey;
  View at;
  Index consumer;
  View consumer_at;
  std::string id, secret, public_key, algorithm = "HS256";  ///< id: user name, key of a JWT; secret: the key itself
};

struct Consumer {
  View at;
  std::string username, custom_id;
  std::vector<View> groups_at;
  std::set<std::size_t> groups{};  ///< consumer groups
  std::string object;  ///< name of the Consumer made of it
  [[nodiscard]] const std::string& called() const { return username.empty() ? custom_id : username; }
};

struct ConsumerGroup {
  View at;
  std::string name;
  std::vector<View> members_at;  ///< consumers
};

struct Certificate {
  View at;
  std::string id, cert, key, object{};  ///< object: name of the Secret made of it
  std::vector<std::pair<std::string, View>> names{};  ///< snis that it is for
};

struct Plugin {
  View at, config;
  std::string name;
  bool enabled = true;
  Index service, route, consumer, group;
  View service_at, route_at, consumer_at, group_at;
  View protocols_at;
  std::vector<std::string> protocols;  ///< empty: every one
};

struct File {
  std::vector<Service> services;
  std::vector<Route> routes;
  std::vector<Upstream> upstreams;
  std::vector<Target> targets;
  std::vector<Consumer> consumers;
  std::vector<ConsumerGroup> groups;
  std::vector<Credential> credentials;
  std::vector<Certificate> certificates, authorities;
  std::vector<Plugin> plugins;
  bool transform = true;  ///< passwords stand in clear
};

/// Notes what is wrong, and what is right in Kong but not served.
/// Owner: a conversion. Thread: its.
class Notes {
 public:
  Notes(config::Reader& reader, bool allow_partial) : reader_(reader), allow_partial_(allow_partial) {}
  [[nodiscard]] config::Reader& reader() { return reader_; }
  void error(View at, std::string expected) { reader_.error(at, std::move(expected)); }
  /// Refuses the file, or is left out where that is allowed. `expected`: what would be served.
  void unserved(View at, const std::string& expected) {
    if (allow_partial_) reader_.warn(at, "left out, as it is not served; expected " + expected);
    else reader_.error(at, expected), ++unserved_;
  }
  /// How many have refused the file so: what is left can be read on.
  [[nodiscard]] std::size_t unserved() const { return unserved_; }

 private:
  config::Reader& reader_;
  bool allow_partial_;
  std::size_t unserved_ = 0;
};

/// Puts values where something stands for them: decK's `_info.defaults` and `_plugin_configs`, references to vaults.
void prepare(Notes& notes, config::Tree& tree);

/// Reads a whole file; what is wrong is in the notes.
[[nodiscard]] File read_entities(Notes& notes, View root);

}  // namespace fairlead::kong
