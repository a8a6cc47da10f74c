// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The life of TCP connections: established, failed, closed.
#include "lib/flow.h"
#include "lib/outlier.h"
#include "lib/redirect.h"
#include "lib/tcp_life.h"
#include "lib/timeout.h"

FL_INLINE void ops_established(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	int callbacks;

	if (!sock)
		return;
	outlier_established(flow_established(sock));
	timeout_end(ops, sock);
	callbacks = outlier_callbacks(sock);
	if (callbacks)
		bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | callbacks);
	life_opened(ops, sock);
}

/* Before the first SYN. */
FL_INLINE void ops_first_timeout(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	const struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	const __u32 jiffies = sock ? timeout_first(sk, sock) : 0;

	if (jiffies)
		ops->reply = jiffies;
}

FL_INLINE void ops_measured(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);

	if (sock)
		outlier_watch(ops, sock);
}

FL_INLINE void ops_accepted(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct fl_sock *sock = life_accepted(ops, sk);

	if (!sock)
		return;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	life_opened(ops, sock);
}

FL_INLINE void ops_closed(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);

	if (!sock || (sock->flags & FL_SOCK_REDIRECT))
		redir_closed(ops, sk, ops->args[0]);
	if (!sock)
		return;
	outlier_closed(ops, sock, life_closed(ops, sk, sock, ops->args[0]));
	flow_uncount(sock, FL_SOCK_PENDING);
	flow_uncount(sock, FL_SOCK_ACTIVE);
}

SEC("sockops")
int fl_sock_ops(struct bpf_sock_ops *ops)
{
	const __u32 op = ops->op;
	struct bpf_sock *sk;

	/* Most calls are none of these: they go at once. */
	if (op != BPF_SOCK_OPS_STATE_CB && op != BPF_SOCK_OPS_TCP_CONNECT_CB &&
	    op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB &&
	    op != BPF_SOCK_OPS_RTT_CB && op != BPF_SOCK_OPS_RETRANS_CB && op != BPF_SOCK_OPS_TIMEOUT_INIT)
		return 1;
	if (op == BPF_SOCK_OPS_STATE_CB && ops->args[1] != BPF_TCP_CLOSE)
		return 1;
	sk = ops->sk;
	if (!sk)
		return 1;
	switch (op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		if (bpf_sk_storage_get(&fl_socks, sk, 0, 0))
			bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_TIMEOUT_INIT:
		ops_first_timeout(ops, sk);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		ops_established(ops, sk);
		redir_established(ops, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		ops_accepted(ops, sk);
		redir_established(ops, sk);
		break;
	case BPF_SOCK_OPS_RTT_CB:
	case BPF_SOCK_OPS_RETRANS_CB:
		ops_measured(ops, sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		ops_closed(ops, sk);
		break;
	}
	return 1;
}
