// SPDX-License-Identifier: Apache-2.0
#include "gateway/dataplane/filter/secrets.hpp"

namespace fairlead::filter {

Result<std::string> secret_value(const model::SecretKey& ref, const Context& context) {
  const auto* secret = context.secret(ref.name);
  if (secret == nullptr) return fail("there is no Secret " + context.ns + "/" + ref.name);
  const auto* value = model::find_label(secret->data, ref.key);
  if (value == nullptr) return fail("Secret " + context.ns + "/" + ref.name + " has no key \"" + ref.key + "\"");
  return *value;
}

Result<std::string> secret_line(const model::SecretKey& ref, const Context& context) {
  auto out = secret_value(ref, context);
  while (out && (out->ends_with('\n') || out->ends_with('\r'))) out->pop_back();
  return out;
}

Result<std::string> secret_line(const model::SecretSource& source, const Context& context) {
  if (source.name.empty()) return source.held;
  return secret_line(static_cast<const model::SecretKey&>(source), context);
}

}  // namespace fairlead::filter
