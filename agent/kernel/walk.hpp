// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/kernel/iterator.hpp"
#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {

/// The programs and maps of one load, by their names.
struct Loaded {
  std::function<int(const std::string&)> program;     ///< its descriptor; -1: this kernel did not take it
  std::function<Result<Fd>(const std::string&)> map;  ///< a descriptor of the caller's own
};

/// A program of FL_WALK (bpf/lib/walk.h) over every socket that has a row in a socket storage, in all network
/// namespaces: at once, or namespace by namespace where the kernel lets no program walk over a storage. Those in which
/// no process is and that have no name are not reached then.
/// Owner: whoever holds it. Thread: any, one at a time; while it walks by namespace the thread changes into each.
class Walk {
 public:
  /// name: "fl_sweep_list"; storage: "fl_socks", the map that the program was written for. rows: what is walked over,
  /// that map or an earlier agent's with the same layout; kept. ENOTSUP where the kernel does not take the program.
  static Result<Walk> open(const Loaded& loaded, const std::string& name, const std::string& storage, const Fd& rows);
  /// Over the agent's own storage.
  static Result<Walk> open(const Loaded& loaded, const std::string& name, const std::string& storage);
  /// The same; none where the kernel does not take the program.
  static Result<std::optional<Walk>> open_if_taken(const Loaded& loaded, const std::string& name,
                                                   const std::string& storage);
  /// One that was pinned by its link(), over what its agent walked over last.
  static Result<Walk> of_link(Fd link);

  /// One walk; hands over what the program wrote, in pieces of any size.
  [[nodiscard]] Result<> run(const Iterator::Sink& sink) const;
  /// That of the program, of its form for TCP where there are several.
  [[nodiscard]] int link() const { return iterators_.front().link(); }

 private:
  Walk() = default;
  [[nodiscard]] Result<> choose() const;
  [[nodiscard]] Result<> run_here(const Iterator::Sink& sink) const;

  std::vector<Iterator> iterators_;
  bool by_namespace_ = false;
  Fd walked_, rows_;  // by namespace: which storage is walked over, and that; none where it is chosen for good
};

}  // namespace fairlead::kernel
