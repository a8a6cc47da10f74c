// SPDX-License-Identifier: Apache-2.0
// Secret and ConfigMap. What a Secret holds is never shown in a remark.
#include <algorithm>
#include <array>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/config/gateway_kinds.hpp"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;  // of all values, as in Kubernetes

/// Of each character in base64's alphabet, its value; -1 for others.
constexpr std::array<signed char, 256> make_values() {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<signed char, 256> values{};
  values.fill(-1);
  signed char value = 0;
  for (const char c : kAlphabet) values[static_cast<unsigned char>(c)] = value++;
  return values;
}
constexpr auto kValues = make_values();

/// RFC 4648 section 4, with padding; line ends and blanks within are passed over, as YAML's block scalars have them.
std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  std::size_t digits = 0;
  std::size_t padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const auto value = kValues[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if (++digits % 4 == 0) {
      out += static_cast<char>(bits >> 16 & 0xff);
      out += static_cast<char>(bits >> 8 & 0xff);
      out += static_cast<char>(bits & 0xff);
    }
  }
  const auto rest = digits % 4;
  if (rest == 1 || padding != (rest == 0 ? 0 : 4 - rest)) return std::nullopt;
  if (rest == 2) out += static_cast<char>(bits >> 4 & 0xff);
  if (rest == 3) out.append({static_cast<char>(bits >> 10 & 0xff), static_cast<char>(bits >> 2 & 0xff)});
  return out;
}

bool is_data_key(std::string_view key) {
  return !key.empty() && key.size() <= 253 && key != "." && key != ".." && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

void put(model::Labels& data, std::string_view key, std::string value) {
  const auto at = std::ranges::find(data, key, [](const auto& entry) -> std::string_view { return entry.first; });
  if (at != data.end()) at->second = std::move(value);
  else data.emplace_back(key, std::move(value));
}

void read_data(Reader& reader, View at, bool base64, model::Labels& out) {
  reader.fields(at, [&](View entry) {
    if (!is_data_key(entry.key()))
      return reader.error(entry, "a key of letters, digits, '-', '_' and '.', at most 253 characters");
    const bool scalar = entry.node().type == Tree::Type::kScalar;
    if (!scalar || (!base64 && !entry.is_string())) return reader.error(entry, "a string");
    auto value = base64 ? decode_base64(entry.text()) : std::optional(std::string(entry.text()));
    if (!value) return reader.error(entry, "base64 (RFC 4648), or the text itself in stringData");
    put(out, entry.key(), std::move(*value));
  });
}

void check_size(Reader& reader, View root, const model::Labels& data) {
  std::size_t total = 0;
  for (const auto& [unused, value] : data) total += value.size();
  if (total > kMostBytes) reader.missing(root, "data", "at most 1 MiB in all values");
}

/// A TLS secret has both halves, as the API server asks.
void check_tls(Reader& reader, View root, const model::Secret& secret) {
  if (secret.type != "kubernetes.io/tls" || reader.failed()) return;
  for (const std::string_view key : {"tls.crt", "tls.key"})
    if (model::find_label(secret.data, key) == nullptr)
      reader.missing(root, "data[\"" + std::string(key) + "\"]", "a value, as the type is kubernetes.io/tls");
}

}  // namespace

model::Secret read_secret(Reader& reader, View root) {
  model::Secret out;
  out.type = "Opaque";
  out.metadata = read_metadata(reader, root, true);
  reader.hide_values(true);
  // stringData lies over data, wherever it stands.
  if (const auto data = root.find("data")) read_data(reader, data, true, out.data);
  if (const auto data = root.find("stringData")) read_data(reader, data, false, out.data);
  std::ranges::sort(out.data);
  reader.fields(root, [&](View child) {
    const auto key = child.key();
    if (key == "type") return reader.read(child, out.type);
    if (key == "immutable" || key == "data" || key == "stringData" || key == "apiVersion" || key == "kind" ||
        key == "metadata")
      return;
    reader.unknown_field(child, "type, data, stringData or immutable");
  });
  check_size(reader, root, out.data);
  check_tls(reader, root, out);
  reader.hide_values(false);
  return out;
}

model::ConfigMap read_config_map(Reader& reader, View root) {
  model::ConfigMap out;
  out.metadata = read_metadata(reader, root, true);
  if (const auto data = root.find("data")) read_data(reader, data, false, out.data);
  if (const auto data = root.find("binaryData")) read_data(reader, data, true, out.data);
  std::ranges::sort(out.data);
  reader.fields(root, [&](View child) {
    const auto key = child.key();
    const bool known = key == "immutable" || key == "data" || key == "binaryData" || key == "apiVersion" ||
                       key == "kind" || key == "metadata";
    if (!known) reader.unknown_field(child, "data, binaryData or immutable");
  });
  check_size(reader, root, out.data);
  return out;
}

}  // namespace fairlead::config
