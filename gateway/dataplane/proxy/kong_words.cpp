// SPDX-License-Identifier: Apache-2.0
// What Kong, release 3.9, says where it answers itself: the words of its core and of its plugins, and their form.
#include <algorithm>
#include <charconv>
#include <utility>

#include "fairlead/base/ascii.hpp"
#include "fairlead/change/json.hpp"
#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/proxy/kong_answers.hpp"

namespace fairlead::proxy {

std::uint16_t kong_status(const OwnAnswer& answer) {
  const bool unconnected = answer.status == 503 && answer.flag == telemetry::ResponseFlag::kUpstreamConnectionFailure;
  // An error in Lua, there.
  if (answer.status == 503 && answer.flag == telemetry::ResponseFlag::kRateLimitServiceError) return 500;
  if (!unconnected) return answer.status;
  return answer.connect_timed_out ? 504 : 502;
}

namespace {

using Flag = telemetry::ResponseFlag;

enum class Form : std::uint8_t { kJson, kHtml, kXml, kText };

bool asks_for_key(const http::Fields* fields) {
  return fields != nullptr && std::ranges::any_of(*fields, [](const http::Field& field) {
           return field.name == "www-authenticate" && field.value.starts_with("Key");
         });
}

constexpr std::pair<std::uint16_t, std::string_view> kOfStatus[] = {
    {400, "Bad request"},
    {401, "Unauthorized"},
    {402, "Payment required"},
    {403, "Forbidden"},
    {404, "no Route matched with those values"},
    {405, "Method not allowed"},
    {406, "Not acceptable"},
    {408, "Request timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length required"},
    {412, "Precondition failed"},
    {413, "Payload too large"},
    {414, "URI too long"},
    {415, "Unsupported media type"},
    {417, "Expectation failed"},
    {421, "Misdirected request"},
    {422, "Unprocessable entity"},
    {426, "Upgrade required"},
    {429, "API rate limit exceeded"},
    {431, "Request header or cookie too large"},
    {451, "Unavailable for legal reasons"},
    {501, "Not implemented"},
    {502, "An invalid response was received from the upstream server"},
    {504, "The upstream server is timing out"},
};

/// Why a credential is refused, by the method that it is for.
std::string message_of_credential(std::string_view reason) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"apiKey:duplicate", "Duplicate API key found"},
      {"hmac:not_recent",
       "HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"},
      {"hmac:wrong", "HMAC signature does not match"},
      {"hmac:body", "HMAC signature does not match"},
      {"hmac:", "HMAC signature cannot be verified"},
      {"jwt:duplicate", "Multiple tokens provided"},
      {"jwt:malformed", "Bad token; invalid JSON"},
      {"jwt:unknown_algorithm", "Bad token; invalid alg"},
      {"jwt:algorithm", "Invalid algorithm"},
      {"jwt:signature", "Invalid signature"},
  };
  for (const auto& [begin, words] : kWords)
    if (reason.starts_with(begin)) return std::string(words);
  const auto claim = [&](std::string_view what) { return std::string(reason.substr(what.size())); };
  if (reason.starts_with("jwt:no_key:")) return "No mandatory '" + claim("jwt:no_key:") + "' in claims";
  if (reason.starts_with("jwt:empty_key:")) return "Invalid '" + claim("jwt:empty_key:") + "' in claims";
  if (reason.starts_with("jwt:issuer:")) return "No credentials found for given '" + claim("jwt:issuer:") + "'";
  return "Unauthorized";
}

std::string message_of(const OwnAnswer& answer) {
  if (!answer.message.empty()) return std::string(answer.message);
  if (answer.details == "no_credential" && asks_for_key(answer.fields)) return "No API key found in request";
  if (answer.details == "credential_refused") return message_of_credential(answer.reason);
  if (answer.details == "access_denied") return "You cannot consume this service";
  if (answer.details == "address_denied") return "IP address not allowed: " + answer.client.text();
  if (answer.details == "request_too_large") return "Request size limit exceeded";
  if (answer.details == "length_required") return "A valid Content-Length header is required";
  if (answer.details == "several_user_agents") return "Only one User-Agent header allowed";
  constexpr std::string_view kUsedUp = "response_limit:";
  if (answer.details.starts_with(kUsedUp))
    return "API rate limit exceeded for '" + std::string(answer.details.substr(kUsedUp.size())) + "'";
  const auto status = kong_status(answer);
  if (status == 503) {
    if (answer.flag == Flag::kNoHealthyUpstream) return "failure to get a peer from the ring-balancer";
    if (answer.flag == Flag::kDnsFailed) return "name resolution failed";
    return "The upstream server is currently unavailable";
  }
  const auto* found = std::ranges::find(kOfStatus, status, &std::pair<std::uint16_t, std::string_view>::first);
  return std::string(found == std::end(kOfStatus) ? "An unexpected error occurred" : found->second);
}

/// What the plugin jwt says of claims: an object of them, in the message's place.
std::string_view claims_of(const OwnAnswer& answer) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"jwt:expired", R"({"exp":"token expired"})"},
      {"jwt:not_yet", R"({"nbf":"token not valid yet"})"},
      {"jwt:no_expiry", R"({"exp":"must be a number"})"},
      {"jwt:no_times", R"({"exp":"must be a number","nbf":"must be a number"})"},
      {"jwt:no_start", R"({"nbf":"must be a number"})"},
      {"jwt:claims", R"({"exp":"must be a number"})"},
      {"jwt:too_long", R"({"exp":"exceeds maximum allowed expiration"})"},
  };
  const auto* found = std::ranges::find(kWords, answer.reason, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(kWords) ? std::string_view() : found->second;
}

/// Of "text/html;level=1;q=0.5", which is `type` then; 1 where it says none.
double quality_of(std::string_view item, std::string_view& type) {
  type = http::grammar::trim(item.substr(0, item.find(';')));
  double quality = 1;
  for (auto at = item.find(';'); at != std::string_view::npos; at = item.find(';', at + 1)) {
    const auto part = http::grammar::trim(item.substr(at + 1, item.find(';', at + 1) - at - 1));
    if (!part.starts_with("q=") && !part.starts_with("Q=")) continue;
    const auto digits = part.substr(2);
    if (std::from_chars(digits.data(), digits.data() + digits.size(), quality).ec != std::errc{}) quality = 1;
  }
  return quality;
}

Form form_of(std::string_view type) {
  if (type == "text/html") return Form::kHtml;
  if (type == "application/xml") return Form::kXml;
  return type == "text/plain" || type == "text/*" ? Form::kText : Form::kJson;
}

/// Of several that are liked as much the first.
Form best_form(std::string_view list) {
  Form out = Form::kJson;
  double best = 0;
  while (!list.empty()) {
    const auto item = http::grammar::next_element(list);
    std::string_view type;
    const double quality = quality_of(item, type);
    if (type.find('/') == std::string_view::npos || quality <= best) continue;
    best = quality;
    out = form_of(type);
  }
  return out;
}

std::string values_of(const http::RequestHead& request, std::string_view name) {
  std::string out;
  for (const auto& field : request.fields)
    if (field.name == name) out.append(out.empty() ? "" : ",").append(field.value);
  return out;
}

/// What nginx answers itself is a text where the request says nothing of what it takes, or sends.
Form form_of(const OwnAnswer& answer) {
  if (answer.request == nullptr) return Form::kJson;
  const auto accept = values_of(*answer.request, "accept");
  const auto status = kong_status(answer);
  const bool of_nginx = answer.of_gateway && status != 404 && status != 503;
  if (!accept.empty() || !of_nginx) return best_form(accept);
  const auto sent = values_of(*answer.request, "content-type");
  return sent.empty() ? Form::kText : best_form(sent);
}

/// As it may stand in any of the forms: nothing of it becomes structure.
std::string safe(std::string_view text, Form form) {
  std::string out;
  if (form == Form::kJson) change::append_json_escaped(text, out);
  if (form == Form::kJson) return out;
  for (const char c : text) {
    if (c == '<' && form != Form::kText) out += "&lt;";
    else if (c == '&' && form != Form::kText) out += "&amp;";
    else out += c;
  }
  return out;
}

}  // namespace

std::string_view kong_grpc_status(std::uint16_t status) {
  constexpr std::pair<std::uint16_t, std::string_view> kStatuses[] = {{400, "3"},  {401, "16"}, {403, "7"}, {404, "5"},
                                                                      {409, "6"},  {429, "8"},  {499, "1"}, {500, "13"},
                                                                      {501, "12"}, {503, "14"}, {504, "4"}};
  const auto* found = std::ranges::find(kStatuses, status, &std::pair<std::uint16_t, std::string_view>::first);
  if (found != std::end(kStatuses)) return found->second;
  return status >= 500 ? "13" : status >= 400 ? "3" : status >= 200 && status < 300 ? "0" : "2";
}

std::string kong_message(const OwnAnswer& answer) { return message_of(answer); }

KongText kong_text(const OwnAnswer& answer) {
  constexpr std::string_view kJsonType = "application/json; charset=utf-8";
  // The plugin jwt answers by itself, without a request's id.
  const bool by_jwt = answer.reason.starts_with("jwt:") || answer.reason == "none:jwt";
  if (const auto claims = claims_of(answer); !claims.empty()) return {kJsonType, std::string(claims)};
  const auto form = by_jwt ? Form::kJson : form_of(answer);
  const auto message = safe(message_of(answer), form);
  if (by_jwt) return {kJsonType, R"({"message":")" + message + "\"}"};
  std::string id;  // letters, digits and signs: a hop that is trusted may have sent it
  for (const char c : answer.request_id)
    if (std::string_view("\"\\<&").find(c) == std::string_view::npos && static_cast<unsigned char>(c) >= 0x20) id += c;
  switch (form) {
    case Form::kHtml:
      return {"text/html; charset=utf-8",
              "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n"
              "  <body>\n    <h1>Error</h1>\n    <p>" +
                  message + ".</p>\n    <p>request_id: " + id + "</p>\n  </body>\n</html>\n"};
    case Form::kXml:
      return {"application/xml; charset=utf-8", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>" +
                                                    message + "</message>\n  <requestid>" + id +
                                                    "</requestid>\n</error>\n"};
    case Form::kText: return {"text/plain; charset=utf-8", message + "\nrequest_id: " + id + "\n"};
    case Form::kJson: break;
  }
  return {kJsonType, "{\n  \"message\":\"" + message + "\",\n  \"request_id\":\"" + id + "\"\n}"};
}

}  // namespace fairlead::proxy
