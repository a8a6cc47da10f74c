// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include "gateway/dataplane/config/kinds.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kLabelValueMax = 63;
constexpr std::uint64_t kMostGeneration = std::uint64_t{1} << 62;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

bool is_label_value(std::string_view text) {
  if (text.empty()) return true;
  return text.size() <= kLabelValueMax && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_label_key(std::string_view text) {
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    if (!is_dns_subdomain(text.substr(0, slash))) return false;
    text.remove_prefix(slash + 1);
  }
  return !text.empty() && is_label_value(text);
}

bool is_port_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text.front() != '-' && text.back() != '-' &&
         text.find("--") == std::string_view::npos &&
         std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; }) &&
         std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
}

void sort_labels(model::Labels& labels) {
  std::ranges::sort(labels, {}, [](const auto& entry) -> const std::string& { return entry.first; });
  labels.shrink_to_fit();
}

void read_annotations(Reader& reader, View at, model::Labels& out) {
  reader.fields(at, [&](View field) {
    const bool ours = field.key().starts_with("fairlead.io/") || field.key().starts_with("service.kubernetes.io/");
    if (!ours) return;
    reader.read(field, out.emplace_back(field.key(), std::string{}).second);
  });
  sort_labels(out);
}

/// "2021-07-15T01:02:03Z", as the API server writes it, in seconds since 1970.
std::int64_t read_timestamp(Reader& reader, View at) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
  const auto text = at.text();
  bool good = at.is_string() && text.size() == kForm.size();
  for (std::size_t i = 0; good && i < kForm.size(); ++i)
    good = kForm[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kForm[i];
  if (good) {
    const auto part = [&](std::size_t from, std::size_t count) {
      unsigned value = 0;
      for (const char c : text.substr(from, count)) value = value * 10 + static_cast<unsigned>(c - '0');
      return value;
    };
    const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(part(0, 4))),
                                          std::chrono::month(part(5, 2)), std::chrono::day(part(8, 2))};
    const std::chrono::seconds time{part(11, 2) * 3600 + part(14, 2) * 60 + part(17, 2)};
    if (day.ok() && part(11, 2) < 24 && part(14, 2) < 60 && part(17, 2) < 60)
      return (std::chrono::sys_days(day).time_since_epoch() + time).count();
  }
  reader.error(at, "a time such as 2021-07-15T01:02:03Z");
  return 0;
}

void read_name(Reader& reader, View metadata, model::Metadata& out) {
  const auto at = metadata.find("name");
  if (!at) return reader.missing(metadata, "name", "a name");
  reader.read(at, out.name);
  if (at.is_string() && !is_dns_subdomain(out.name))
    reader.error(at, "a name of lower-case letters, digits, '-' and '.', at most 253 characters");
}

void read_requirement(Reader& reader, View at, model::SelectorRequirement& out) {
  bool have_operator = false;
  reader.fields(at, [&](View field) {
    if (field.key() == "key") {
      reader.read(field, out.key);
      if (field.is_string() && !is_label_key(out.key)) reader.error(field, "a label key");
    } else if (field.key() == "operator") {
      const auto op = reader.one_of(field, {"In", "NotIn", "Exists", "DoesNotExist"});
      if (op) out.op = static_cast<model::SelectorOperator>(*op);
      have_operator = true;
    } else if (field.key() == "values") {
      read_strings(reader, field, out.values);
    } else {
      reader.error(field, "key, operator or values");
    }
  });
  if (!at.is_mapping()) return;
  if (!at.find("key")) reader.missing(at, "key", "a label key");
  if (!have_operator) return reader.missing(at, "operator", "In, NotIn, Exists or DoesNotExist");
  const bool needs_values = out.op == model::SelectorOperator::kIn || out.op == model::SelectorOperator::kNotIn;
  const auto values = at.find("values");
  if (needs_values && out.values.empty()) {
    if (values) return reader.error(values, "at least one value for In and NotIn");
    reader.missing(at, "values", "at least one value for In and NotIn");
  }
  if (!needs_values && !out.values.empty()) reader.error(values, "no values for Exists and DoesNotExist");
}

}  // namespace

bool is_dns_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_lower_alnum(text.front()) && is_lower_alnum(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_alnum(c) || c == '-'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (std::size_t from = 0; from <= text.size();) {
    const auto dot = std::min(text.find('.', from), text.size());
    const auto part = text.substr(from, dot - from);
    const bool good = !part.empty() && is_lower_alnum(part.front()) && is_lower_alnum(part.back()) &&
                      std::ranges::all_of(part, [](char c) { return is_lower_alnum(c) || c == '-'; });
    if (!good) return false;
    from = dot + 1;
  }
  return true;
}

model::Metadata read_identity(View root, bool namespaced) {
  model::Metadata out;
  const auto metadata = root.find("metadata");
  const auto name = metadata.find("name");
  const auto ns = metadata.find("namespace");
  if (name && name.is_string()) out.name = name.text();
  if (namespaced) out.ns = ns && ns.is_string() ? ns.text() : std::string_view("default");
  return out;
}

model::Metadata read_metadata(Reader& reader, View root, bool namespaced) {
  model::Metadata out;
  if (namespaced) out.ns = "default";
  const auto metadata = root.find("metadata");
  if (!metadata) {
    reader.missing(root, "metadata", "a mapping with a name");
    return out;
  }
  reader.fields(metadata, [&](View field) {
    const auto key = field.key();
    if (key == "labels") out.labels = read_labels(reader, field);
    if (key == "creationTimestamp") out.created = read_timestamp(reader, field);
    if (key == "generation")
      out.generation = static_cast<std::int64_t>(reader.number(field, 0, kMostGeneration).value_or(1));
    if (key == "annotations") read_annotations(reader, field, out.annotations);
    if (key == "namespace" && namespaced) {
      reader.read(field, out.ns);
      if (field.is_string() && !is_dns_label(out.ns))
        reader.error(field, "a namespace: lower-case letters, digits and '-', at most 63 characters");
    }
  });
  if (metadata.is_mapping()) read_name(reader, metadata, out);
  return out;
}

model::Labels read_labels(Reader& reader, View at) {
  model::Labels out;
  reader.fields(at, [&](View field) {
    std::string value;
    reader.read(field, value);
    if (!is_label_key(field.key())) reader.error(field, "a label key: [domain/]name, the name at most 63 characters");
    if (field.is_string() && !is_label_value(value))
      reader.error(field, "a label value: letters, digits, '-', '_' and '.', at most 63 characters");
    out.emplace_back(field.key(), std::move(value));
  });
  sort_labels(out);
  return out;
}

model::Selector read_selector(Reader& reader, View at) {
  model::Selector out;
  reader.fields(at, [&](View field) {
    if (field.key() == "matchLabels") {
      out.match_labels = read_labels(reader, field);
    } else if (field.key() == "matchExpressions") {
      reader.items(field, [&](View item) { read_requirement(reader, item, out.match_expressions.emplace_back()); });
    } else {
      reader.error(field, "matchLabels or matchExpressions");
    }
  });
  return out;
}

void read_strings(Reader& reader, View at, std::vector<std::string>& out) {
  reader.items(at, [&](View item) {
    if (item.is_null()) return reader.error(item, "a string");
    reader.read(item, out.emplace_back());
  });
  out.shrink_to_fit();
}

bool is_reachable(Reader& reader, View at, const Address& address) {
  static const Cidr kLinkLocal[] = {*Cidr::parse("169.254.0.0/16"), *Cidr::parse("fe80::/10"),
                                    *Cidr::parse("224.0.0.0/24"), *Cidr::parse("ff02::/16")};
  if (address.is_unspecified()) {
    reader.error(at, "an address that can be reached");
  } else if (std::ranges::any_of(kLinkLocal, [&](const Cidr& block) { return block.contains(address); })) {
    reader.error(at, "an address outside of the link-local ranges");
  } else {
    return true;
  }
  return false;
}

void read_addresses(Reader& reader, View at, std::vector<Address>& out) {
  reader.items(at, [&](View item) {
    if (const auto address = reader.address(item)) out.push_back(*address);
  });
  out.shrink_to_fit();
}

std::optional<model::Protocol> read_protocol(Reader& reader, View at) {
  const auto found = reader.one_of(at, {"TCP", "UDP", "SCTP"});
  if (!found) return std::nullopt;
  if (*found == 0) return model::Protocol::kTcp;
  if (*found == 1) return model::Protocol::kUdp;
  reader.warn(at, "SCTP is not served: this port is left out, the others are served");
  return std::nullopt;
}

model::IntOrName read_int_or_name(Reader& reader, View at) {
  model::IntOrName out;
  if (at.is_string()) {
    if (is_port_name(at.text())) {
      out.name = at.text();
    } else {
      reader.error(at, "a number from 1 to 65535 or a port's name (at most 15 lower-case letters, digits and '-')");
    }
  } else {
    reader.read_port(at, out.number);
  }
  return out;
}

}  // namespace fairlead::config
