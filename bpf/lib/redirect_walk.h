/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 7: what a walk over all ends does: those that are ready join the sockhash, those that are excluded leave it. */
#ifndef FAIRLEAD_BPF_REDIRECT_WALK_H
#define FAIRLEAD_BPF_REDIRECT_WALK_H

#include "redirect.h"
#include "sweep.h"

#define FL_O_NONBLOCK 04000
#define FL_E2BIG 7
#define FL_ENOMEM 12
#define FL_REDIR_QUIET 10 /* walks */

FL_INLINE int redir_flag(const struct sock *sk, __u32 bit)
{
	return (sk->__sk_common.skc_flags >> bit) & 1;
}

/* Why a socket must not be in a sockhash; 0: it may. */
FL_INLINE __u32 redir_unfit(struct sock *sk, struct tcp_sock *tcp)
{
	const struct file *file = sk->sk_socket->file;

	if (!(file->f_flags & FL_O_NONBLOCK))
		return FL_C_REDIRECT_EXCL_BLOCKING;
	if (tcp->inet_conn.icsk_ulp_ops)
		return FL_C_REDIRECT_EXCL_ULP;
	if (redir_flag(sk, bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY)) ||
	    redir_flag(sk, bpf_core_enum_value(enum sock_flags, SOCK_RCVTSTAMP)) || sk->sk_rcvlowat > 1 ||
	    sk->sk_tsflags || sk->sk_filter || sk->sk_peek_off >= 0 || sk->sk_max_pacing_rate != ~0UL ||
	    BPF_CORE_READ_BITFIELD(tcp, repair) || BPF_CORE_READ_BITFIELD(tcp, recvmsg_inq))
		return FL_C_REDIRECT_EXCL_OPTION;
	return 0;
}

FL_INLINE void redir_add(struct sock *sk, struct fl_redir_dir *out, struct fl_redir_dir *in, __u64 own)
{
	struct fl_redir_end *end;
	long error;

	if (sk->__sk_common.skc_state != FL_TCP_ESTABLISHED) /* an end has shut its side: the kernel adds no such socket */
		return;
	error = bpf_map_update_elem(&fl_redir_socks, &own, sk, BPF_NOEXIST);
	if (error) {
		redir_exclude(own, out->peer,
			      error == -FL_E2BIG || error == -FL_ENOMEM ? FL_C_REDIRECT_FULL : FL_C_REDIRECT_EXCL_ULP);
		return;
	}
	/* The walk holds no reference: the socket may have ended, and its memory been given to another, before it was
	 * added. Nothing is sent to it before the bits below are set. */
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	if (!end || end->own != own) {
		bpf_map_delete_elem(&fl_redir_socks, &own);
		return;
	}
	__sync_fetch_and_or(&out->ends, FL_REDIR_SENDER_IN);
	__sync_fetch_and_or(&in->ends, FL_REDIR_RECEIVER_IN);
}

/* Whether nothing that was redirected waits in the socket's own queue. Pointer and flag share a word. */
FL_INLINE int redir_queue_empty(struct sock *sk)
{
	const unsigned long word = (unsigned long)sk->sk_user_data;
	const unsigned long head = (word & ~7UL) + bpf_core_field_offset(((struct sk_psock *)0)->ingress_msg);
	unsigned long next = 0;

	if (!(word & FL_SK_USER_DATA_PSOCK))
		return 1;
	return bpf_probe_read_kernel(&next, sizeof(next), (void *)head) == 0 && next == head;
}

/* recv with MSG_OOB would take what was redirected before for the urgent byte. EAGAIN says that it has not come yet, as
 * of TCP, where it may overtake what was sent before too: programs then read on. */
FL_INLINE int redir_urgent_answer(struct sock *sk)
{
	/* This hook may not look into socket storage. */
	if (!redir_dir(bpf_get_socket_cookie(sk)) || redir_queue_empty(sk))
		return 0;
	return -FL_EAGAIN;
}

/* Nothing that was redirected to the socket waits, or is on its way: a sender may have decided, and not delivered yet.
 * The counts know; where they are wrong (a reader that spliced, recv calls that nobody saw), time has to do. */
FL_INLINE int redir_all_read(struct sock *sk, const struct fl_redir_end *end, struct fl_redir_dir *out,
			     const struct fl_redir_dir *in)
{
	if (!redir_queue_empty(sk)) {
		out->quiet = 0;
		return 0;
	}
	return !in->redirected || !redir_left(sk, end, in) || ++out->quiet >= FL_REDIR_QUIET;
}

/* An end whose connection is excluded, or all of them when redirection is off, leaves the sockhash: the second walk, or a
 * later one, takes it out. What has a ULP meanwhile stays: the kernel restores the wrong functions then. */
FL_INLINE int redir_leave(struct sock *sk, struct tcp_sock *tcp, struct fl_redir_end *end, struct fl_redir_dir *out,
			  struct fl_redir_dir *in)
{
	__u64 own = end->own;

	if (out->place == FL_REDIR_TRIED) {
		out->place = FL_REDIR_LEAVING;
		return 1;
	}
	if (out->place != FL_REDIR_LEAVING)
		return 0;
	if (!redir_all_read(sk, end, out, in))
		return 1;
	out->place = FL_REDIR_LEFT;
	if (tcp->inet_conn.icsk_ulp_ops)
		return 0;
	__sync_fetch_and_and(&out->ends, ~FL_REDIR_SENDER_IN);
	__sync_fetch_and_and(&in->ends, ~FL_REDIR_RECEIVER_IN);
	if (bpf_map_delete_elem(&fl_redir_socks, &own) == 0)
		count(FL_C_REDIRECT_LEFT);
	return 0;
}

/* Whether an end has opted out since: its annotation is gone, or its pod's address is another's now. */
FL_INLINE int redir_opted_out(struct sock *sk)
{
	const struct fl_settings *set = settings();
	struct fl_addr local = {}, remote = {};

	if (!set || set->redirect != FL_REDIRECT_OPTED_IN)
		return 0;
	sweep_addresses(&sk->__sk_common, &local, &remote);
	return !redir_opted_in(&local) || !redir_opted_in(&remote);
}

FL_INLINE void redir_tell(struct bpf_iter_meta *meta, struct sock *sk, const struct fl_redir_end *end)
{
	const struct fl_sock unknown = {.proto = FL_TCP};

	sweep_tell(meta, sk, &unknown);
}

/* One socket of a walk. Whether another walk is needed for it. */
FL_INLINE int redir_walk(struct sock *sk, struct fl_redir_end *end)
{
	struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);
	struct fl_redir_dir *out = redir_dir(end->own), *in;
	__u32 unfit;

	in = out ? redir_dir(out->peer) : 0;
	if (!tcp)
		return 0;
	if (!in) /* pushed out of the map: told of, and left alone until it closes */
		return !redir_is_on() && !redir_queue_empty(sk);
	if (redir_opted_out(sk))
		redir_exclude(end->own, out->peer, FL_C_REDIRECT_EXCL_OPTED_OUT);
	if ((out->excluded | in->excluded) || !redir_is_on())
		return redir_leave(sk, tcp, end, out, in);
	if (!(out->wished | in->wished) || out->place > FL_REDIR_FIT)
		return 0;
	if (out->place == FL_REDIR_FIT && in->place >= FL_REDIR_FIT) {
		out->place = FL_REDIR_TRIED;
		redir_add(sk, out, in, end->own);
		return 0;
	}
	unfit = redir_unfit(sk, tcp);
	if (unfit)
		redir_exclude(end->own, out->peer, unfit);
	else
		out->place = FL_REDIR_FIT;
	return 0;
}

#endif
