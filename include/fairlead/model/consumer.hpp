// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/base/compact_set.hpp"
#include "fairlead/base/counted.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::model {

/// What not all consumers have; those that have only their groups here share one. Immutable.
struct ConsumerMore : Counted {
  ConsumerMore() = default;
  virtual ~ConsumerMore() = default;
  /// What a credential has beside its digest, by its place; whoever made this knows the type. Null: nothing.
  [[nodiscard]] virtual const void* detail(std::size_t place) const;

  std::vector<std::string> groups;  ///< sorted
  std::string id;                   ///< for backends
  std::string username;             ///< the same; empty: the name
  /// As read, where some credential is more than the digest of a key: the credentials are still to be made of it.
  std::shared_ptr<const ConsumerSettings> settings;
};
using ConsumerMorePtr = CountedPtr<ConsumerMore>;

struct PackedConsumerDelete;

/// A Consumer as it is kept, the same block for the configuration and for who looks credentials up, as there may be
/// millions: its fields, then its credentials, name and customId. Immutable. Thread: any.
class PackedConsumer : public Counted {
 public:
  struct Credential {
    std::array<std::uint8_t, 32> lookup{};  ///< of an API key, or of an id: SHA-256
    std::uint16_t number = 1;               ///< among its consumer's of this kind
    ConsumerCredential::Kind kind = ConsumerCredential::Kind::kApiKey;
    std::uint8_t place = 0;  ///< among all of its consumer's; make() sets it

    [[nodiscard]] const PackedConsumer& consumer() const;  ///< whose
    [[nodiscard]] const void* detail() const;              ///< as ConsumerMore has it
  };
  struct Parts {
    std::string_view ns;
    std::string_view name;  ///< of at most kMostName bytes; what is more than may be in force is cut off
    std::string_view custom_id{};
    std::span<const Credential> credentials{};
    ConsumerMorePtr more{};
  };
  static constexpr std::size_t kMostName = 255;

  [[nodiscard]] static CountedPtr<PackedConsumer, PackedConsumerDelete> make(const Parts& parts);

  [[nodiscard]] const std::string& ns() const { return *ns_; }
  [[nodiscard]] std::string_view name() const { return {text(), name_size_}; }
  /// What the users' own systems call it; may be empty.
  [[nodiscard]] std::string_view custom_id() const { return {text() + name_size_, custom_id_size_}; }
  [[nodiscard]] std::span<const std::string> groups() const {  ///< sorted
    return more_ ? std::span<const std::string>(more_->groups) : std::span<const std::string>();
  }
  /// What backends get as X-Consumer-ID; empty: nothing.
  [[nodiscard]] std::string_view id() const { return more_ ? std::string_view(more_->id) : std::string_view(); }
  /// What others are told: any text, where name() is an object's.
  [[nodiscard]] std::string_view username() const {
    return more_ && !more_->username.empty() ? std::string_view(more_->username) : name();
  }
  [[nodiscard]] std::span<const Credential> credentials() const { return {first(), credentials_}; }
  [[nodiscard]] const ConsumerMore* more() const { return more_.get(); }
  [[nodiscard]] std::size_t bytes() const;  ///< of the block
  [[nodiscard]] std::string text_key() const;  ///< "Consumer default/alice"

 private:
  friend struct PackedConsumerDelete;
  explicit PackedConsumer(const Parts& parts);
  ~PackedConsumer() = default;
  [[nodiscard]] const Credential* first() const;
  [[nodiscard]] const char* text() const { return reinterpret_cast<const char*>(first() + credentials_); }

  std::uint16_t custom_id_size_ = 0;
  std::uint8_t name_size_ = 0;
  std::uint8_t credentials_ = 0;
  const std::string* ns_;
  ConsumerMorePtr more_;
};
struct PackedConsumerDelete {
  void operator()(const PackedConsumer* of) const;
};
using PackedConsumerPtr = CountedPtr<PackedConsumer, PackedConsumerDelete>;

/// One whose credentials are digests of API keys alone is whole; others keep their settings, see ConsumerMore.
[[nodiscard]] PackedConsumerPtr pack(const Consumer& consumer);

/// gone: the consumer is only its name.
struct ConsumerChange {
  PackedConsumerPtr consumer;
  bool gone = false;
};

[[nodiscard]] std::size_t consumer_hash(std::string_view ns, std::string_view name);
struct PackedConsumerHash {
  std::size_t operator()(const PackedConsumer& of) const { return consumer_hash(of.ns(), of.name()); }
};
using PackedConsumers = CompactSet<PackedConsumerPtr, PackedConsumerHash>;

}  // namespace fairlead::model
