/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: what the sockops program makes of a TCP connection's life for series and events. */
#ifndef FAIRLEAD_BPF_TCP_LIFE_H
#define FAIRLEAD_BPF_TCP_LIFE_H

#include <bpf/bpf_core_read.h>

#include "account.h"

/* Kernel structs as far as they are read; the suffix is dropped by CO-RE. */
struct sock_common___fl {
	unsigned long skc_flags;
} __attribute__((preserve_access_index));

struct sk_buff___fl {
	char cb[48];
} __attribute__((preserve_access_index));

struct sk_buff_head___fl {
	struct sk_buff___fl *next;
	__u32 qlen;
} __attribute__((preserve_access_index));

struct sock___fl {
	struct sock_common___fl __sk_common;
	struct sk_buff_head___fl sk_error_queue;
	int sk_err;
	int sk_err_soft;
} __attribute__((preserve_access_index));

struct sock_extended_err___fl {
	__u32 ee_errno;
} __attribute__((preserve_access_index));

/* What skb->cb holds in an error queue. */
struct sock_exterr_skb___fl {
	struct sock_extended_err___fl ee;
} __attribute__((preserve_access_index));

enum {
	FL_SK_DEAD = 1 << 0, /* SOCK_DEAD: no program has it open any more */
	FL_SK_DONE = 1 << 1, /* SOCK_DONE of enum sock_flags: the peer's FIN has come (set by tcp_fin() alone) */
};

/* errno of <asm-generic/errno.h>, the same on every architecture that BPF runs on. */
enum {
	FL_EPIPE = 32,
	FL_ENETDOWN = 100,
	FL_ENETUNREACH = 101,
	FL_ECONNRESET = 104,
	FL_ETIMEDOUT = 110,
	FL_E_REFUSED = 111,
	FL_EHOSTDOWN = 112,
	FL_EHOSTUNREACH = 113,
};

FL_INLINE void addr_local(struct fl_addr *addr, struct bpf_sock_ops *ops)
{
	FL_CTX_ADDR(addr, ops, local_ip4, local_ip6);
}

FL_INLINE void addr_remote(struct fl_addr *addr, struct bpf_sock_ops *ops)
{
	FL_CTX_ADDR(addr, ops, remote_ip4, remote_ip6);
}

/* ops->local_port is in host order, ops->remote_port in network order in the upper half (lower on big endian). */
FL_INLINE __be16 port_local(struct bpf_sock_ops *ops)
{
	return bpf_htons(ops->local_port);
}

FL_INLINE __be16 port_remote(struct bpf_sock_ops *ops)
{
	return bpf_htons(bpf_ntohl(ops->remote_port));
}

FL_INLINE void ends_of(struct flow_ends *ends, struct bpf_sock_ops *ops, const struct fl_sock *sock)
{
	if (sock->flags & FL_SOCK_SERVER) {
		addr_remote(&ends->source, ops);
		addr_local(&ends->destination, ops);
		ends->source_port = port_remote(ops);
		ends->destination_port = port_local(ops);
	} else {
		addr_local(&ends->source, ops);
		addr_remote(&ends->destination, ops);
		ends->source_port = port_local(ops);
		ends->destination_port = port_remote(ops);
	}
}

/* ICMP's word on a connect that the application then gave up, as event-driven ones do: they see POLLERR, and reading
 * SO_ERROR takes sk_err_soft away; the error queue (where the kernel uses it for connects) still has it. */
FL_INLINE __u32 icmp_error_of(const struct sock___fl *kernel)
{
	const struct sk_buff___fl *skb = kernel->sk_error_queue.next;
	__u32 error = kernel->sk_err_soft;

	if (!error && kernel->sk_error_queue.qlen)
		bpf_probe_read_kernel(&error, sizeof(error),
				      (const char *)skb + bpf_core_field_offset(struct sk_buff___fl, cb) +
					      bpf_core_field_offset(struct sock_exterr_skb___fl, ee.ee_errno));
	return error;
}

FL_INLINE __u8 reason_of(const struct fl_sock *sock, __u32 error)
{
	if (sock->flags & FL_SOCK_DOOMED)
		return sock->doom_reason;
	switch (error) {
	case 0:
		return sock->established_ns ? FL_R_NONE : FL_R_ABORTED;
	case FL_E_REFUSED:
		return FL_R_REFUSED;
	case FL_ETIMEDOUT:
		return FL_R_TIMEOUT;
	case FL_ENETDOWN:
	case FL_ENETUNREACH:
	case FL_EHOSTDOWN:
	case FL_EHOSTUNREACH:
		return FL_R_UNREACHABLE;
	case FL_ECONNRESET:
	case FL_EPIPE: /* a reset after the peer's FIN */
		return FL_R_RESET;
	default:
		return FL_R_OTHER;
	}
}

/* TCP's counts include SYN and FIN, one byte each; these are taken off. `state` is the one before CLOSE. */
FL_INLINE void totals_of(struct flow_totals *totals, struct bpf_sock_ops *ops, const struct fl_sock *sock,
			 unsigned long sk_flags, __u32 state)
{
	const int all_acked = ops->snd_una == ops->snd_nxt;
	const int fin_acked = state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_TIME_WAIT ||
			      (all_acked && (state == BPF_TCP_LAST_ACK || state == BPF_TCP_CLOSING));
	/* A client's SYN is acknowledged through tcp_ack(), a server's SYN-ACK before its socket is born. */
	const __u64 not_sent = (sock->flags & FL_SOCK_CLIENT ? 1 : 0) + fin_acked;
	const __u64 not_received = sk_flags & FL_SK_DONE ? 1 : 0;

	totals->sent = ops->bytes_acked > not_sent ? ops->bytes_acked - not_sent : 0;
	totals->received = ops->bytes_received > not_received ? ops->bytes_received - not_received : 0;
	totals->retransmissions = ops->total_retrans;
	totals->srtt_us = ops->srtt_us >> 3;
}

FL_INLINE void life_event(struct bpf_sock_ops *ops, const struct fl_sock *sock, const struct flow_ends *ends,
			  const struct flow_totals *totals, __u8 type, __u8 reason)
{
	struct fl_event *event = event_of(sock, ends, type, reason);

	if (!event)
		return;
	event->socket_cookie = bpf_get_socket_cookie(ops);
	event->sent_bytes = sock->counted_sent;
	event->received_bytes = sock->counted_received;
	event->srtt_us = totals->srtt_us;
	event->retransmissions = totals->retransmissions;
	event_submit(event);
}

/* Established, either end: told at once where somebody follows. */
FL_INLINE void life_opened(struct bpf_sock_ops *ops, struct fl_sock *sock)
{
	const struct fl_settings *set = settings();
	struct flow_totals none = {};
	struct flow_ends ends = {};

	if (!set || !set->events || !set->open_events)
		return;
	ends_of(&ends, ops, sock);
	flow_name(sock, &ends.source);
	life_event(ops, sock, &ends, &none, FL_EVENT_OPEN, FL_R_NONE);
}

/* The server's end: remembered from here on. Null where it is not wanted. */
FL_INLINE struct fl_sock *life_accepted(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	const struct fl_settings *set = settings();
	struct fl_addr remote = {};
	struct fl_sock *sock;

	if (!set || (!flow_wanted(set) && !set->policy))
		return 0;
	addr_remote(&remote, ops);
	if (addr_is_own(&remote)) /* a pod's talk with itself is no traffic between workloads */
		return 0;
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sock) {
		count(FL_C_STORAGE_FULL);
		return 0;
	}
	sock->flags = FL_SOCK_SERVER | FL_SOCK_ESTABLISHED;
	sock->proto = FL_TCP;
	addr_local(&sock->backend_addr, ops);
	sock->backend_port = port_local(ops);
	sock->netns_cookie = bpf_get_netns_cookie(ops);
	sock->start_ns = sock->established_ns = bpf_ktime_get_ns();
	return sock;
}

/* The end of a connection, or of an attempt; gives the reason. */
FL_INLINE __u8 life_closed(struct bpf_sock_ops *ops, struct bpf_sock *sk, struct fl_sock *sock, __u32 state)
{
	const struct fl_settings *set = settings();
	const struct sock___fl *kernel = (const void *)bpf_skc_to_tcp_sock(sk);
	struct flow_totals totals = {};
	struct flow_ends ends = {};
	struct flow_rows rows;
	__u8 reason;

	if (!kernel || (sock->flags & FL_SOCK_CLOSED))
		return FL_R_NONE;
	sock->flags |= FL_SOCK_CLOSED;
	reason = reason_of(sock, kernel->sk_err || sock->established_ns ? kernel->sk_err : icmp_error_of(kernel));
	if (!flow_wanted(set))
		return reason;
	ends_of(&ends, ops, sock);
	flow_name(sock, &ends.source);
	rows = rows_of(sock, &ends.source);
	if (!sock->established_ns) {
		rows_fail(&rows, reason);
	} else {
		totals_of(&totals, ops, sock, kernel->__sk_common.skc_flags, state);
		rows_add(&rows, sock, &totals);
		rows_close(&rows, reason);
	}
	if (set->events)
		life_event(ops, sock, &ends, &totals, sock->established_ns ? FL_EVENT_CLOSE : FL_EVENT_FAIL, reason);
	return reason;
}

#endif
