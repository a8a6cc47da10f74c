// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/auth/signature_components.hpp"

#include <algorithm>

#include "fairlead/auth/digest.hpp"
#include "fairlead/base/ascii.hpp"

namespace fairlead::auth {
namespace {

using structured::BareItem;
using structured::Item;
using structured::Parameters;

constexpr std::string_view kDerived[] = {"@method",         "@target-uri", "@authority", "@scheme",
                                         "@request-target", "@path",       "@query",     "@query-param"};

enum class FieldType : std::uint8_t { kItem, kList, kDictionary };
struct KnownField {
  std::string_view name;
  FieldType type;
};
/// Fields of requests that are registered as structured ones. `sf` of another cannot be computed.
constexpr KnownField kStructured[] = {{"available-dictionary", FieldType::kItem},
                                      {"client-cert", FieldType::kItem},
                                      {"client-cert-chain", FieldType::kList},
                                      {"content-digest", FieldType::kDictionary},
                                      {"dictionary-id", FieldType::kItem},
                                      {"incremental", FieldType::kItem},
                                      {"priority", FieldType::kDictionary},
                                      {"repr-digest", FieldType::kDictionary},
                                      {"sec-gpc", FieldType::kItem},
                                      {"signature", FieldType::kDictionary},
                                      {"signature-input", FieldType::kDictionary},
                                      {"want-content-digest", FieldType::kDictionary},
                                      {"want-repr-digest", FieldType::kDictionary}};

const KnownField* known_field(std::string_view name) {
  const auto* found = std::ranges::find(kStructured, name, &KnownField::name);
  return found == std::end(kStructured) ? nullptr : found;
}

bool is_flag(const BareItem* item) {
  return item != nullptr && item->type == BareItem::Type::kBoolean && item->number == 1;
}

std::string_view path_of(std::string_view target) {
  const auto path = target.substr(0, std::min(target.find('?'), target.size()));
  return path == "*" ? std::string_view("/") : path;
}

/// Section 2.2.3: in lower case, without the scheme's own port.
std::string authority_of(const http::RequestHead& head) {
  std::string out;
  for (const char c : head.authority) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  const std::string_view port = head.scheme == "https" ? ":443" : ":80";
  if (out.ends_with(port)) out.resize(out.size() - port.size());
  return out;
}

/// application/x-www-form-urlencoded, decoded and written anew in the one way that section 2.2.8 has: all but letters,
/// digits and * - . _ as triplets.
std::string reencoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i] == '+' ? ' ' : text[i]);
    const bool triplet =
        text[i] == '%' && text.size() - i > 2 && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
    if (triplet) {
      c = static_cast<unsigned char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    }
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
                       c == '-' || c == '.' || c == '_';
    if (plain) out += static_cast<char>(c);
    else out.append("%").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
  }
  return out;
}

/// Nothing where it is not there once: of two, backends may take either.
std::optional<std::string> parameter_value(std::string_view target, std::string_view encoded_name) {
  auto query = target.substr(std::min(target.find('?'), target.size()));
  if (!query.empty()) query.remove_prefix(1);
  std::optional<std::string> out;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    if (pair.empty() || reencoded(pair.substr(0, equals)) != encoded_name) continue;
    if (out) return std::nullopt;
    out = reencoded(pair.substr(std::min(equals + 1, pair.size())));
  }
  return out;
}

std::optional<std::string> derived_value(const Item& item, const http::RequestHead& head) {
  const std::string_view name = item.value.text;
  if (head.target.empty()) return std::nullopt;  // CONNECT
  if (name == "@method") return std::string(head.method_text);
  if (name == "@scheme") return std::string(head.scheme);
  if (name == "@request-target") return std::string(head.target);
  if (name == "@path") return std::string(path_of(head.target));
  if (name == "@query") {
    const auto query = head.target.find('?');
    return query == std::string_view::npos ? "?" : std::string(head.target.substr(query));
  }
  if (name == "@query-param") return parameter_value(head.target, structured::find(item.parameters, "name")->text);
  if (head.authority.empty()) return std::nullopt;
  if (name == "@authority") return authority_of(head);
  const auto rest = head.target == "*" ? std::string_view() : head.target;
  return std::string(head.scheme).append("://").append(head.authority).append(rest);
}

std::optional<std::string> strict_value(std::string_view name, const std::string& value) {
  const auto* known = known_field(name);
  if (known == nullptr) return std::nullopt;
  const auto written = [](const auto& parsed) {
    return parsed ? std::optional(structured::serialize(*parsed)) : std::nullopt;
  };
  switch (known->type) {
    case FieldType::kItem: return written(structured::parse_item(value));
    case FieldType::kList: return written(structured::parse_list(value));
    case FieldType::kDictionary: return written(structured::parse_dictionary(value));
  }
  return std::nullopt;
}

/// Section 2.1.3: each line on its own, so that no comma in one is taken for one between two.
std::optional<std::string> bytes_value(const http::Fields& fields, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (out) *out += ", ";
    else out.emplace();
    out->append(":").append(encode_base64(field.value)).append(":");
  }
  return out;
}

/// What heads have members for.
std::optional<std::string> own_field(std::string_view name, const http::RequestHead& head) {
  if (name == "host" && !head.authority.empty()) return std::string(head.authority);
  if (name == "content-length" && head.body == http::Body::kLength) return std::to_string(head.content_length);
  return std::nullopt;
}

std::optional<std::string> field_value(const Item& item, const http::RequestHead& head) {
  const std::string_view name = item.value.text;
  if (structured::find(item.parameters, "bs") != nullptr) return bytes_value(head.fields, name);
  auto value = combined_value(head.fields, name);
  if (!value) value = own_field(name, head);
  if (!value) return std::nullopt;
  if (const auto* key = structured::find(item.parameters, "key")) {
    const auto dictionary = structured::parse_dictionary(*value);
    const auto* member = dictionary ? structured::find(*dictionary, key->text) : nullptr;
    return member == nullptr ? std::nullopt : std::optional(structured::serialize(*member));
  }
  return structured::find(item.parameters, "sf") != nullptr ? strict_value(name, *value) : value;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool serves_parameters(const Item& item) {
  const auto& parameters = item.parameters;
  for (const auto& [name, value] : parameters) {
    const bool good =
        name == "key" ? value.type == BareItem::Type::kString : (name == "sf" || name == "bs") && is_flag(&value);
    if (!good) return false;
  }
  const bool strict = structured::find(parameters, "sf") != nullptr;
  const bool key = structured::find(parameters, "key") != nullptr;
  if (structured::find(parameters, "bs") != nullptr) return !strict && !key;
  return !strict || key || known_field(item.value.text) != nullptr;
}

}  // namespace

std::optional<std::string> combined_value(const http::Fields& fields, std::string_view name) {
  std::optional<std::string> out;
  // Crumbs of HTTP/2 are one Cookie field (RFC 9113 section 8.2.3).
  const std::string_view joiner = name == "cookie" ? "; " : ", ";
  for (const auto& field : fields) {
    if (field.name != name) continue;
    if (out) out->append(joiner).append(field.value);
    else out = field.value;
  }
  return out;
}

bool same_component(const Item& a, const Item& b) {
  return a.value == b.value && std::ranges::is_permutation(a.parameters, b.parameters);
}

bool is_served(const Item& component) {
  const std::string_view name = component.value.text;
  if (component.value.type != BareItem::Type::kString) return false;
  if (!name.starts_with('@')) return is_field_name(name) && serves_parameters(component);
  if (std::ranges::find(kDerived, name) == std::end(kDerived)) return false;
  if (name != "@query-param") return component.parameters.empty();
  const auto* of = structured::find(component.parameters, "name");
  return component.parameters.size() == 1 && of != nullptr && of->type == BareItem::Type::kString;
}

std::optional<std::string> component_value(const Item& component, const http::RequestHead& head) {
  if (!is_served(component)) return std::nullopt;
  return component.value.text.starts_with('@') ? derived_value(component, head) : field_value(component, head);
}

}  // namespace fairlead::auth
