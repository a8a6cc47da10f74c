// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/otlp_post.hpp"

#include <httplib.h>

#include <charconv>

namespace fairlead::telemetry {

struct OtlpPost::Client {
  Client(const std::string& origin, std::string target) : http(origin), path(std::move(target)) {}
  httplib::Client http;
  std::string path;
};

OtlpPost::OtlpPost(std::unique_ptr<Client> client) : client_(std::move(client)) {}
OtlpPost::~OtlpPost() = default;

Result<std::unique_ptr<OtlpPost>> OtlpPost::create(const OtlpOptions& options) {
  const std::string_view endpoint = options.endpoint;
  const auto scheme = endpoint.find("://");
  if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://"))
    return fail("OTLP endpoint '" + options.endpoint + "': http://... or https://... is expected");
  const auto slash = endpoint.find('/', scheme + 3);
  const std::string origin(endpoint.substr(0, slash));
  std::string path(slash == std::string_view::npos ? "/v1/traces" : endpoint.substr(slash));
  auto client = std::make_unique<Client>(origin, std::move(path));
  if (!client->http.is_valid()) return fail("OTLP endpoint '" + options.endpoint + "': no valid host and port");
  constexpr int kMsPerSecond = 1000;
  const auto seconds = options.timeout_ms / kMsPerSecond;
  const auto micros = options.timeout_ms % kMsPerSecond * kMsPerSecond;
  client->http.set_connection_timeout(seconds, micros);
  client->http.set_read_timeout(seconds, micros);
  client->http.set_write_timeout(seconds, micros);
  client->http.set_keep_alive(true);
  httplib::Headers headers;
  for (const auto& [name, value] : options.headers) headers.emplace(name, value);
  client->http.set_default_headers(headers);
  return std::unique_ptr<OtlpPost>(new OtlpPost(std::move(client)));
}

PostResult OtlpPost::post(const std::string& body) {
  PostResult result;
  const auto answer = client_->http.Post(client_->path.c_str(), body, "application/x-protobuf");
  if (!answer) return result;
  result.status = answer->status;
  result.body = answer->body;
  const auto after = answer->get_header_value("Retry-After");
  std::from_chars(after.data(), after.data() + after.size(), result.retry_after_s);
  return result;
}

void OtlpPost::interrupt() { client_->http.stop(); }

}  // namespace fairlead::telemetry
