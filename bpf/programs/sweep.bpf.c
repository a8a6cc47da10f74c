// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Walks over every socket of ours, in all network namespaces; run by the agent, which reads what they write.
#include "lib/sweep.h"

// All of them, as they are.
SEC("iter/bpf_sk_storage_map")
int fl_sweep_list(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = sweep_sock(ctx);
	struct fl_sock *sock = ctx->value;

	if (sk && sock)
		sweep_tell(ctx->meta, sk, sock);
	return 0;
}

// Marks what has to end, and names it.
SEC("iter/bpf_sk_storage_map")
int fl_sweep_doom(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = sweep_sock(ctx);
	struct fl_sock *sock = ctx->value;
	__u8 reason;

	if (!sk || !sock || !sweep_endable(sk, sock))
		return 0;
	reason = sweep_reason(sk, sock);
	if (reason == FL_R_NONE)
		return 0;
	sock->doom_reason = reason;
	// Atomic, as the socket's own programs may clear other flags now. They do not write atomically: a mark that is
	// lost that way is set again by the next sweep.
	__sync_fetch_and_or(&sock->flags, FL_SOCK_DOOMED);
	sweep_tell(ctx->meta, sk, sock);
	return 0;
}

// Counts them by service and backend, as they are counted in fl_svc_state and fl_be_state. It writes no output, so that
// one read() is the whole walk: what a walk that stops finds again depends on what came and went meanwhile.
SEC("iter/bpf_sk_storage_map")
int fl_sweep_count(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = sweep_sock(ctx);
	struct fl_sock *sock = ctx->value;
	__u32 flags;

	if (!sk || !sock || !sock->service_id)
		return 0;
	sweep_settle(sk, sock);
	flags = sock->flags & (FL_SOCK_ACTIVE | FL_SOCK_PENDING);
	if (!flags)
		return 0;
	recount_add(FL_RECOUNT_SERVICE, sock->service_state, sock->service_generation, flags);
	recount_add(FL_RECOUNT_BACKEND, sock->backend_id, sock->backend_generation, flags);
	return 0;
}
