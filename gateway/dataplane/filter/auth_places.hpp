// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "fairlead/filter/request.hpp"
#include "fairlead/model/request_auth.hpp"

namespace fairlead::filter {

/// What stands in the places where a credential may stand.
struct PlaceValue {
  std::string_view text;  ///< decoded; may be empty where present
  bool present = false;
  bool twice = false;  ///< two that differ: neither counts
  bool again = false;  ///< the same name stands twice, whatever it says
  std::string_view name{};
};
[[nodiscard]] PlaceValue find_credential(Request& request, const model::CredentialPlaces& places);
/// Has logs and traces show nothing of what stands there. Cookies they never show.
void keep_secret(const model::CredentialPlaces& places);
/// Takes all of them off, wherever they stand.
void remove_credential(Request& request, const model::CredentialPlaces& places);

/// The value behind "Scheme " (any case); nothing where it is another scheme.
[[nodiscard]] std::optional<std::string_view> behind_scheme(std::string_view value, std::string_view scheme);
/// Where credentials of a scheme stand; the first counts.
inline constexpr std::string_view kAuthorizationFields[] = {"proxy-authorization", "authorization"};
/// The one field of that name; `twice` where there are several.
[[nodiscard]] PlaceValue authorization(Request& request, std::string_view name = "authorization");
/// Takes it off where it is of this scheme: another may be for the backend.
void remove_authorization(Request& request, std::string_view scheme, std::string_view name = "authorization");
/// The same in all of kAuthorizationFields.
void remove_authorizations(Request& request, std::string_view scheme);

/// A bearer token (RFC 6750): in Authorization behind "Bearer"; elsewhere alone, or so too.
class BearerPlaces {
 public:
  explicit BearerPlaces(const model::CredentialPlaces& places);
  [[nodiscard]] PlaceValue find(Request& request) const;
  void remove(Request& request) const;

 private:
  model::CredentialPlaces others_;  // without Authorization
  std::array<model::CredentialPlaces, 3> ways_;  // each kind of them alone
  bool in_authorization_;
};

/// Names of the cookies that begin so, in their order.
[[nodiscard]] std::vector<std::string_view> cookie_names(Request& request, std::string_view prefix);

/// "X_Consumer_Username" is "x-consumer-username" for CGI and WSGI.
[[nodiscard]] bool same_header(std::string_view field, std::string_view name);

}  // namespace fairlead::filter
