/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: walking over every socket of ours. */
#ifndef FAIRLEAD_BPF_SWEEP_H
#define FAIRLEAD_BPF_SWEEP_H

#include "flow.h"
#include "policy.h"
#include "tuple.h"
#include "walk.h"

#define FL_TCP_ESTABLISHED 1
#define FL_TCP_SYN_SENT 2
#define FL_TCP_CLOSE 7

/* A connect this young may be in the middle of its programs: what is known of it does not fit together yet. */
#define FL_SWEEP_YOUNG_NS 1000000000ULL

FL_INLINE void sweep_addresses(const struct sock_common *common, struct fl_addr *local, struct fl_addr *remote)
{
	__u32 i;

	if (common->skc_family == FL_AF_INET) {
		addr_from_v4(local, common->skc_rcv_saddr);
		addr_from_v4(remote, common->skc_daddr);
		return;
	}
	for (i = 0; i < 4; i++) {
		local->word[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
		remote->word[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
	}
}

/* Writes what the agent needs to find and to count the socket. */
FL_INLINE void sweep_tell(struct bpf_iter_meta *meta, struct sock *sk, const struct fl_sock *sock)
{
	const struct sock_common *common = &sk->__sk_common;
	struct fl_swept swept = {
		.netns_cookie = common->skc_net.net->net_cookie,
		.socket_cookie = bpf_get_socket_cookie(sk),
		.service_addr = sock->service_addr,
		.backend_addr = sock->backend_addr,
		.local_port = bpf_htons(common->skc_num),
		.remote_port = common->skc_dport,
		.service_port = sock->service_port,
		.backend_port = sock->backend_port,
		.family = common->skc_family,
		.proto = sock->proto,
		.state = common->skc_state,
		.doom_reason = sock->doom_reason,
		.flags = sock->flags,
		.service_state = sock->service_state,
		.service_generation = sock->service_generation,
		.backend_id = sock->backend_id,
		.backend_generation = sock->backend_generation,
		.interface = common->skc_bound_dev_if,
	};

	sweep_addresses(common, &swept.local, &swept.remote);
	bpf_seq_write(meta->seq, &swept, sizeof(swept));
}

/* Whether the socket can be ended at all. An unconnected UDP socket has other peers too: never. */
FL_INLINE int sweep_endable(const struct sock *sk, const struct fl_sock *sock)
{
	__u8 state = sk->__sk_common.skc_state;

	if (sock->flags & FL_SOCK_CLOSED)
		return 0;
	return sock->proto == FL_UDP ? state == FL_TCP_ESTABLISHED : state != FL_TCP_CLOSE;
}

FL_INLINE int backend_is_gone(const struct fl_sock *sock)
{
	void *table = table_of(&fl_backends_of);
	__u32 id = sock->backend_id;
	const struct fl_backend *backend = table ? bpf_map_lookup_elem(table, &id) : 0;

	return backend && (backend->generation != sock->backend_generation || (backend->flags & FL_BACKEND_GONE));
}

/* A connected UDP socket that answers who asked it lately: as at its connect, that is no call of its own. */
FL_INLINE int sweep_answers(const struct sock_common *common, const struct fl_policy_query *query)
{
	struct fl_udp_asked_key key = {
		.local = query->destination_addr,
		.remote = query->source_addr,
		.local_port = query->port,
		.remote_port = bpf_htons(common->skc_num),
	};

	return query->proto == FL_UDP && !query->server && asked_lately(&key);
}

/* Decides again for a connection that stands, by its addresses: those of a pod that is gone have no row, and what has
 * no row is decided on the other side. */
FL_INLINE int policy_forbids(const struct sock *sk, const struct fl_sock *sock, const struct fl_settings *set)
{
	const struct sock_common *common = &sk->__sk_common;
	const int server = !!(sock->flags & FL_SOCK_SERVER);
	struct fl_policy_query query = {.default_deny = set->default_deny, .proto = sock->proto, .server = server};
	const struct fl_workload *found;

	if (common->skc_net.net->net_cookie == set->host_netns)
		return 0;
	if (server) {
		sweep_addresses(common, &query.destination_addr, &query.source_addr);
		query.port = common->skc_num;
	} else {
		sweep_addresses(common, &query.source_addr, &query.destination_addr);
		query.port = bpf_ntohs(common->skc_dport);
	}
	if (addr_is_own(&query.source_addr) || addr_is_own(&query.destination_addr))
		return 0;
	found = workload_find(&query.source_addr);
	if (found)
		query.source = *found;
	destination_find(&query);
	if (server ? !query.destination.workload_id : !query.source.workload_id)
		return 0;
	return !fl_decide(&query) && !sweep_answers(common, &query);
}

/* Why the socket has to end; FL_R_NONE: it may stay. */
FL_INLINE __u8 sweep_reason(const struct sock *sk, const struct fl_sock *sock)
{
	const struct fl_settings *set = settings();

	if (!set)
		return FL_R_NONE;
	if ((sock->flags & FL_SOCK_CLIENT) && sock->service_id && (sock->proto == FL_UDP || set->end_tcp) &&
	    backend_is_gone(sock))
		return FL_R_ENDPOINT_GONE;
	return set->policy && policy_forbids(sk, sock, set) ? FL_R_POLICY_CHANGED : FL_R_NONE;
}

/* Puts right what a socket is counted as, where its programs missed something: they were being replaced, were taken
 * away for a while, or have no hook for it (a UDP socket disconnected by AF_UNSPEC, or ended). */
FL_INLINE void sweep_settle(const struct sock *sk, struct fl_sock *sock)
{
	__u8 state = sk->__sk_common.skc_state;

	if (bpf_ktime_get_ns() - sock->start_ns < FL_SWEEP_YOUNG_NS)
		return;
	if (state == FL_TCP_CLOSE) { /* for UDP: not connected */
		flow_uncount(sock, FL_SOCK_PENDING);
		flow_uncount(sock, FL_SOCK_ACTIVE);
	} else if ((sock->flags & FL_SOCK_PENDING) && state != FL_TCP_SYN_SENT) {
		flow_established(sock);
	}
}

FL_INLINE void recount_add(__u32 kind, __u32 row, __u32 generation, __u32 flags)
{
	struct fl_recount_key key = {.kind = kind, .row = row, .generation = generation};
	struct fl_recount first = {};
	struct fl_recount *found = bpf_map_lookup_elem(&fl_recount, &key);

	if (!found) {
		bpf_map_update_elem(&fl_recount, &key, &first, BPF_NOEXIST);
		found = bpf_map_lookup_elem(&fl_recount, &key);
	}
	if (!found) {
		count(FL_C_RECOUNT_FULL);
		return;
	}
	if (flags & FL_SOCK_ACTIVE)
		FL_ADD(&found->active, 1);
	if (flags & FL_SOCK_PENDING)
		FL_ADD(&found->pending, 1);
}

#endif
