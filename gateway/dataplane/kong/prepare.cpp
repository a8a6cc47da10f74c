// SPDX-License-Identifier: Apache-2.0
// What stands in a file in place of values: decK's defaults and shared configs, and references to vaults.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "gateway/dataplane/kong/entities.hpp"

namespace fairlead::kong {
namespace {

using config::Tree;
using Id = Tree::Id;

constexpr std::string_view kReference = "{vault://";

/// Owner: prepare(). Thread: its.
class Preparation {
 public:
  Preparation(Notes& notes, Tree& tree) : notes_(notes), tree_(tree) {}

  void run() {
    const auto root = view(Tree::root());
    defaults_ = root.find("_info").find("defaults");
    configs_ = root.find("_plugin_configs");
    complete(Tree::root());
    if (const auto vaults = root.find("vaults"))
      for (auto vault = vaults.first(); vault; vault = vault.next()) read_vault(vault);
    resolve(Tree::root());
  }

 private:
  [[nodiscard]] View view(Id id) const { return {tree_, id}; }

  /// Lists of entities, wherever they are nested.
  void complete(Id entity) {
    for (auto list = view(entity).first(); list; list = list.next()) {
      if (!list.is_sequence()) continue;
      for (auto item = list.first(); item; item = item.next()) {
        if (!item.is_mapping()) continue;
        complete(item.id());
        if (list.key() == "plugins") share_config(item);
        else if (const auto given = defaults_of(list.key())) fill(item.id(), given, true);
      }
    }
  }

  [[nodiscard]] View defaults_of(std::string_view list) const {
    for (const std::string_view kind : {"service", "route", "upstream", "target"})
      if (list.size() == kind.size() + 1 && list.starts_with(kind) && list.ends_with('s')) return defaults_.find(kind);
    return {};
  }

  /// Of a field that both have, the plugin's own counts.
  void share_config(View plugin) {
    const auto name = plugin.find("_config");
    if (!name) return;
    const auto shared = configs_.find(name.text());
    if (!shared) return notes_.error(name, "a name in _plugin_configs");
    if (const auto own = plugin.find("config"); own && !own.is_null()) return fill(own.id(), shared, false);
    copy(shared, plugin.id(), "config");
  }

  /// Gives a mapping the fields that it has not; deep: also the mappings in it.
  void fill(Id mapping, View from, bool deep) {
    for (auto field = from.first(); field; field = field.next()) {
      const auto own = view(mapping).find(field.key());
      if (!own) copy(field, mapping, field.key());
      else if (deep && own.is_mapping() && field.is_mapping()) fill(own.id(), field, true);
    }
  }

  void copy(View from, Id parent, std::string_view key) {
    auto node = from.node();
    const auto first = from.first();
    node.parent = parent;
    node.key = key;
    node.first = node.next = Tree::kNone;
    const auto made = tree_.append(node);
    auto last = tree_.node(parent).first;
    if (last == Tree::kNone) {
      tree_.edit(parent).first = made;
    } else {
      while (tree_.node(last).next != Tree::kNone) last = tree_.node(last).next;
      tree_.edit(last).next = made;
    }
    for (auto child = first; child; child = child.next()) copy(child, made, child.key());
  }

  void read_vault(View vault) {
    const auto prefix = vault.find("prefix"), name = vault.find("name");
    if (!prefix || !name || name.text() != "env") return;  // said where it is read
    const auto variables = vault.find("config").find("prefix");
    prefixes_[std::string(prefix.text())] = variables ? std::string(variables.text()) : std::string();
  }

  void resolve(Id id) {
    for (auto child = view(id).first(); child; child = child.next()) resolve(child.id());
    const auto& node = tree_.node(id);
    if (node.type == Tree::Type::kScalar && node.text.starts_with(kReference) && node.text.ends_with('}')) refer(id);
  }

  /// {vault://NAME/VARIABLE}, {vault://NAME/VARIABLE/FIELD}, both with ?prefix=TEXT. What cannot be resolved is none,
  /// and not the reference itself: it would be a secret that everybody knows.
  void refer(Id id) {
    auto text = tree_.node(id).text.substr(kReference.size());
    text.remove_suffix(1);
    const auto query = text.find('?');
    const auto path = text.substr(0, query);
    const auto slash = path.find('/');
    const auto vault = prefixes_.find(path.substr(0, slash));
    if (vault == prefixes_.end() || slash == std::string_view::npos) {
      notes_.unserved(view(id), "a value, or {vault://env/NAME}: of vaults only the environment is read");
      return drop(id);
    }
    auto prefix = std::string(vault->second);
    if (query != std::string_view::npos && text.substr(query).starts_with("?prefix=")) prefix = text.substr(query + 8);
    const auto name = path.substr(slash + 1, path.find('/', slash + 1) - slash - 1);
    const auto variable = variable_of(prefix + std::string(name));
    const auto* value = std::getenv(variable.c_str());
    if (value == nullptr) {
      notes_.error(view(id), "a variable of the environment: there is no " + variable);
      return drop(id);
    }
    const auto field = path.find('/', slash + 1);
    put(id, field == std::string_view::npos ? std::string(value) : field_of(id, value, path.substr(field + 1)));
  }

  static std::string variable_of(std::string name) {
    for (auto& c : name) c = c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    return name;
  }

  std::string field_of(Id id, const char* value, std::string_view field) {
    const auto object = nlohmann::json::parse(value, nullptr, false);
    const auto found = object.is_object() ? object.find(std::string(field)) : object.end();
    if (object.is_object() && found != object.end())
      return found->is_string() ? found->get<std::string>() : found->dump();
    notes_.error(view(id), "a variable that holds a JSON object with this field");
    return {};
  }

  void put(Id id, const std::string& value) {
    auto& node = tree_.edit(id);
    node.text = tree_.keep(value);
    node.plain = false;
    node.secret = true;
  }
  void drop(Id id) {
    auto& node = tree_.edit(id);
    node.type = Tree::Type::kNull;
    node.text = {};
  }

  Notes& notes_;
  Tree& tree_;
  View defaults_, configs_;
  std::map<std::string, std::string, std::less<>> prefixes_{{"env", ""}};  ///< of variables, by vault
};

}  // namespace

void prepare(Notes& notes, Tree& tree) { Preparation(notes, tree).run(); }

}  // namespace fairlead::kong
