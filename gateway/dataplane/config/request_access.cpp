// SPDX-License-Identifier: Apache-2.0
#include "fairlead/model/request_access.hpp"

#include <algorithm>

#include "gateway/dataplane/config/request_sections.hpp"

namespace fairlead::config {
namespace {

auto blocks_field(Reader& reader, std::string_view name, std::vector<Cidr>& out) {
  return field(name, [&](View v) {
    if (!v.is_sequence() || !v.first()) return reader.error(v, "a list of at least 1 item");
    reader.items(v, [&](View item) {
      if (const auto block = reader.cidr(item)) out.push_back(*block);
    });
  });
}

void read_path(Reader& reader, View at, model::AccessPath& out) {
  const auto good = [](std::string_view text) {
    return text.starts_with('/') && text.find_first_of("?#") == std::string_view::npos &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  };
  read_mapping(reader, at,
               field("type",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Prefix", "Exact"})) out.prefix = *found == 0;
                     }),
               required("value", "a path", [&](View v) {
                 read_text(reader, v, out.value, 1, 4096, good,
                           "a normalised path that begins with /, without a query");
               }));
}

void read_rule(Reader& reader, View at, model::AccessRule& out) {
  const auto is_method = [](std::string_view text) {
    return is_token(text) && std::ranges::none_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
  };
  read_mapping(reader, at,
               required("action", "Allow or Deny",
                        [&](View v) {
                          if (const auto found = reader.one_of(v, {"Allow", "Deny"})) out.allow = *found == 0;
                        }),
               names_field(reader, "groups", out.groups), names_field(reader, "consumers", out.consumers),
               field("methods",
                     [&](View v) {
                       read_list(reader, v, 1, 16, out.methods, [&](View item, std::string& one) {
                         read_text(reader, item, one, 1, 32, is_method, "a method in upper case");
                       });
                     }),
               field("paths",
                     [&](View v) {
                       read_list(reader, v, 1, 64, out.paths,
                                 [&](View item, model::AccessPath& one) { read_path(reader, item, one); });
                     }),
               field("claims", [&](View v) { read_required_claims(reader, v, out.claims); }),
               names_field(reader, "scopes", out.scopes), blocks_field(reader, "addresses", out.addresses),
               field("authenticated", [&](View v) { reader.read(v, out.authenticated.emplace()); }));
}

}  // namespace

void read_addresses(Reader& reader, View at, model::AddressRules& out) {
  read_mapping(reader, at, blocks_field(reader, "allow", out.allow), blocks_field(reader, "deny", out.deny),
               field("refusal", [&](View v) {
                 read_mapping(reader, v, field("status", [&](View n) { read_number(reader, n, 400, 599, out.status); }),
                              field("detail", [&](View n) { read_text(reader, n, out.detail, 1, 1024); }));
               }));
  if (at.is_mapping() && !at.find("allow") && !at.find("deny")) reader.missing(at, "allow", "allow or deny, or both");
}

void read_user_agents(Reader& reader, View at, model::UserAgentRules& out) {
  const auto expressions = [&](std::string_view name, std::vector<std::string>& into) {
    return field(name, [&](View v) {
      read_list(reader, v, 1, 256, into, [&](View item, std::string& one) {
        read_text(reader, item, one, 1, 4096);
        check_regex(reader, item);
      });
    });
  };
  read_mapping(reader, at, expressions("allow", out.allow), expressions("deny", out.deny), field("bots", [&](View v) {
                 if (const auto found = reader.one_of(v, {"Allow", "Deny"})) out.deny_bots = *found == 1;
               }));
  if (at.is_mapping() && out.deny.empty() && !out.deny_bots && !at.find("deny"))
    reader.missing(at, "deny", "deny, or bots: Deny, or both");
}

void read_request_size(Reader& reader, View at, model::RequestSize& out) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  constexpr std::uint64_t kMostBuffered = std::uint64_t{64} << 20;
  read_mapping(
      reader, at,
      required("maxBytes", "a number of bytes", [&](View v) { read_number(reader, v, 0, kMost, out.max_bytes); }),
      field("streamed",
            [&](View v) {
              if (const auto found = reader.one_of(v, {"Buffer", "Refuse", "Pass"}))
                out.streamed = static_cast<model::RequestSize::Streamed>(*found);
            }),
      bool_field(reader, "requireLength", out.require_length));
  if (out.streamed == model::RequestSize::Streamed::kBuffer && out.max_bytes > kMostBuffered && at.is_mapping())
    reader.error(at.find("maxBytes"), "at most 67108864, or streamed: Refuse or Pass: bodies are held in memory");
}

void read_access(Reader& reader, View at, model::AccessRules& out) {
  read_mapping(reader, at,
               required("rules", "at least one rule",
                        [&](View v) {
                          read_list(reader, v, 1, 256, out.rules,
                                    [&](View item, model::AccessRule& one) { read_rule(reader, item, one); });
                        }),
               field("otherwise",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Deny", "Allow"})) out.otherwise_allow = *found == 1;
                     }),
               field("unknownCallers",
                     [&](View v) {
                       if (const auto found = reader.one_of(v, {"Forbid", "Challenge"})) out.challenges = *found == 1;
                     }),
               bool_field(reader, "hideGroups", out.hides_groups));
}

}  // namespace fairlead::config
