// SPDX-License-Identifier: Apache-2.0
// HTTP Message Signatures (RFC 9421) with keys of consumers.
#include <algorithm>
#include <chrono>
#include <ctime>

#include "fairlead/auth/http_signature.hpp"
#include "fairlead/auth/nonces.hpp"
#include "gateway/dataplane/filter/auth_method.hpp"

namespace fairlead::filter {
namespace {

using Signatures = std::vector<auth::HttpSignature>;

bool has_body(Request& request) {
  const auto body = request.head().body;
  return body == http::Body::kLength || body == http::Body::kStream;
}

/// Whether any of them is about the body's digest, or a part of it.
bool names_digest(const Signatures& signatures) {
  return std::ranges::any_of(signatures, [](const auth::HttpSignature& one) {
    return std::ranges::any_of(one.input.items, [](const auto& item) { return item.value.text == "content-digest"; });
  });
}

class Signature final : public AuthMethod {
 public:
  Signature(const model::SignatureMethod& settings, DirectoriesPtr directories, std::shared_ptr<auth::Nonces> nonces)
      : settings_(settings), directories_(std::move(directories)), nonces_(std::move(nonces)) {
    for (const auto& name : settings_.algorithms)
      if (const auto known = auth::signature_algorithm(name)) algorithms_ |= auth::bit(*known);
    if (settings_.algorithms.empty()) algorithms_ = auth::kAllAlgorithms;
  }

  AuthOutcome check(Request& request, AuthAttempt& attempt) const override {
    const auto signatures = auth::parse_signatures(request.head().fields);
    if (!signatures) return AuthOutcome::kAbsent;
    if (signatures->empty()) return refuse(attempt, "the signature's fields are malformed", AuthFailure::kMalformed);
    auto directory = directories_->current();
    const auto* one = choose(*signatures, *directory);
    if (one == nullptr) return refuse(attempt, "no signature is by a key that is known", AuthFailure::kUnknown);
    if (const auto why = fault_of(*one, request); !why.empty()) return refuse(attempt, why);
    const auto* credential = directory->find(auth::CredentialKind::kSignature, auth::lookup_of(*one->key_id));
    const auto& key = *auth::details_of(*credential)->key;
    if ((key.algorithms() & algorithms_) == 0)
      return refuse(attempt, "the signature's algorithm is not accepted", AuthFailure::kAlgorithm);
    const auto base = auth::signature_base(*one, request.head());
    if (!base || !auth::check_signature(*one, key, *base)) return refuse(attempt, "the signature is wrong");
    if (!has_body(request) && names_digest(*signatures) && !auth::check_content_digest(request.head().fields, {}))
      return refuse(attempt, "the body is not that of Content-Digest", AuthFailure::kBody);
    if (nonces_ != nullptr && !request.asks_only()) {
      const auto outcome = note(*one);
      if (outcome == auth::Nonces::Outcome::kSeen)
        return refuse(attempt, "the signature's nonce was used before", AuthFailure::kDuplicate);
      if (outcome == auth::Nonces::Outcome::kFull) {
        attempt.unavailable = "nonces_full";
        return AuthOutcome::kUnavailable;
      }
    }
    return accept(attempt, identity_of(*credential, std::move(directory), request.arena()));
  }
  std::string_view scheme() const override { return "Signature"; }
  std::string_view name() const override { return "signature"; }
  void hide(Request& request) const override {
    if (settings_.hide_credentials)
      std::erase_if(request.head().fields,
                    [](const auto& field) { return field.name == "signature" || field.name == "signature-input"; });
  }
  std::size_t most_body() const override { return settings_.max_body_bytes; }
  /// Whichever signature was accepted: where one of them is about the digest, the digest has to be right.
  bool needs_body(Request& request) const override {
    if (!has_body(request)) return false;
    const auto signatures = auth::parse_signatures(request.head().fields);
    return signatures && names_digest(*signatures);
  }
  bool check_body(Request& request, const std::string& body) const override {
    return auth::check_content_digest(request.head().fields, body);
  }

 private:
  /// The first with the tag that is wanted and a key that is known; those of others, for others, do not matter.
  const auth::HttpSignature* choose(const Signatures& signatures, const auth::Directory& directory) const {
    const auto found = std::ranges::find_if(signatures, [&](const auth::HttpSignature& one) {
      const bool wanted = settings_.tag.empty() || one.tag == settings_.tag;
      return wanted && one.key_id &&
             directory.find(auth::CredentialKind::kSignature, auth::lookup_of(*one.key_id)) != nullptr;
    });
    return found == signatures.end() ? nullptr : &*found;
  }
  /// Empty: what it says of itself is as it must be.
  std::string_view fault_of(const auth::HttpSignature& one, Request& request) const {
    const auto covered = [&](const std::string& component) { return one.covers(component); };
    if (!std::ranges::all_of(settings_.components, covered)) return "the signature does not cover all that it must";
    if (settings_.require_digest && has_body(request) && !one.covers("content-digest"))
      return "a signed Content-Digest of the body is needed";
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    const auto skew = settings_.clock_skew.count() / 1000;
    if (!one.created) return "the signature does not say when it was created";
    if (*one.created > now + skew) return "the signature is of a time to come";
    if (*one.created < now - skew - settings_.max_age.count() / 1000) return "the signature is too old";
    if (one.expires && *one.expires < now - skew) return "the signature has expired";
    if (one.expires && *one.expires < *one.created) return "the signature expires before it was created";
    if (settings_.refuse_replays && (!one.nonce || one.nonce->empty())) return "the signature has no nonce";
    return {};
  }
  /// As long as a signature is accepted that was made when this one came, and by a clock that differs.
  [[nodiscard]] auth::Nonces::Outcome note(const auth::HttpSignature& one) const {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto lasts = (settings_.max_age.count() + 2 * settings_.clock_skew.count()) / 1000 + 1;
    return nonces_->add(*one.key_id, *one.nonce, std::chrono::duration_cast<std::chrono::seconds>(now).count(), lasts);
  }

  const model::SignatureMethod settings_;
  const DirectoriesPtr directories_;
  const std::shared_ptr<auth::Nonces> nonces_;  // null: replays pass
  auth::Algorithms algorithms_ = 0;
};

}  // namespace

AuthMethodPtr make_signature_method(const model::SignatureMethod& settings, DirectoriesPtr directories,
                                    Context& context) {
  std::shared_ptr<auth::Nonces> nonces;
  if (settings.refuse_replays)
    nonces =
        context.stores.get<auth::Nonces>(context.policy + "/nonces", [] { return std::make_shared<auth::Nonces>(); });
  return std::make_unique<Signature>(settings, std::move(directories), std::move(nonces));
}

}  // namespace fairlead::filter
