// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel/foresee.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdint>
#include <iterator>

#include "fairlead/base/fd.hpp"
#include "fairlead/base/result.hpp"

namespace fairlead::kernel {
namespace {

/// Kernel functions that a program is nothing without. They stand in no section's name. An iter/tcp without that
/// function holds the spin lock that adding to a sockhash takes.
constexpr struct {
  const char* program;
  const char* function;
} kNeeds[] = {{"fl_end_tcp", "bpf_sock_destroy"},  // kernel 6.5
              {"fl_end_udp", "bpf_sock_destroy"},
              {"fl_redir_join_tcp", "bpf_sock_destroy"}};

/// `return 0`
constexpr bpf_insn kNothing[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
    {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};

}  // namespace

struct Foresight::Types {
  btf* known = btf__load_vmlinux_btf();
  Types() = default;
  ~Types() { btf__free(known); }
  Types(const Types&) = delete;
  Types& operator=(const Types&) = delete;

  [[nodiscard]] std::int32_t find(const std::string& name, std::uint32_t kind) const {
    return btf__find_by_name_kind(known, name.c_str(), kind);
  }
};

Foresight::Foresight(bool without_storage) : types_(std::make_unique<Types>()), without_storage_(without_storage) {}
Foresight::~Foresight() = default;

std::string Foresight::function_refusal(const bpf_program* program, const std::string& target) const {
  const auto id = types_->find(target, BTF_KIND_FUNC);
  if (id < 0) return "the kernel has no function " + target;
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = bpf_program__expected_attach_type(program),
              .attach_btf_id = static_cast<std::uint32_t>(id));
  const Fd loaded(bpf_prog_load(bpf_program__type(program), nullptr, "GPL", kNothing, std::size(kNothing), &options));
  return loaded ? std::string() : system_error("the kernel traces no " + target, errno).message;
}

std::string Foresight::storage_refusal(const bpf_program* program) const {
  if (without_storage_) return "no program is to walk over socket storages";
  const auto refusal = function_refusal(program, "bpf_iter_bpf_sk_storage_map");
  return refusal.empty() ? refusal : "no program may walk over socket storages here: " + refusal;
}

std::string Foresight::refusal(const bpf_program* program) const {
  if (types_->known == nullptr) return {};
  const std::string name = bpf_program__name(program);
  for (const auto& need : kNeeds)
    if (name == need.program && types_->find(need.function, BTF_KIND_FUNC) < 0)
      return std::string("the kernel has no function ") + need.function;
  const std::string section = bpf_program__section_name(program);
  const std::string target = section.substr(section.find('/') + 1);
  switch (bpf_program__expected_attach_type(program)) {
    case BPF_TRACE_RAW_TP:
      return types_->find("btf_trace_" + target, BTF_KIND_TYPEDEF) < 0 ? "the kernel has no tracepoint " + target
                                                                       : std::string();
    case BPF_TRACE_FENTRY:
    case BPF_TRACE_FEXIT:
    case BPF_MODIFY_RETURN: return function_refusal(program, target);
    case BPF_TRACE_ITER: return target == "bpf_sk_storage_map" ? storage_refusal(program) : std::string();
    default: return {};
  }
}

}  // namespace fairlead::kernel
