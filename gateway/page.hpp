// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "fairlead/admin/server.hpp"

namespace fairlead::gateway {

struct PageFile {
  std::string_view name;  ///< "index.html"
  std::string_view content;
};

/// The files of gateway/page/, as they were when the program was built. Thread: any.
[[nodiscard]] std::span<const PageFile> page_files();

/// The live page at `/`. It asks /v1/gateway/live and /v1/gateway/routes, and nobody else. Thread: main.
void add_page(admin::Server& server);

}  // namespace fairlead::gateway
