// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/telemetry/redact.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "fairlead/base/ascii.hpp"
#include "fairlead/telemetry/secret_names.hpp"

namespace fairlead::telemetry {
namespace {

constexpr std::array<std::string_view, 16> kFields{
    "authorization",   "proxy-authorization", "cookie",         "set-cookie",           "x-api-key",    "api-key",
    "apikey",          "x-auth-token",        "x-access-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token",
    "x-session-token", "x-goog-api-key",      "x-vault-token",  "private-token"};

// Without '-' and '_', so that api_key, api-key and apiKey are one, and without the clouds' X-Amz- and X-Goog-.
constexpr std::array<std::string_view, 21> kParameters{
    "accesstoken",  "apikey",  "auth",          "authtoken", "authorization", "code",      "clientsecret",
    "credential",   "idtoken", "jwt",           "key",       "passwd",        "password",  "pwd",
    "refreshtoken", "secret",  "securitytoken", "sessionid", "sig",           "signature", "token"};

constexpr std::size_t kLongestParameter = 20;

/// What is added while requests are under way. Entries stay, so that readers need no lock.
class AddedNames {
 public:
  void add(std::span<const std::string> names) {
    const std::lock_guard lock(mutex_);
    for (const auto& name : names) {
      const auto* const first = first_.load(std::memory_order_relaxed);
      if (!any([&](std::string_view one) { return one == name; }))
        first_.store(new Entry{name, first}, std::memory_order_release);
    }
  }
  template <class F>
  [[nodiscard]] bool any(F&& f) const {
    for (const auto* entry = first_.load(std::memory_order_acquire); entry != nullptr; entry = entry->next)
      if (f(std::string_view(entry->name))) return true;
    return false;
  }

 private:
  struct Entry {
    std::string name;
    const Entry* next;
  };
  std::atomic<const Entry*> first_{nullptr};
  std::mutex mutex_;
};

AddedNames& added_fields() {
  static AddedNames names;
  return names;
}
AddedNames& added_parameters() {
  static AddedNames names;
  return names;
}

bool is_known_parameter(std::string_view name) {
  std::array<char, kLongestParameter> folded{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    // A backend decodes %74oken to token, so we have to.
    if (c == '%' && i + 2 < name.size() && hex_value(name[i + 1]) >= 0 && hex_value(name[i + 2]) >= 0) {
      c = static_cast<char>(hex_value(name[i + 1]) * 16 + hex_value(name[i + 2]));
      i += 2;
    }
    if (c == '-' || c == '_') continue;
    if (size == folded.size()) return false;
    folded[size++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  std::string_view plain(folded.data(), size);
  for (const std::string_view cloud : {"xamz", "xgoog"})
    if (plain.starts_with(cloud)) plain.remove_prefix(cloud.size());
  return std::ranges::find(kParameters, plain) != kParameters.end();
}

/// Whether `text` is `name` for who decodes a query.
bool is_encoded(std::string_view text, std::string_view name) {
  for (const char wanted : name) {
    if (text.empty()) return false;
    char c = text.front() == '+' ? ' ' : text.front();
    std::size_t length = 1;
    if (c == '%' && text.size() > 2 && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
      c = static_cast<char>(hex_value(text[1]) * 16 + hex_value(text[2]));
      length = 3;
    }
    if (c != wanted) return false;
    text.remove_prefix(length);
  }
  return text.empty();
}

}  // namespace

void add_secret_fields(std::span<const std::string> lower_case_names) { added_fields().add(lower_case_names); }
void add_secret_parameters(std::span<const std::string> names) { added_parameters().add(names); }

bool secret_field(std::string_view lower_case_name) {
  return std::ranges::find(kFields, lower_case_name) != kFields.end() ||
         added_fields().any([&](std::string_view name) { return name == lower_case_name; });
}

bool secret_parameter(std::string_view name) {
  return is_known_parameter(name) ||
         added_parameters().any([&](std::string_view added) { return is_encoded(name, added); });
}

char* put_target(char* out, std::string_view target, text::Escape escape, std::size_t limit) {
  char* const stop = out + limit;
  const auto left = [&] { return static_cast<std::size_t>(stop - out); };
  const auto put = [&](std::string_view part) { out = text::put_escaped(out, part, escape, left()); };
  const auto query = std::min(target.find_first_of("?#"), target.size());
  auto head = target.substr(0, query);
  if (const auto scheme = head.find("://"); scheme != std::string_view::npos) {
    const auto authority = head.substr(scheme + 3, head.find('/', scheme + 3) - (scheme + 3));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
      put(head.substr(0, scheme + 3));
      put(kRedacted);
      head.remove_prefix(scheme + 3 + at);
    }
  }
  put(head);
  if (query == target.size()) return out;
  put(target.substr(query, 1));
  return put_query(out, target.substr(query + 1), escape, left());
}

char* put_query(char* out, std::string_view query, text::Escape escape, std::size_t limit) {
  char* const stop = out + limit;
  const auto put = [&](std::string_view part) {
    out = text::put_escaped(out, part, escape, static_cast<std::size_t>(stop - out));
  };
  for (;;) {
    const auto size = std::min(query.find_first_of("&;?#"), query.size());
    const auto part = query.substr(0, size);
    const auto equals = part.find('=');
    if (equals != std::string_view::npos && secret_parameter(part.substr(0, equals))) {
      put(part.substr(0, equals + 1));
      put(kRedacted);
    } else {
      put(part);
    }
    if (size == query.size()) return out;
    put(query.substr(size, 1));
    query.remove_prefix(size + 1);
  }
}

}  // namespace fairlead::telemetry
