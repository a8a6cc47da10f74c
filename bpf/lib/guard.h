/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: packets at sockets of pods that are not guarded by sk_lookup. A packet dropped here is not answered. */
#ifndef FAIRLEAD_BPF_GUARD_H
#define FAIRLEAD_BPF_GUARD_H

#include "server.h"

#define FL_ETH_P_IP 0x0800
#define FL_ETH_P_IPV6 0x86dd

/* The headers as far as they are read (RFC 791, RFC 8200); those of the UAPI clash with kernel_types.h. */
struct guard_v4 {
	__u8 version_words; /* the header's length in words of 4 bytes is the lower half */
	__u8 unread[11];
	__be32 source, destination;
};
struct guard_v6 {
	__u8 unread[6];
	__u8 next_header;
	__u8 hops;
	struct fl_addr source, destination;
};

/* The ends by the packet's headers; the port of the other end too where it is UDP without extension headers. */
FL_INLINE int guard_ends(struct __sk_buff *skb, struct fl_policy_query *query, __be16 *remote_port)
{
	struct guard_v6 v6;
	struct guard_v4 v4;
	__u32 offset;

	if (skb->protocol == bpf_htons(FL_ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &v4, sizeof(v4)))
			return 0;
		addr_from_v4(&query->source_addr, v4.source);
		addr_from_v4(&query->destination_addr, v4.destination);
		offset = (v4.version_words & 15) * 4;
	} else if (skb->protocol == bpf_htons(FL_ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, 0, &v6, sizeof(v6)))
			return 0;
		query->source_addr = v6.source;
		query->destination_addr = v6.destination;
		offset = sizeof(v6);
		if (v6.next_header != FL_UDP)
			return 1;
	} else {
		return 0;
	}
	if (query->proto == FL_UDP) /* its header begins with the source port */
		bpf_skb_load_bytes(skb, offset, remote_port, sizeof(*remote_port));
	return 1;
}

/* Packets to listeners and to unconnected UDP sockets: what sk_lookup would see. 1: passes. */
FL_INLINE int guard_admit(struct __sk_buff *skb)
{
	const struct fl_settings *set = settings();
	struct fl_policy_query query = {};
	struct bpf_sock *sk = skb->sk;
	__be16 remote_port = 0;

	if (!set || !set->policy || !set->guard || !sk)
		return 1;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	if (sk->protocol == FL_TCP ? sk->state != BPF_TCP_LISTEN
				   : sk->protocol != FL_UDP || sk->state == BPF_TCP_ESTABLISHED)
		return 1;
	query.proto = sk->protocol;
	query.port = sk->src_port;
	if (!guard_ends(skb, &query, &remote_port))
		return 1;
	destination_find(&query);
	if (query.destination.flags & FL_WORKLOAD_GUARDED)
		return 1;
	return server_answer(&query, server_decide(&query, set, remote_port), FL_C_DENIED_GUARD);
}

#endif
