// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fairlead {

template <class T>
concept TextLike = std::is_convertible_v<const T&, std::string_view>;

/// A text that many have, such as the name of an object: 8 bytes, and one copy of the text in the process for as long
/// as somebody has it. So equal ones are known by their address. Making one of a text costs a look into a table that
/// all threads share; copies do not. Thread: any.
class Name {
 public:
  Name() = default;
  template <TextLike Text>
    requires(!std::is_same_v<Text, Name>)
  // NOLINTNEXTLINE(google-explicit-constructor): it stands where a string would
  Name(const Text& text) : entry_(entry_of(std::string_view(text))) {}
  Name(const Name& other) : entry_(other.entry_) { acquire(); }
  Name(Name&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  Name& operator=(Name other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~Name() {
    if (entry_ != nullptr) release();
  }

  /// Good as long as somebody has the name.
  [[nodiscard]] const std::string& text() const;
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator const std::string&() const { return text(); }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator std::string_view() const { return text(); }
  [[nodiscard]] bool empty() const { return entry_ == nullptr; }
  [[nodiscard]] std::size_t size() const { return text().size(); }
  /// The same for the same text, as long as somebody has it.
  [[nodiscard]] std::size_t hash() const { return std::hash<const void*>{}(entry_) * 0x9e3779b97f4a7c15; }

  friend bool operator==(const Name& a, const Name& b) { return a.entry_ == b.entry_; }
  friend std::strong_ordering operator<=>(const Name& a, const Name& b) {
    return a.entry_ == b.entry_ ? std::strong_ordering::equal : a.text() <=> b.text();
  }
  template <TextLike Text>
    requires(!std::is_same_v<Text, Name>)
  friend bool operator==(const Name& a, const Text& b) {
    return std::string_view(a.text()) == std::string_view(b);
  }
  template <TextLike Text>
    requires(!std::is_same_v<Text, Name>)
  friend std::strong_ordering operator<=>(const Name& a, const Text& b) {
    return std::string_view(a.text()) <=> std::string_view(b);
  }
  friend std::string operator+(std::string a, const Name& b) { return std::move(a.append(b.text())); }
  friend std::string operator+(const Name& a, std::string_view b) { return std::string(a.text()).append(b); }

 private:
  struct Entry;
  struct Pool;
  [[nodiscard]] static Pool& pool();
  [[nodiscard]] static const Entry* entry_of(std::string_view text);
  void acquire() const;
  void release() const;

  const Entry* entry_ = nullptr;  // null: the empty text
};

}  // namespace fairlead
