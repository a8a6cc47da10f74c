// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Walks over every socket of ours; run by the agent, which reads what they write.
#include "lib/sweep.h"

// All of them, as they are.
FL_WALK(fl_sweep_list, fl_socks, struct fl_sock, sweep_tell)

// Marks what has to end, and names it.
FL_INLINE void sweep_doom(struct bpf_iter_meta *meta, struct sock *sk, struct fl_sock *sock)
{
	const __u8 reason = sweep_endable(sk, sock) ? sweep_reason(sk, sock) : FL_R_NONE;

	if (reason == FL_R_NONE)
		return;
	sock->doom_reason = reason;
	// Atomic, as the socket's own programs may clear other flags now. They do not write atomically: a mark that is
	// lost that way is set again by the next sweep.
	__sync_fetch_and_or(&sock->flags, FL_SOCK_DOOMED);
	sweep_tell(meta, sk, sock);
}
FL_WALK(fl_sweep_doom, fl_socks, struct fl_sock, sweep_doom)

// Counts them by service and backend, as they are counted in fl_svc_state and fl_be_state. It writes no output, so that
// one read() is the whole walk (of a namespace, where it goes by these): what a walk that stops finds again depends on
// what came and went meanwhile.
FL_INLINE void sweep_count(struct bpf_iter_meta *meta, struct sock *sk, struct fl_sock *sock)
{
	__u32 flags;

	if (!sock->service_id)
		return;
	sweep_settle(sk, sock);
	flags = sock->flags & (FL_SOCK_ACTIVE | FL_SOCK_PENDING);
	if (!flags)
		return;
	recount_add(FL_RECOUNT_SERVICE, sock->service_state, sock->service_generation, flags);
	recount_add(FL_RECOUNT_BACKEND, sock->backend_id, sock->backend_generation, flags);
}
FL_WALK(fl_sweep_count, fl_socks, struct fl_sock, sweep_count)
