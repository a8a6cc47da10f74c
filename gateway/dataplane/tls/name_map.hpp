// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fairlead::tls {

/// Host names to values: exact ones, and "*.suffix". The most specific wins. Names in lower case.
template <class Value>
class NameMap {
 public:
  enum class Wildcard : bool { kOneLabel, kAnyLabels };

  /// False where the name was there before, which keeps its value.
  bool add(std::string_view name, Value value) {
    if (name.starts_with("*.")) return wild_.emplace(name.substr(2), std::move(value)).second;
    return exact_.emplace(name, std::move(value)).second;
  }

  [[nodiscard]] const Value* find(std::string_view name, Wildcard wildcard) const {
    if (const auto found = exact_.find(name); found != exact_.end()) return &found->second;
    if (wild_.empty()) return nullptr;
    for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
      if (const auto found = wild_.find(name.substr(dot + 1)); found != wild_.end()) return &found->second;
      if (wildcard == Wildcard::kOneLabel) break;
    }
    return nullptr;
  }

  [[nodiscard]] Value* exactly(std::string_view name) {
    auto& map = name.starts_with("*.") ? wild_ : exact_;
    const auto found = map.find(name.starts_with("*.") ? name.substr(2) : name);
    return found == map.end() ? nullptr : &found->second;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Value, Hash, std::equal_to<>> exact_;
  std::unordered_map<std::string, Value, Hash, std::equal_to<>> wild_;
};

}  // namespace fairlead::tls
