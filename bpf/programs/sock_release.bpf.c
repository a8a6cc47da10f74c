// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// close(2) of a UDP socket that holds a backend or was given one for its datagrams, or of a TCP socket whose connect never
// sent a SYN.
#include "lib/account.h"
#include "lib/flow.h"

/* Else the rows of sockets that are gone would push out those of others. */
FL_INLINE void datagram_forget(struct bpf_sock *sk)
{
	struct fl_udp_peer_key key = {.cookie = bpf_get_socket_cookie(sk)};
	const struct fl_udp_held *held = bpf_sk_storage_get(&fl_udp_held, sk, 0, 0);
	const struct fl_udp_pair *pair;
	__u32 i;

	if (!held || !held->rows)
		return;
#pragma unroll
	for (i = 0; i < FL_UDP_HELD; i++) {
		pair = &held->pairs[i];
		if (!pair->service_id)
			return;
		key.kind = FL_UDP_ASKED;
		key.addr = pair->asked;
		key.port = pair->port;
		bpf_map_delete_elem(&fl_udp_peers, &key);
		key.kind = FL_UDP_ANSWER;
		key.addr = pair->backend_addr;
		key.port = pair->backend_port;
		bpf_map_delete_elem(&fl_udp_peers, &key);
	}
}

SEC("cgroup/sock_release")
int fl_sock_release(struct bpf_sock *sk)
{
	struct fl_sock *sock;

	if (sk->protocol == FL_TCP && sk->state != BPF_TCP_CLOSE) /* most TCP sockets: fl_sock_ops sees their end */
		return 1;
	if (sk->protocol == FL_UDP)
		datagram_forget(sk);
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
