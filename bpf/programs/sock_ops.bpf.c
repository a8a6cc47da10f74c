// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The life of TCP connections: established, failed, closed.
#include "lib/flow.h"

#define FL_TCP_ESTABLISHED 1
#define FL_TCP_SYN_SENT 2
#define FL_TCP_CLOSE 7

SEC("sockops")
int fl_sock_ops(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct fl_sock *sock;

	if (!sk)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		if (bpf_sk_storage_get(&fl_socks, sk, 0, 0))
			bpf_sock_ops_cb_flags_set(ops, BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
		if (sock)
			flow_established(sock);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] != FL_TCP_CLOSE)
			break;
		sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
		if (!sock)
			break;
		if (ops->args[0] == FL_TCP_SYN_SENT)
			flow_failed(sock);
		flow_uncount(sock, FL_SOCK_PENDING);
		flow_uncount(sock, FL_SOCK_ACTIVE);
		break;
	}
	return 1;
}
