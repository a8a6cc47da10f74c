// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/http_post.hpp"

#include <httplib.h>

#include <charconv>

namespace fairlead::telemetry {

struct HttpPost::Client {
  Client(const std::string& origin, const HttpPostOptions& options) : http(origin) {
    request.method = options.method;
    for (const auto& [name, value] : options.headers) request.headers.emplace(name, value);
    request.headers.emplace("Content-Type", options.content_type);
  }
  httplib::Client http;
  httplib::Request request;
};

HttpPost::HttpPost(std::unique_ptr<Client> client) : client_(std::move(client)) {}
HttpPost::~HttpPost() = default;

Result<std::unique_ptr<HttpPost>> HttpPost::create(const HttpPostOptions& options) {
  const std::string_view url = options.url;
  const auto scheme = url.find("://");
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    return fail("'" + options.url + "': http://... or https://... is expected");
  const auto slash = url.find('/', scheme + 3);
  auto client = std::make_unique<Client>(std::string(url.substr(0, slash)), options);
  client->request.path = slash == std::string_view::npos ? options.default_path : std::string(url.substr(slash));
  if (!client->http.is_valid()) return fail("'" + options.url + "': no valid host and port");
  constexpr int kMsPerSecond = 1000;
  const auto seconds = options.timeout_ms / kMsPerSecond;
  const auto micros = options.timeout_ms % kMsPerSecond * kMsPerSecond;
  client->http.set_connection_timeout(seconds, micros);
  client->http.set_read_timeout(seconds, micros);
  client->http.set_write_timeout(seconds, micros);
  client->http.set_keep_alive(true);
  return std::unique_ptr<HttpPost>(new HttpPost(std::move(client)));
}

PostResult HttpPost::post(const std::string& body) {
  PostResult result;
  auto request = client_->request;
  request.body = body;
  const auto answer = client_->http.send(request);
  if (!answer) return result;
  result.status = answer->status;
  result.body = answer->body;
  const auto after = answer->get_header_value("Retry-After");
  std::from_chars(after.data(), after.data() + after.size(), result.retry_after_s);
  return result;
}

void HttpPost::interrupt() { client_->http.stop(); }

}  // namespace fairlead::telemetry
