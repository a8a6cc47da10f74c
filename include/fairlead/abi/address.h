/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Addresses as the kernel half and the agent exchange them. */
#ifndef FAIRLEAD_ABI_ADDRESS_H
#define FAIRLEAD_ABI_ADDRESS_H

#include <linux/types.h>

/* Fails the build where a struct's size differs between the BPF target, C and C++. */
#ifdef __cplusplus
#define FL_ABI_SIZE(type, bytes) static_assert(sizeof(type) == (bytes), "ABI size of " #type)
#else
#define FL_ABI_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "ABI size of " #type)
#endif

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that one map serves both families.
 * Network byte order. Four words, because bpf_sock_addr allows only 4-byte access to its IPv6 fields. */
struct fl_addr {
	__be32 word[4];
};
FL_ABI_SIZE(struct fl_addr, 16);

/* Transport protocols, as IPPROTO_*. */
enum {
	FL_TCP = 6,
	FL_UDP = 17,
};

#endif
