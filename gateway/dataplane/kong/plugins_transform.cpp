// SPDX-License-Identifier: Apache-2.0
// request-transformer and response-transformer.
#include <algorithm>
#include <initializer_list>
#include <optional>

#include "fairlead/change/template.hpp"
#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/http/grammar.hpp"
#include "gateway/dataplane/kong/plugins.hpp"

namespace fairlead::kong {
namespace {

constexpr std::uint64_t kMostBody = 67'108'864;  // Kong knows no bound; this is the most that is held
constexpr const char* kKinds[] = {"remove", "rename", "replace", "add", "append"};

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && std::string_view("\"'|{}()").find(c) == std::string_view::npos;
  });
}

/// Text in quotes of either kind.
std::optional<std::string_view> in_quotes(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
  if (!quoted || text.substr(1, text.size() - 2).find_first_of("\"'\\{}") != std::string_view::npos)
    return std::nullopt;
  return text.substr(1, text.size() - 2);
}

/// headers.NAME, headers["NAME"], query_params.NAME, uri_captures.NAME and uri_captures[NUMBER] as a value of a
/// template. Captures of the route's own expression stand behind the group that holds what is stripped.
std::optional<std::string> reference_of(std::string_view text) {
  constexpr std::pair<std::string_view, const char*> kSources[] = {
      {"headers", "request.header."}, {"query_params", "request.query."}, {"uri_captures", "request.capture."}};
  for (const auto& [source, to] : kSources) {
    if (!text.starts_with(source)) continue;
    auto rest = text.substr(source.size());
    // It stands apart from the other fields here.
    if (config::lower(text) == "headers.host") return "request.host";
    if (rest.starts_with('.') && is_name(rest.substr(1))) return to + std::string(rest.substr(1));
    if (!rest.starts_with('[') || !rest.ends_with(']')) return std::nullopt;
    rest = http::grammar::trim(rest.substr(1, rest.size() - 2));
    const auto quoted = in_quotes(rest);
    if (quoted && is_name(*quoted)) return to + std::string(*quoted);
    const bool number = source == "uri_captures" && rest.size() == 1 && rest[0] >= '0' && rest[0] <= '9';
    return number ? std::optional(to + std::to_string(rest[0] - '0' + 1)) : std::nullopt;
  }
  return std::nullopt;
}

/// Where the inner part of "$(...)" ends; a ')' in quotes ends nothing.
std::size_t end_of(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote != 0) quote = text[i] == quote ? char{0} : quote;
    else if (text[i] == '"' || text[i] == '\'') quote = text[i];
    else if (text[i] == ')') return i;
  }
  return std::string_view::npos;
}

enum class Values : std::uint8_t { kTexts, kTemplates, kParameters };

/// Text between templates; Kong encodes all of a parameter.
void append_literal(std::string_view text, Values values, std::string& out) {
  if (values == Values::kParameters) change::append_percent_encoded(text, out);
  else out += text;
}

/// Kong's template as ours: $(headers.x or "none") is {{ request.header.x | default "none" }}. Beside other text what
/// is missing is nothing; alone it sets nothing.
std::optional<std::string> template_of(std::string_view text, Values values) {
  const bool alone = text.starts_with("$(") && end_of(text.substr(2)) + 3 == text.size();
  std::string out;
  while (!text.empty()) {
    const auto open = std::min(text.find("$("), text.size());
    append_literal(text.substr(0, open), values, out);
    text.remove_prefix(open);
    if (text.empty()) break;
    const auto close = end_of(text);
    if (close == std::string_view::npos) return std::nullopt;
    auto inner = http::grammar::trim(text.substr(2, close - 2));
    text.remove_prefix(close + 1);
    if (const auto literal = in_quotes(inner)) {
      append_literal(*literal, values, out);
      continue;
    }
    std::string otherwise = alone ? "" : R"( | default "")";
    if (const auto either = inner.find(" or "); either != std::string_view::npos) {
      const auto quoted = in_quotes(http::grammar::trim(inner.substr(either + 4)));
      if (!quoted) return std::nullopt;
      otherwise = " | default \"" + std::string(*quoted) + "\"";
      inner = http::grammar::trim(inner.substr(0, either));
    }
    const auto reference = reference_of(inner);
    if (!reference) return std::nullopt;
    out += "{{ " + *reference + otherwise + " }}";
  }
  return out;
}

/// What a value becomes; nothing where it is not served, which is in the notes.
std::optional<std::string> value_of(Notes& notes, View at, std::string_view text, Values values) {
  if (text.find("{{") != std::string_view::npos) return notes.unserved(at, "a value without {{"), std::nullopt;
  if (values == Values::kTexts) return std::string(text);
  auto out = template_of(text, values);
  if (!out)
    notes.unserved(at, "templates such as $(headers.x), $(query_params.x or 'text') and $(uri_captures.x): no Lua");
  return out;
}

/// With bytes that a path cannot have in triplets; templates stay as they are.
std::string path_of(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const auto inner = text.substr(i); inner.starts_with("$(")) {
      const auto close = end_of(inner.substr(2));
      if (close == std::string_view::npos) return out.append(inner);
      out += inner.substr(0, close + 3);
      i += close + 2;
      continue;
    }
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c > ' ' && c <= '~' && c != '#' && c != '?') out += c;
    else out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  return out;
}

/// "name:value"; several colons part the two as one does.
bool split(Notes& notes, View at, std::string& name, std::string_view& value) {
  const auto text = at.text();
  const auto colon = text.find(':');
  if (at.is_mapping() || at.is_sequence() || colon == std::string_view::npos || colon == 0)
    return notes.error(at, "NAME:VALUE"), false;
  name = text.substr(0, colon);
  value = text.substr(std::min(text.find_first_not_of(':', colon), text.size()));
  return true;
}

/// One list of a kind of change. Without a value nothing is set.
void convert_list(Notes& notes, View items, std::string_view kind, Values values, Json& out) {
  Json all = Json::array();
  notes.reader().items(items, [&](View item) {
    std::string name;
    std::string_view value;
    if (kind == "remove") return all.push_back(std::string(item.text().substr(0, item.text().find(':'))));
    if (!split(notes, item, name, value) || value.empty()) return;
    if (kind == "rename") return all.push_back({{"from", name}, {"to", std::string(value)}});
    if (auto made = value_of(notes, item, value, values)) all.push_back({{"name", name}, {"value", std::move(*made)}});
  });
  if (!all.empty()) out[std::string(kind)] = std::move(all);
}

Json convert_changes(Notes& notes, ConfigView& config, std::string_view list, Values values) {
  Json out = Json::object();
  for (const char* kind : kKinds)
    if (const auto items = config.find(kind).find(list)) convert_list(notes, items, kind, values, out);
  return out;
}

/// Fields of these mappings that Kong does not know.
void check_changes(Notes& notes, ConfigView& config, std::initializer_list<std::string_view> known) {
  for (const char* kind : kKinds)
    notes.reader().fields(config.find(kind), [&](View child) {
      if (std::ranges::find(known, child.key()) == known.end() && !child.is_null())
        notes.reader().unknown_field(child, std::string(kind) + " of this plugin");
    });
}

/// What a header "Host" is given is the backend's Host. Nothing else may stand there: it is no field like others.
void take_host(Notes& notes, View at, Json& headers, PluginParts& out) {
  const auto is_host = [](const Json& one) {
    return config::lower(one.is_string() ? one.get<std::string>() : one.value("name", "")) == "host";
  };
  for (const char* kind : {"remove", "replace", "add", "append"}) {
    if (!headers.contains(kind)) continue;
    auto& all = headers[kind];
    for (const auto& one : all)
      if (is_host(one) && std::string_view(kind) == "replace") out.host = one["value"].get<std::string>();
    std::erase_if(all.get_ref<Json::array_t&>(), is_host);
    if (all.empty()) headers.erase(kind);
  }
  if (out.host.find("{{") != std::string::npos) notes.unserved(at, "a Host without templates");
}

std::string pointer_of(const std::string& name) {
  std::string out = "/";
  for (const char c : name) out += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

/// A value of the type that stands in its place of json_types.
std::optional<Json> typed(Notes& notes, View at, const std::string& text, const std::string& type) {
  if (type == "boolean") return Json(text == "true");
  if (type != "number") return Json(text);
  auto out = Json::parse(text, nullptr, false);
  if (out.is_number()) return out;
  return notes.error(at, "a number, by json_types"), std::nullopt;
}

/// The types of a list's values, without those of entries that have none and set nothing.
std::vector<std::string> types_of(Notes& notes, View at) {
  std::vector<std::string> given, out;
  if (const auto list = at.find("json_types"))
    notes.reader().items(list, [&](View item) { given.emplace_back(item.text()); });
  std::size_t place = 0;
  if (const auto list = at.find("json"))
    notes.reader().items(list, [&](View item) {
      const auto type = place < given.size() ? given[place] : "string";
      ++place;
      const auto text = item.text();
      if (text.find_first_not_of(':', text.find(':')) != std::string_view::npos) out.push_back(type);
    });
  return out;
}

Json convert_json(Notes& notes, ConfigView& config) {
  Json out = Json::object();
  for (const char* kind : kKinds) {
    const auto at = config.find(kind);
    const auto types = types_of(notes, at);
    Json plain = Json::object(), all = Json::array();
    if (const auto items = at.find("json")) convert_list(notes, items, kind, Values::kTexts, plain);
    std::size_t place = 0;
    for (const auto& one : plain.contains(kind) ? plain[kind] : Json::array()) {
      const auto type = place < types.size() ? types[place] : "string";
      ++place;
      if (one.is_string()) all.push_back(pointer_of(one.get<std::string>()));
      else if (one.contains("from"))
        all.push_back(
            {{"from", pointer_of(one["from"].get<std::string>())}, {"to", pointer_of(one["to"].get<std::string>())}});
      else if (auto value = typed(notes, at, one["value"].get<std::string>(), type))
        all.push_back({{"path", pointer_of(one["name"].get<std::string>())}, {"value", std::move(*value)}});
    }
    if (!all.empty()) out[kind] = std::move(all);
  }
  return out;
}

}  // namespace

void convert_request_transformer(Notes& notes, ConfigView& config, PluginParts& out) {
  Json request = Json::object();
  if (const auto method = config.text("http_method"); !method.empty()) {
    if (is_method(method)) request["method"] = method;
    else notes.error(config.find("http_method"), "a method in capital letters");
  }
  if (const auto uri = config.find("replace").find("uri"); uri && !uri.is_null() && !uri.text().empty())
    if (auto path = value_of(notes, uri, path_of(uri.text()), Values::kTemplates))
      request["backendPath"] = std::move(*path);
  auto headers = convert_changes(notes, config, "headers", Values::kTemplates);
  take_host(notes, config.at(), headers, out);
  auto query = convert_changes(notes, config, "querystring", Values::kParameters);
  auto body = convert_changes(notes, config, "body", Values::kTemplates);
  check_changes(notes, config, {"headers", "querystring", "body", "uri"});
  if (!headers.empty()) request["headers"] = std::move(headers);
  if (!query.empty()) request["query"] = std::move(query);
  if (!body.empty()) request["body"] = {{"fields", std::move(body)}};
  if (request.contains("body")) {
    request["onFailure"] = "Pass";
    out.sections["transform"]["maxBodyBytes"] = kMostBody;
  }
  if (!request.empty()) out.sections["transform"]["request"] = std::move(request);
}

void convert_response_transformer(Notes& notes, ConfigView& config, PluginParts& out) {
  auto headers = convert_changes(notes, config, "headers", Values::kTexts);
  auto json = convert_json(notes, config);
  check_changes(notes, config, {"headers", "json", "json_types"});
  if (!headers.empty()) out.sections["transform"]["response"]["headers"] = std::move(headers);
  if (json.empty()) return;
  out.sections["transform"]["response"]["body"]["json"] = std::move(json);
  out.sections["transform"]["maxBodyBytes"] = kMostBody;
}

}  // namespace fairlead::kong
