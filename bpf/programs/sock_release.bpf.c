// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// close(2) of a UDP socket that holds a backend, or of a TCP socket whose connect never sent a SYN.
#include "lib/flow.h"

SEC("cgroup/sock_release")
int fl_sock_release(struct bpf_sock *sk)
{
	struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);

	if (!sock)
		return 1;
	if (sock->proto == FL_UDP)
		flow_uncount(sock, FL_SOCK_ACTIVE);
	else if (sk->state == BPF_TCP_CLOSE)
		flow_uncount(sock, FL_SOCK_PENDING);
	return 1;
}
