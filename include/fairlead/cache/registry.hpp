// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "fairlead/cache/journal.hpp"
#include "fairlead/cache/store.hpp"

namespace fairlead::cache {

/// All stores of the process, and the journals by which others hear of purges, so that one purge reaches each. Owner:
/// the process. Thread: any.
class Registry {
 public:
  static Registry& of_process();

  void add(const std::shared_ptr<Store>& store);
  void add(const std::shared_ptr<Journal>& journal);
  // The sums of what Store's functions of these names return.
  std::size_t purge_url(std::string_view url);
  std::size_t purge_prefix(std::string_view prefix);
  std::size_t purge_tag(std::string_view tag);

 private:
  /// Those that are still in use; they are not gone before the purge is over.
  [[nodiscard]] std::vector<std::shared_ptr<Store>> standing();
  void publish(PurgeKind kind, std::string_view text);

  std::mutex mutex_;
  std::vector<std::weak_ptr<Store>> stores_;
  std::vector<std::weak_ptr<Journal>> journals_;
};

}  // namespace fairlead::cache
