// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// close(2) of a UDP socket that holds a backend, or of a TCP socket whose connect never sent a SYN.
#include "lib/account.h"
#include "lib/flow.h"

SEC("cgroup/sock_release")
int fl_sock_release(struct bpf_sock *sk)
{
	struct fl_sock *sock;

	if (sk->protocol == FL_TCP && sk->state != BPF_TCP_CLOSE) /* most TCP sockets: fl_sock_ops sees their end */
		return 1;
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (!sock)
		return 1;
	if (sock->proto == FL_UDP) {
		udp_closed(sock, bpf_get_socket_cookie(sk));
		flow_uncount(sock, FL_SOCK_ACTIVE);
	} else if (sk->state == BPF_TCP_CLOSE) {
		flow_uncount(sock, FL_SOCK_PENDING);
	}
	return 1;
}
