/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 1: addresses between the kernel's contexts and struct fl_addr. */
#ifndef FAIRLEAD_BPF_TUPLE_H
#define FAIRLEAD_BPF_TUPLE_H

#include "base.h"
#include "fairlead/abi/address.h"

#define FL_AF_INET 2
#define FL_AF_INET6 10

FL_INLINE void addr_from_v4(struct fl_addr *addr, __be32 v4)
{
	addr->word[0] = 0;
	addr->word[1] = 0;
	addr->word[2] = bpf_htonl(0xffff);
	addr->word[3] = v4;
}

FL_INLINE int addr_is_v4(const struct fl_addr *addr)
{
	return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == bpf_htonl(0xffff);
}

/* Both families' fields are read on every path, volatile: the compiler would else join the branches to one load by a
 * computed pointer, which the verifier refuses for a context. */
#define FL_CTX_ADDR(addr, ctx, ip4, ip6)                                                                               \
	do {                                                                                                           \
		const __be32 v4 = FL_READ((ctx)->ip4);                                                                 \
		const __be32 w0 = FL_READ((ctx)->ip6[0]), w1 = FL_READ((ctx)->ip6[1]);                                 \
		const __be32 w2 = FL_READ((ctx)->ip6[2]), w3 = FL_READ((ctx)->ip6[3]);                                 \
		const int is_v4 = (ctx)->family == FL_AF_INET;                                                         \
		(addr)->word[0] = is_v4 ? 0 : w0;                                                                      \
		(addr)->word[1] = is_v4 ? 0 : w1;                                                                      \
		(addr)->word[2] = is_v4 ? bpf_htonl(0xffff) : w2;                                                      \
		(addr)->word[3] = is_v4 ? v4 : w3;                                                                     \
	} while (0)

/* Loopback, or no address at all, which the kernel takes for loopback: a pod's talk with itself. */
FL_INLINE int addr_is_own(const struct fl_addr *addr)
{
	if (addr_is_v4(addr))
		return (bpf_ntohl(addr->word[3]) >> 24) == 127 || addr->word[3] == 0;
	return addr->word[0] == 0 && addr->word[1] == 0 && addr->word[2] == 0 &&
	       (addr->word[3] == 0 || addr->word[3] == bpf_htonl(1));
}

/* Where the program's caller wants to go. user_ip6 is valid for the IPv6 hooks only. */
FL_INLINE void addr_from_ctx(struct fl_addr *addr, struct bpf_sock_addr *ctx, int v6)
{
	if (!v6) {
		addr_from_v4(addr, ctx->user_ip4);
		return;
	}
	addr->word[0] = ctx->user_ip6[0];
	addr->word[1] = ctx->user_ip6[1];
	addr->word[2] = ctx->user_ip6[2];
	addr->word[3] = ctx->user_ip6[3];
}

/* An IPv6 hook can take a v4-mapped address (the kernel checks ipv6_addr_v4mapped after the hook), an IPv4 hook
 * nothing but IPv4. */
FL_INLINE int addr_to_ctx(const struct fl_addr *addr, __be16 port, struct bpf_sock_addr *ctx, int v6)
{
	if (!v6) {
		if (!addr_is_v4(addr))
			return -1;
		ctx->user_ip4 = addr->word[3];
	} else {
		ctx->user_ip6[0] = addr->word[0];
		ctx->user_ip6[1] = addr->word[1];
		ctx->user_ip6[2] = addr->word[2];
		ctx->user_ip6[3] = addr->word[3];
	}
	ctx->user_port = port;
	return 0;
}

#endif
