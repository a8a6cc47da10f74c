/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: connectionPool.tcp.connectTimeout. The kernel has no time limit of its own for connect; TCP_USER_TIMEOUT ends
 * unanswered SYNs too (tcp_clamp_rto_to_user_timeout), at the earliest when the first SYN is due again: one second, or
 * earlier where the sockops program says so. It is taken off once the connection stands, since it would then limit
 * unacknowledged data. */
#ifndef FAIRLEAD_BPF_TIMEOUT_H
#define FAIRLEAD_BPF_TIMEOUT_H

#include "kernel_types.h"
#include "service.h"

#define FL_SOL_TCP 6
#define FL_TCP_USER_TIMEOUT 18

/* In connect hooks; 1: the socket is under our limit. One that the application set itself stands. */
static __noinline int timeout_begin(struct bpf_sock_addr *ctx, __u32 milliseconds)
{
	__u32 own = 0;

	if (bpf_getsockopt(ctx, FL_SOL_TCP, FL_TCP_USER_TIMEOUT, &own, sizeof(own)) || own)
		return 0;
	return !bpf_setsockopt(ctx, FL_SOL_TCP, FL_TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
}

/* Before the socket connects again: an attempt that failed leaves our limit behind. */
static __noinline void timeout_forget(struct bpf_sock_addr *ctx)
{
	__u32 none = 0;

	bpf_setsockopt(ctx, FL_SOL_TCP, FL_TCP_USER_TIMEOUT, &none, sizeof(none));
}

/* When the first SYN is due again, in jiffies; 0: when the kernel says. */
FL_INLINE __u32 timeout_first(struct bpf_sock *sk, const struct fl_sock *sock)
{
	const struct fl_service *service = sock->flags & FL_SOCK_TIMED ? service_find(sock->service_id) : 0;
	const struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u64 jiffies;

	if (!service || !tcp || service->connect_timeout_ms >= 1000)
		return 0;
	/* Before a socket connects this is TCP_TIMEOUT_INIT: a second. */
	jiffies = (__u64)tcp->inet_conn.icsk_rto * service->connect_timeout_ms / 1000;
	return jiffies ? jiffies : 1;
}

/* Established. The application may have set its own meanwhile: that one stands. */
FL_INLINE void timeout_end(struct bpf_sock_ops *ops, struct fl_sock *sock)
{
	const struct fl_service *service;
	__u32 now = 0, none = 0;

	if (!(sock->flags & FL_SOCK_TIMED))
		return;
	sock->flags &= ~FL_SOCK_TIMED;
	service = service_find(sock->service_id);
	if (bpf_getsockopt(ops, FL_SOL_TCP, FL_TCP_USER_TIMEOUT, &now, sizeof(now)))
		return;
	/* Without the service's row (it was removed meanwhile) the limit is taken for ours. */
	if (!service || now == service->connect_timeout_ms)
		bpf_setsockopt(ops, FL_SOL_TCP, FL_TCP_USER_TIMEOUT, &none, sizeof(none));
}

#endif
