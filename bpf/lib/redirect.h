/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 6: same-node redirection. How two ends find each other, who may take part, and what one message does; the rules
 * for one direction are in fairlead/abi/redirect.h. */
#ifndef FAIRLEAD_BPF_REDIRECT_H
#define FAIRLEAD_BPF_REDIRECT_H

#include <bpf/bpf_core_read.h>

#include "identity.h"
#include "kernel_types.h"
#include "metric.h"
#include "tcp_life.h"
#include "tuple.h"

#define FL_MSG_OOB 0x1
#define FL_MSG_TRUNC 0x20
#define FL_MSG_DONTWAIT 0x40
#define FL_MSG_ZEROCOPY 0x4000000

#define FL_EAGAIN 11
#define FL_EINVAL 22
#define FL_MAY_READ 4
#define FL_NR_SPLICE 275
#define FL_EOPNOTSUPP 95

FL_INLINE struct fl_redir_dir *redir_dir(__u64 cookie)
{
	return bpf_map_lookup_elem(&fl_redir_dirs, &cookie);
}

FL_INLINE int redir_is_on(void)
{
	const struct fl_settings *set = settings();

	return set && set->redirect != FL_REDIRECT_OFF;
}

/* ---- establishing ---- */

FL_INLINE void redir_key(struct bpf_sock_ops *ops, struct fl_redir_key *key)
{
	addr_local(&key->local, ops);
	addr_remote(&key->remote, ops);
	key->local_port = ops->local_port;
	key->remote_port = bpf_ntohl(ops->remote_port);
	key->snd_nxt = ops->snd_nxt;
	key->rcv_nxt = ops->rcv_nxt;
}

FL_INLINE int redir_opted_in(const struct fl_addr *addr)
{
	const struct fl_workload *workload = workload_find(addr);

	return workload && (workload->flags & FL_WORKLOAD_REDIRECT);
}

FL_INLINE int redir_wanted(const struct fl_redir_key *key)
{
	const struct fl_settings *set = settings();
	__u32 mode = set ? set->redirect : FL_REDIRECT_OFF;

	if (mode == FL_REDIRECT_ALL)
		return 1;
	return mode == FL_REDIRECT_OPTED_IN && redir_opted_in(&key->local) && redir_opted_in(&key->remote);
}

FL_INLINE int redir_pair(__u64 own, __u64 peer)
{
	struct fl_redir_dir dir = {.peer = peer};

	if (bpf_map_update_elem(&fl_redir_dirs, &own, &dir, BPF_ANY))
		return 0;
	dir.peer = own;
	return bpf_map_update_elem(&fl_redir_dirs, &peer, &dir, BPF_ANY) == 0;
}

/* Each end leaves its key; whoever comes second finds the first. That of a connection to elsewhere stays until it is
 * closed; one that leads back to its own socket is its own peer, and is left alone. */
FL_INLINE void redir_established(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct fl_redir_key key = {}, peer_key = {};
	struct fl_redir_end *end;
	struct fl_sock *sock;
	__u64 own, *peer;

	if (!redir_is_on())
		return;
	redir_key(ops, &key);
	if (!redir_wanted(&key))
		return;
	own = bpf_get_socket_cookie(ops);
	fl_redir_peer(&key, &peer_key);
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end) {
		count(FL_C_STORAGE_FULL);
		return;
	}
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (sock)
		sock->flags |= FL_SOCK_REDIRECT;
	end->own = own;
	end->peer = 0;
	end->open = 1;
	end->first_seq = key.snd_nxt;
	end->first_read = key.rcv_nxt;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	peer = bpf_map_lookup_elem(&fl_redir_ends, &peer_key);
	if (!peer) {
		bpf_map_update_elem(&fl_redir_ends, &key, &own, BPF_ANY);
		return;
	}
	end->peer = *peer;
	if (redir_pair(own, *peer))
		count(FL_C_REDIRECT_PAIRED);
	bpf_map_delete_elem(&fl_redir_ends, &peer_key);
}

/* An end that closes, and of which fl_redir_dirs has no row: its peer did not come, or a row was lost to another. Which one,
 * an end knows that has seen its peer: the other one counts the more likely. */
FL_INLINE void redir_unpaired(struct bpf_sock_ops *ops, const struct fl_redir_end *end)
{
	struct fl_redir_key key = {};

	if (end->peer) {
		count(FL_C_REDIRECT_DIR_EVICTED);
		return;
	}
	redir_key(ops, &key);
	key.snd_nxt = end->first_seq;
	key.rcv_nxt = end->first_read;
	if (bpf_map_delete_elem(&fl_redir_ends, &key))
		count(FL_C_REDIRECT_END_EVICTED);
}

/* What went socket to socket so far, for the accounts of the connection: TCP's own counters miss it. */
FL_INLINE void redir_account(const struct fl_redir_end *end, struct fl_sock *sock)
{
	const struct fl_redir_dir *out = redir_dir(end->own), *in = out ? redir_dir(out->peer) : 0;

	if (out)
		sock->extra_sent = out->redirected;
	if (in)
		sock->extra_received = in->redirected;
}

/* TCP answers RST to a close with bytes unread, but knows of its own alone: the peer has seen FIN. */
FL_INLINE void redir_count_unread(struct bpf_sock *sk, const struct fl_redir_end *end, const struct fl_redir_dir *in)
{
	const struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);

	if (tcp && (tcp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & FL_SK_DEAD) &&
	    fl_redir_left(in->redirected, in->read, tcp->copied_seq - end->first_read))
		count(FL_C_REDIRECT_UNREAD_CLOSED);
}

/* A program that disconnects its socket, to use it again, must not find there what was sent to it before. All others
 * that come to CLOSE from these states have an error, and may still read. */
FL_INLINE void redir_disconnected(struct bpf_sock *sk, __u64 own, __u32 state)
{
	const struct tcp_sock *tcp;

	if (state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT)
		return;
	tcp = (void *)bpf_skc_to_tcp_sock(sk);
	if (tcp && !tcp->inet_conn.icsk_inet.sk.sk_err)
		bpf_map_delete_elem(&fl_redir_socks, &own);
}

/* The rows stay until both ends are closed, as each tells the other's account. state: the one before CLOSE. */
FL_INLINE void redir_closed(struct bpf_sock_ops *ops, struct bpf_sock *sk, __u32 state)
{
	struct fl_redir_end *end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	struct fl_redir_dir *out, *in;
	struct fl_sock *sock;
	__u64 own, peer;

	if (!end)
		return;
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (sock)
		redir_account(end, sock);
	own = end->own;
	out = redir_dir(own);
	if (!out && end->open)
		redir_unpaired(ops, end);
	end->open = 0;
	if (!out)
		return;
	out->closed = 1;
	if (out->ends & FL_REDIR_SENDER_IN)
		redir_disconnected(sk, own, state);
	peer = out->peer;
	in = redir_dir(peer);
	if (in && in->redirected)
		redir_count_unread(sk, end, in);
	if (in && !in->closed)
		return;
	bpf_map_delete_elem(&fl_redir_dirs, &own);
	bpf_map_delete_elem(&fl_redir_dirs, &peer);
}

/* ---- excluding ---- */

/* Asks the agent to walk: to add both ends, or to take them out. */
FL_INLINE void redir_ask(__u64 own)
{
	bpf_ringbuf_output(&fl_redir_wishes, &own, sizeof(own), 0);
}

/* Both directions of a connection, for good. */
FL_INLINE void redir_exclude(__u64 one, __u64 other, __u32 reason)
{
	struct fl_redir_dir *dir = redir_dir(one);

	if (dir && !dir->excluded) {
		dir->excluded = reason;
		count(reason);
		if (dir->ends)
			redir_ask(one);
	}
	dir = redir_dir(other);
	if (dir)
		dir->excluded = reason;
}

/* The peer's cookie, known to the first end only through the row that the second made. */
FL_INLINE __u64 redir_peer_of(struct fl_redir_end *end)
{
	struct fl_redir_dir *dir;

	if (!end->peer) {
		dir = redir_dir(end->own);
		if (dir)
			end->peer = dir->peer;
	}
	return end->peer;
}

FL_INLINE void redir_exclude_end(struct fl_redir_end *end, __u32 reason)
{
	__u64 peer = redir_peer_of(end);

	if (peer)
		redir_exclude(end->own, peer, reason);
}

/* SEND_ZC of an io_uring finds EOPNOTSUPP on a socket in a sockhash, and flags of its requests cannot be seen. */
FL_INLINE int redir_uses_uring(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	return task->io_uring || task->group_leader->io_uring;
}

/* Whether this kernel counts what was redirected itself. */
FL_INLINE int redir_inq_known(void)
{
	return bpf_core_field_exists(((struct sk_psock *)0)->msg_tot_len);
}

/* Where the kernel does not show what would go wrong, and "all" was not a choice of each program. */
FL_INLINE int redir_unguarded(void)
{
	const struct fl_settings *set = settings();
	__u32 lacking = set ? set->redirect_unguarded : 0;

	if (!set || set->redirect != FL_REDIRECT_ALL)
		return 0;
	return lacking != 0;
}

/* Why the calling process takes no part; 0: it may. */
FL_INLINE __u32 redir_program_unfit(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct fl_redir_comm key = {};
	const __u32 *why;

	if (redir_uses_uring())
		return FL_C_REDIRECT_EXCL_URING;
	bpf_probe_read_kernel(&key, sizeof(key), &task->group_leader->comm);
	why = bpf_map_lookup_elem(&fl_redir_comms, &key);
	if (!why)
		return redir_unguarded() ? FL_C_REDIRECT_EXCL_PROGRAM : 0;
	return *why == FL_REDIR_PROGRAM_KNOWN ? 0 : FL_C_REDIRECT_EXCL_SPLICE;
}

FL_INLINE void redir_remember_splicing(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct fl_redir_comm key = {};
	__u32 spliced = FL_REDIR_PROGRAM_SPLICES;

	bpf_probe_read_kernel(&key, sizeof(key), &task->group_leader->comm);
	if (bpf_map_update_elem(&fl_redir_comms, &key, &spliced, BPF_NOEXIST))
		bpf_map_update_elem(&fl_redir_comms, &key, &spliced, BPF_ANY);
	else
		count(FL_C_REDIRECT_COMM_ADDED);
}

/* Its reader took bytes past recv: never again for this connection, nor for others of its program. */
FL_INLINE void redir_spliced(struct sock *sk)
{
	struct fl_redir_end *end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);

	if (!end)
		return;
	redir_exclude_end(end, FL_C_REDIRECT_EXCL_SPLICE);
	redir_remember_splicing();
}

/* A splice that would find nothing, for ever, where poll says that there is something: bytes that were redirected
 * cannot be spliced. EINVAL is what relays take for "read instead". Bytes that were spliced before keep a direction
 * from being redirected, so that this is a relay's first splice, and every later one is answered the same. */
FL_INLINE int redir_splice_answer(struct socket *sock)
{
	struct fl_redir_dir *out = redir_dir(bpf_get_socket_cookie(sock->sk)), *in;
	__u64 own;

	in = out ? redir_dir(out->peer) : 0;
	if (!in)
		return 0;
	own = in->peer;
	redir_exclude(own, out->peer, FL_C_REDIRECT_EXCL_SPLICE);
	redir_remember_splicing();
	return in->redirected ? -FL_EINVAL : 0;
}

/* ---- reading ---- */

/* Readers of bulk gain nothing by it. */
FL_INLINE void redir_wish(struct fl_redir_dir *dir, __u64 own)
{
	if (dir->wished || dir->excluded || dir->read / dir->reads >= FL_REDIR_LARGE_BYTES)
		return;
	dir->wished = 1;
	redir_ask(own);
}

/* Why the direction that this call reads has to stay on TCP, or go back to it; 0: nothing is against it. */
FL_INLINE __u32 redir_reader_unfit(const struct fl_redir_dir *dir, int result, int flags)
{
	/* A blocking recv on a socket in a sockhash answers EAGAIN at every wake-up without data. */
	if (!(flags & FL_MSG_DONTWAIT))
		return result > 0 || dir->ends ? FL_C_REDIRECT_EXCL_BLOCKING : 0;
	if (result <= 0)
		return 0;
	/* Who peeks for more than a sign of life may wait for a number of bytes: a peek sees what was redirected, and not
	 * what TCP has behind it. */
	if (flags & (FL_MSG_OOB | FL_MSG_TRUNC | FL_MSG_PEEK))
		return FL_C_REDIRECT_EXCL_OPTION;
	if (dir->reads == FL_REDIR_BEGIN_READS - 1)
		return redir_program_unfit();
	return dir->ends && redir_uses_uring() ? FL_C_REDIRECT_EXCL_URING : 0;
}

/* After a recv call on any TCP socket: result and flags as the kernel saw them. */
FL_INLINE void redir_received(struct sock *sk, int result, int flags)
{
	struct fl_redir_end *end;
	struct fl_redir_dir *dir;
	__u32 unfit;

	if (flags & FL_MSG_ERRQUEUE || (flags & FL_MSG_PEEK && result < 2))
		return;
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	if (!end)
		return;
	dir = redir_dir(redir_peer_of(end));
	if (!dir)
		return;
	unfit = dir->excluded ? 0 : redir_reader_unfit(dir, result, flags);
	if (unfit)
		redir_exclude(end->own, end->peer, unfit);
	/* To the end: an end leaves the sockhash when all that was redirected to it is read. Several threads may read. */
	if (result <= 0 || (flags & (FL_MSG_OOB | FL_MSG_PEEK)))
		return;
	FL_ADD(&dir->read, result);
	FL_ADD(&dir->reads, 1);
	if (dir->reads >= FL_REDIR_BEGIN_READS)
		redir_wish(dir, end->own);
}

/* Bytes that were redirected to a socket and are not read; 0 too where that cannot be told. */
FL_INLINE __u32 redir_left(struct sock *sk, const struct fl_redir_end *end, const struct fl_redir_dir *in)
{
	const struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);
	__u64 read = FL_READ(in->read);

	asm volatile("" ::: "memory");
	return tcp ? fl_redir_left(FL_READ(in->redirected), read, tcp->copied_seq - end->first_read) : 0;
}

#define FL_SK_USER_DATA_PSOCK 4UL /* kernel 6.0 */
#define FL_FIONREAD 0x541B
/* More than this is never redirected and unread: the counts are wrong. */
#define FL_REDIR_LEFT_MOST (16 * 1024 * 1024)

/* Bytes in TCP's own queue, as tcp_inq() of the kernel counts them; the last is the peer's FIN once it has come. */
FL_INLINE __u32 redir_tcp_inq(struct sock *sk)
{
	const struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);
	__u32 bytes, urgent;

	if (!tcp)
		return 0;
	bytes = tcp->rcv_nxt - tcp->copied_seq;
	urgent = tcp->urg_seq - tcp->copied_seq;
	if (tcp->urg_data && urgent < bytes)
		return urgent;
	return bytes && (sk->__sk_common.skc_flags & FL_SK_DONE) ? bytes - 1 : bytes;
}

FL_INLINE int redir_is_in(const struct fl_redir_end *end)
{
	const struct fl_redir_dir *out = redir_dir(end->own);

	return out && (out->ends & FL_REDIR_SENDER_IN);
}

/* Bytes that were redirected to a socket and are not read: as the kernel counts them, where it does. */
FL_INLINE __u32 redir_psock_inq(struct sock *sk)
{
	const unsigned long word = (unsigned long)sk->sk_user_data;
	__u32 bytes = 0;

	if (word & FL_SK_USER_DATA_PSOCK)
		bpf_probe_read_kernel(&bytes, sizeof(bytes),
				      (void *)(word & ~7UL) + bpf_core_field_offset(((struct sk_psock *)0)->msg_tot_len));
	return bytes;
}

/* What FIONREAD should say of a socket that may be redirected to; 0: not known. */
FL_INLINE __u32 redir_inq(struct sock *sk)
{
	struct fl_redir_end *end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	struct fl_redir_dir *in = end ? redir_dir(redir_peer_of(end)) : 0;
	__u32 left;

	if (!in || !in->redirected)
		return 0;
	left = redir_inq_known() ? redir_psock_inq(sk) : redir_left(sk, end, in);
	return left > FL_REDIR_LEFT_MOST ? 0 : left + redir_tcp_inq(sk);
}

/* Of a socket in the sockhash some kernels count TCP's queue only, some the other only, some both. nginx, for one, waits
 * for another event when FIONREAD says that there is nothing more. */
FL_INLINE void redir_inq_correct(struct socket *sock, unsigned int command, void *answer, int result)
{
	__u32 all, bytes;

	if (command != FL_FIONREAD || result)
		return;
	all = redir_inq(sock->sk);
	if (!all || bpf_probe_read_user(&bytes, sizeof(bytes), answer) || bytes >= all)
		return;
	bpf_probe_write_user(answer, &all, sizeof(all));
}

#define FL_SOL_SOCKET 1
#define FL_SOL_TCP 6
#define FL_TCP_ULP 31
#define FL_SO_ZEROCOPY 60

FL_INLINE int redir_option_excludes(int level, int name)
{
	if (level == FL_SOL_TCP)
		return name == FL_TCP_ULP || name == 19 /* TCP_REPAIR */ || name == 36 /* TCP_INQ */;
	if (level != FL_SOL_SOCKET)
		return 0;
	switch (name) {
	case 10: /* SO_OOBINLINE */
	case 18: /* SO_RCVLOWAT */
	case 26: /* SO_ATTACH_FILTER */
	case 29: /* SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, then their 64-bit forms */
	case 35:
	case 37:
	case 63:
	case 64:
	case 65:
	case 42: /* SO_PEEK_OFF */
	case 47: /* SO_MAX_PACING_RATE */
	case 50: /* SO_ATTACH_BPF */
	case FL_SO_ZEROCOPY:
		return 1;
	}
	return 0;
}

/* Options that a socket cannot be given as long as it is in the sockhash. */
FL_INLINE int redir_option_waits(int level, int name)
{
	return (level == FL_SOL_SOCKET && name == FL_SO_ZEROCOPY) || (level == FL_SOL_TCP && name == FL_TCP_ULP);
}

#endif
