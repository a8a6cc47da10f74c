// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fairlead/filter/make.hpp"

namespace fairlead::filter {

/// How names of headers in the settings are meant.
enum class HeaderNames : bool {
  kExact,     ///< as Gateway API has them
  kPatterns,  ///< as Istio has them: "prefix*" and "*suffix" too
};
FilterPtr make_external_auth(const model::ExternalAuth& settings, HeaderNames names, Context& context);

}  // namespace fairlead::filter
