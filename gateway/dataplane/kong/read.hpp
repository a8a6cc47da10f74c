// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/dataplane/config/fields.hpp"
#include "gateway/dataplane/kong/entities.hpp"

namespace fairlead::kong {

[[nodiscard]] bool is_regex(const std::string& text);

/// Reads entities, nested or at the top.
/// Owner: read_entities(). Thread: its.
class FileReader {
 public:
  FileReader(Notes& notes, File& file) : notes_(notes), file_(file) {}
  [[nodiscard]] Notes& notes() { return notes_; }
  void all(View root);

  void text(View at, std::string& out);
  void texts(View at, std::vector<std::string>& out);
  void seconds(View at, double& out);
  [[nodiscard]] auto text_field(std::string_view name, std::string& out) {
    return config::field(name, [this, &out](View v) { text(v, out); });
  }
  [[nodiscard]] auto choice(std::string_view name, std::string& out, std::initializer_list<std::string_view> allowed) {
    return config::field(name, [this, &out, allowed = std::vector(allowed)](View v) {
      std::string list;
      for (const auto one : allowed) {
        if (v.text() == one) {
          out = one;
          return;
        }
        list.append(list.empty() ? "" : ", ").append(one);
      }
      notes_.error(v, "one of " + list);
    });
  }
  /// Of no effect here.
  [[nodiscard]] auto number(std::string_view name, std::uint32_t low, std::uint32_t high) {
    return config::field(name, [this, low, high](View v) {
      std::uint32_t value = 0;
      config::read_number(notes_.reader(), v, low, high, value);
    });
  }
  [[nodiscard]] static auto ignored(std::string_view name) {
    return config::field(name, [](View) {});
  }
  [[nodiscard]] auto unserved_field(std::string_view name, const char* expected) {
    return config::field(name, [this, expected](View v) {
      if (!v.is_sequence() || v.first()) notes_.unserved(v, expected);
    });
  }

 private:
  /// What every entity may have, and its own fields.
  template <class... F>
  void entity(View at, const config::Field<F>&... fields) {
    config::read_mapping(notes_.reader(), at, ignored("id"), ignored("tags"), ignored("_comment"), ignored("_ignore"),
                         ignored("created_at"), ignored("updated_at"), ignored("cache_key"), ignored("ws_id"),
                         fields...);
  }
  void service(View at);
  void route(View at, Index parent);
  void upstream(View at);
  void target(View at, Index parent);
  void consumer(View at);
  void credential(View at, Credential::Kind kind, Index parent);
  void certificate(View at, std::vector<Certificate>& out);
  void sni(View at);
  void take_certificates();
  void consumer_group(View at);
  void membership(View at);
  void vault(View at);
  /// What a plugin is nested in.
  struct Scope {
    Index service{}, route{}, consumer{}, group{};
  };
  void plugin(View at, const Scope& scope);
  void plugin_protocols(View at, Plugin& out);
  void methods(View at, Route& out);
  void paths(View at, Route& out);
  void hosts(View at, Route& out);
  void snis(View at, Route& out);
  void headers(View at, Route& out);
  /// Places in a list by names and ids; of several the first.
  using Places = std::map<std::string, std::size_t, std::less<>>;
  void resolve(View at, Index& out, const Places& places, const char* what);
  void resolve_all();
  void check_names();
  void name_consumers();

  Notes& notes_;
  File& file_;
  std::vector<std::pair<View, View>> memberships_;  // a consumer, a group
  struct Sni {
    View certificate, name;
    Index index;
  };
  std::vector<Sni> snis_;  // of the file's own list
};

}  // namespace fairlead::kong
