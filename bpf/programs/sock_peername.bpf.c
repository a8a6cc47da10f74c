// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// getpeername(2): the client keeps seeing the service's address.
#include "lib/service.h"
#include "lib/tuple.h"

FL_INLINE int peername_restore(struct bpf_sock_addr *ctx, int v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_sock *sock = sk ? bpf_sk_storage_get(&fl_socks, sk, 0, 0) : 0;

	if (sock && sock->service_id && (sock->flags & FL_SOCK_CLIENT))
		addr_to_ctx(&sock->service_addr, sock->service_port, ctx, v6);
	return 1;
}

SEC("cgroup/getpeername4")
int fl_peername4(struct bpf_sock_addr *ctx)
{
	return peername_restore(ctx, 0);
}

SEC("cgroup/getpeername6")
int fl_peername6(struct bpf_sock_addr *ctx)
{
	return peername_restore(ctx, 1);
}
