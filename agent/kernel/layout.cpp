// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/layout.hpp"

#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "agent/kernel/info.hpp"

namespace fairlead::kernel {
namespace {

struct BtfDeleter {
  void operator()(btf* types) const { btf__free(types); }
};

struct Member {
  std::string name;
  std::uint32_t bit;
  std::int64_t size;
  bool operator==(const Member&) const = default;
};

enum class Part : std::uint8_t { kKey, kValue };

/// Empty where there is no BTF. What is no struct has one member, without a name.
std::vector<Member> members_of(int map, Part part = Part::kValue) {
  const auto info = info_of<bpf_map_info>(map);
  if (!info || info->btf_id == 0) return {};
  const std::unique_ptr<btf, BtfDeleter> types(btf__load_from_kernel_by_id(info->btf_id));
  const auto id = part == Part::kKey ? info->btf_key_type_id : info->btf_value_type_id;
  const btf_type* type = types ? btf__type_by_id(types.get(), id) : nullptr;
  if (type == nullptr) return {};
  std::vector<Member> members;
  if (!btf_is_struct(type)) return {{"", 0, btf__resolve_size(types.get(), id)}};
  const btf_member* member = btf_members(type);
  for (std::uint32_t i = 0; i < btf_vlen(type); ++i)
    members.push_back({btf__name_by_offset(types.get(), member[i].name_off), btf_member_bit_offset(type, i),
                       btf__resolve_size(types.get(), member[i].type)});
  return members;
}

}  // namespace

bool same_values(int map, int other) {
  const auto members = members_of(map);
  return !members.empty() && members == members_of(other);
}

bool same_rows(int map, int other) {
  const auto keys = members_of(map, Part::kKey);
  return !keys.empty() && keys == members_of(other, Part::kKey) && same_values(map, other);
}

Result<> write_member(int map, const std::string& member, std::uint32_t value) {
  const auto info = info_of<bpf_map_info>(map);
  const auto members = members_of(map);
  const auto found = std::ranges::find(members, member, &Member::name);
  if (!info || found == members.end() || found->size != sizeof value ||
      found->bit / 8 + sizeof value > info->value_size)
    return fail("the map's type has no 32-bit member " + member, ENOENT);
  std::vector<std::byte> row(info->value_size);
  const std::uint32_t zero = 0;
  if (bpf_map_lookup_elem(map, &zero, row.data()) != 0) return fail(system_error("reading " + member, errno));
  std::memcpy(row.data() + found->bit / 8, &value, sizeof value);
  if (bpf_map_update_elem(map, &zero, row.data(), BPF_EXIST) != 0)
    return fail(system_error("writing " + member, errno));
  return {};
}

}  // namespace fairlead::kernel
