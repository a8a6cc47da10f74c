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
