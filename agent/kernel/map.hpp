// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// What the kernel says of a map.
struct MapShape {
  std::uint32_t id = 0;
  std::uint32_t type = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;
  std::uint32_t btf_id = 0;
  std::uint32_t btf_key_type = 0;
  std::uint32_t btf_value_type = 0;
  std::string name;
};

/// A second descriptor of the same thing, for maps whose first one belongs to a skeleton.
[[nodiscard]] Result<Fd> duplicate(int fd);

/// A map of bytes: the untyped ground of the templates below. Batches go by BPF_MAP_*_BATCH where the map type has it,
/// else one by one.
/// Owner: whoever holds it. Thread: any, one at a time.
class RawMap {
 public:
  RawMap() = default;
  static Result<RawMap> from_fd(Fd fd);
  static Result<RawMap> from_id(std::uint32_t id);  ///< needs CAP_SYS_ADMIN
  static Result<RawMap> open_pin(const std::string& path);
  /// The same shape with another number of entries; btf_fd as in BPF_MAP_CREATE, or -1 for none.
  static Result<RawMap> create_like(const MapShape& shape, std::uint32_t max_entries, int btf_fd);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const MapShape& shape() const { return shape_; }
  [[nodiscard]] Result<> expect_sizes(std::size_t key_size, std::size_t value_size) const;

  /// Writes count elements and says how many are in; fewer only with an error in `error` (E2BIG: full).
  struct Written {
    std::size_t count = 0;
    int error = 0;
  };
  [[nodiscard]] Written update(const void* keys, const void* values, std::size_t count) const;
  /// Keys that are not there are passed over.
  [[nodiscard]] Result<> remove(const void* keys, std::size_t count) const;
  [[nodiscard]] Result<bool> find(const void* key, void* value) const;
  /// All elements, keys and values packed one after the other; not a snapshot if others write meanwhile.
  struct Contents {
    std::vector<std::byte> keys;
    std::vector<std::byte> values;
    std::size_t count = 0;
  };
  [[nodiscard]] Result<Contents> dump() const;
  /// Pins at path, replacing what is pinned there in one step.
  [[nodiscard]] Result<> pin(const std::string& path) const;
  [[nodiscard]] Error error(const char* what, int error_number) const;

 private:
  [[nodiscard]] int update_one(const void* key, const void* value) const;
  [[nodiscard]] Result<bool> dump_batched(Contents& contents) const;
  [[nodiscard]] Result<> dump_single(Contents& contents) const;

  Fd fd_;
  MapShape shape_;
};

/// The rows of an mmapable array, in our address space.
/// Owner: its array. Thread: any, one at a time; programs write the same memory.
class Mapping {
 public:
  Mapping() = default;
  static Result<Mapping> of(const RawMap& map);
  /// Zeroes that no map has.
  static Result<Mapping> anonymous(std::size_t length);
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), length_(std::exchange(other.length_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(length_, other.length_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  std::size_t length_ = 0;
};

template <class K, class V>
using Rows = std::vector<std::pair<K, V>>;

/// Contents with types put on.
template <class K, class V>
[[nodiscard]] Rows<K, V> typed_rows(const RawMap::Contents& contents) {
  Rows<K, V> rows(contents.count);
  for (std::size_t i = 0; i < contents.count; ++i) {
    std::memcpy(&rows[i].first, contents.keys.data() + i * sizeof(K), sizeof(K));
    std::memcpy(&rows[i].second, contents.values.data() + i * sizeof(V), sizeof(V));
  }
  return rows;
}

/// A hash (or LRU hash, or LPM trie) of fixed size.
/// Owner: whoever holds it. Thread: any, one at a time.
template <class K, class V>
class HashMap {
 public:
  HashMap() = default;
  static Result<HashMap> from(RawMap map) {
    FL_CHECK(map.expect_sizes(sizeof(K), sizeof(V)));
    HashMap result;
    result.map_ = std::move(map);
    return result;
  }
  static Result<HashMap> from_fd(Fd fd) {
    FL_TRY(auto map, RawMap::from_fd(std::move(fd)));
    return from(std::move(map));
  }

  [[nodiscard]] Result<> update(std::span<const K> keys, std::span<const V> values) {
    const auto written = map_.update(keys.data(), values.data(), keys.size());
    if (written.error != 0) return fail(map_.error("updating", written.error));
    return {};
  }
  [[nodiscard]] Result<> update(const K& key, const V& value) {
    return update(std::span(&key, 1), std::span(&value, 1));
  }
  [[nodiscard]] Result<> remove(std::span<const K> keys) { return map_.remove(keys.data(), keys.size()); }
  [[nodiscard]] Result<std::optional<V>> find(const K& key) const {
    V value{};
    FL_TRY(const bool found, map_.find(&key, &value));
    return found ? std::optional<V>(value) : std::nullopt;
  }
  [[nodiscard]] Result<Rows<K, V>> dump() const {
    FL_TRY(const auto contents, map_.dump());
    return typed_rows<K, V>(contents);
  }
  [[nodiscard]] const RawMap& raw() const { return map_; }

 private:
  RawMap map_;
};

/// An mmapable array of fixed size.
/// Owner: whoever holds it. Thread: any, one at a time; words that programs write are to be read with __atomic.
template <class V>
class Array {
 public:
  Array() = default;
  static Result<Array> from(RawMap map) {
    FL_CHECK(map.expect_sizes(sizeof(std::uint32_t), sizeof(V)));
    Array result;
    FL_TRY(result.mapping_, Mapping::of(map));
    result.map_ = std::move(map);
    return result;
  }
  static Result<Array> from_fd(Fd fd) {
    FL_TRY(auto map, RawMap::from_fd(std::move(fd)));
    return from(std::move(map));
  }

  static constexpr std::size_t stride() { return (sizeof(V) + 7) / 8 * 8; }
  [[nodiscard]] std::uint32_t size() const { return map_.shape().max_entries; }
  [[nodiscard]] V& operator[](std::uint32_t row) const {
    return *reinterpret_cast<V*>(static_cast<std::byte*>(mapping_.data()) + row * stride());
  }
  [[nodiscard]] const RawMap& raw() const { return map_; }

 private:
  RawMap map_;
  Mapping mapping_;
};

}  // namespace fairlead::kernel
