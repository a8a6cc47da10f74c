// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Adds what living connections moved to their series; run by the agent before it is asked for them.
#include "lib/account.h"
#include "lib/redirect.h"
#include "lib/sweep.h"

struct tcp_sock___fl {
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 total_retrans;
	__u32 srtt_us;
} __attribute__((preserve_access_index));

/* TCP counts SYN and FIN as bytes. Whether a FIN is among them is known for sure at the close only: until then one byte
 * too few is counted rather than one too many. */
FL_INLINE void account_totals(struct flow_totals *totals, const struct fl_sock *sock, const struct tcp_sock___fl *tcp,
			      __u8 state)
{
	const __u64 fin = state != FL_TCP_ESTABLISHED;
	const __u64 not_sent = (sock->flags & FL_SOCK_CLIENT ? 1 : 0) + fin;

	totals->sent = tcp->bytes_acked > not_sent ? tcp->bytes_acked - not_sent : 0;
	totals->received = tcp->bytes_received > fin ? tcp->bytes_received - fin : 0;
	totals->retransmissions = tcp->total_retrans;
	totals->srtt_us = tcp->srtt_us >> 3;
}

/* The client's address, which series of unknown callers may carry. */
FL_INLINE void account_source(struct fl_addr *source, const struct sock_common *common, const struct fl_sock *sock)
{
	const int server = sock->flags & FL_SOCK_SERVER;
	__u32 i;

	if (common->skc_family == FL_AF_INET) {
		addr_from_v4(source, server ? common->skc_daddr : common->skc_rcv_saddr);
		return;
	}
	for (i = 0; i < 4; i++)
		source->word[i] = server ? common->skc_v6_daddr.in6_u.u6_addr32[i]
					 : common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
}

FL_INLINE void account_socket(struct bpf_iter_meta *meta, struct sock *sk, struct fl_sock *sock)
{
	const struct tcp_sock___fl *tcp;
	struct flow_totals totals = {};
	struct fl_addr source = {};
	struct fl_redir_end *end;
	__u8 state;

	if ((sock->flags & FL_SOCK_CLOSED) || !sock->established_ns)
		return;
	if (sock->proto == FL_UDP) {
		account_source(&source, &sk->__sk_common, sock);
		flow_account(sock, &source, &totals);
		return;
	}
	tcp = (const void *)bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	state = sk->__sk_common.skc_state;
	if (state == FL_TCP_CLOSE)
		return;
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	if (end)
		redir_account(end, sock);
	account_totals(&totals, sock, tcp, state);
	account_source(&source, &sk->__sk_common, sock);
	flow_account(sock, &source, &totals);
}
FL_WALK(fl_account, fl_socks, struct fl_sock, account_socket)
