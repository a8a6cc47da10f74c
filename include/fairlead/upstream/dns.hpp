// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fairlead/upstream/clock.hpp"
#include "fairlead/upstream/cluster_spec.hpp"

namespace fairlead::upstream {

enum class DnsStatus : std::uint8_t {
  kAnswer,    ///< addresses
  kNegative,  ///< the name does not exist, or has no address (NXDOMAIN, NODATA)
  kFailure,   ///< no answer: time-out, SERVFAIL, no server
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::kFailure;
  std::vector<Address> addresses{};  ///< A and AAAA
  std::uint32_t ttl_s = 0;           ///< the least of the records; of a negative answer that of its SOA (RFC 2308)
};

/// Hears an answer; once, never before resolve() returns.
class DnsListener {
 public:
  virtual void on_answer(const DnsAnswer& answer) = 0;

 protected:
  ~DnsListener() = default;
};

/// A question under way; destroying it gives it up.
class DnsQuery {
 public:
  virtual ~DnsQuery() = default;
};

/// Asks for the addresses of a name.
/// Owner: the program. Thread: that of its users.
class Resolver {
 public:
  /// The resolver has its own time-out: every question ends.
  virtual std::unique_ptr<DnsQuery> resolve(const std::string& name, DnsListener& listener) = 0;

 protected:
  ~Resolver() = default;
};

/// One name, for people.
struct NameState {
  std::string name;
  std::vector<Address> addresses;
  bool answered = false;                  ///< well or not
  DnsStatus last = DnsStatus::kFailure;   ///< with answered
};

struct DnsCounters {
  std::uint64_t queries = 0;
  std::uint64_t answers = 0;
  std::uint64_t negative = 0;
  std::uint64_t failures = 0;
  std::uint64_t changes = 0;  ///< answers that changed a name's addresses
};

/// Turns the names of clusters into endpoints and keeps them so: asked again when the TTL ends (within the spec's
/// bounds). A failure keeps the last good answer and asks again after failure_refresh, twice that and so on. A negative
/// answer keeps it too while it is counted: a zone that is briefly broken should not end traffic that works; but a name
/// that never had an answer has no endpoints.
/// Owner: the program, one; next to the health checker. Thread: its clock's.
class DnsEndpoints {
 public:
  /// Called when a cluster's endpoints have changed; with those of spec.endpoints first, then those of its names. The
  /// receiver publishes a ClusterSpec that has them.
  using Changed = std::function<void(const std::string& cluster, std::vector<EndpointSpec> endpoints)>;

  DnsEndpoints(Clock& clock, Resolver& resolver, Changed changed);
  ~DnsEndpoints();
  DnsEndpoints(const DnsEndpoints&) = delete;
  DnsEndpoints& operator=(const DnsEndpoints&) = delete;

  /// A cluster is new or has changed. Names that stay keep their addresses; new ones are asked at once.
  void apply(ClusterSpecRef spec);
  void remove(const std::string& cluster);
  /// What is known now.
  [[nodiscard]] std::vector<EndpointSpec> endpoints(const ClusterSpec& spec) const;

  /// Names that had no answer of any kind yet.
  [[nodiscard]] std::size_t unanswered() const { return unanswered_; }
  [[nodiscard]] std::vector<NameState> states() const;  ///< by name
  [[nodiscard]] std::size_t names() const { return names_.size(); }
  [[nodiscard]] const DnsCounters& counters() const { return counters_; }

 private:
  class Name;
  void publish(const std::string& name);
  void release(const ClusterSpec& spec);

  Clock& clock_;
  Resolver& resolver_;
  Changed changed_;
  std::unordered_map<std::string, std::unique_ptr<Name>> names_;
  std::unordered_map<std::string, ClusterSpecRef> clusters_;
  std::size_t unanswered_ = 0;
  DnsCounters counters_;
};

}  // namespace fairlead::upstream
