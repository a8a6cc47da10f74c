/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 0, native builds only: what the kernel gives to programs, as functions of the test that links them. Maps are
 * known by the addresses of their definitions in maps.h. */
#ifndef FAIRLEAD_BPF_NATIVE_H
#define FAIRLEAD_BPF_NATIVE_H

#include <linux/types.h>

#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))

/* libbpf has functions of the helpers' names. */
#define bpf_map_lookup_elem native_map_lookup
#define bpf_map_update_elem native_map_update
#define bpf_ktime_get_ns native_ktime_get_ns
#define bpf_get_prandom_u32 native_get_prandom_u32
#define bpf_loop native_loop

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
__u64 bpf_ktime_get_ns(void);
__u32 bpf_get_prandom_u32(void);
long bpf_loop(__u32 count, void *step, void *context, __u64 flags);

#endif
