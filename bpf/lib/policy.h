/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: authorization in the kernel: the tables behind verdict.h, and both sides' questions. */
#ifndef FAIRLEAD_BPF_POLICY_H
#define FAIRLEAD_BPF_POLICY_H

#include "asked.h"
#include "identity.h"
#include "metric.h"
#include "tuple.h"

FL_INLINE const struct fl_rule *rule_find(const struct fl_rule_key *key)
{
	void *table = table_of(&fl_rules_of);

	return table ? bpf_map_lookup_elem(table, key) : 0;
}

FL_INLINE void *rule_ports(void)
{
	return table_of(&fl_rule_ports_of);
}

FL_INLINE const struct fl_port_verdict *rule_port(const void *table, __u32 index)
{
	return bpf_map_lookup_elem((void *)table, &index);
}

FL_INLINE int cidr_find(const struct fl_addr *addr, __u32 *identity)
{
	struct fl_cidr_key key = {.prefix_length = 128, .addr = *addr};
	void *table = table_of(&fl_cidrs_of);
	const __u32 *found = table ? bpf_map_lookup_elem(table, &key) : 0;

	if (found)
		*identity = *found;
	return found != 0;
}

#define FL_GLOBAL __noinline
#include "verdict.h"

#define FL_EACCES 13

/* Decides for two known ends; 1: allowed. A global function: verified once, by itself. */
__noinline int fl_decide(struct fl_policy_query *query)
{
	if (!query)
		return 0;
	if (policy_is_open(&query->source, &query->destination, query->default_deny)) {
		query->decision.verdict = FL_ALLOW;
		query->decision.source_workload = query->source.workload_id;
		query->decision.destination_workload = query->destination.workload_id;
		return 1;
	}
	return policy_decide(query);
}

FL_INLINE void destination_find(struct fl_policy_query *query)
{
	const struct fl_workload *found = workload_find(&query->destination_addr);

	if (found)
		query->destination = *found;
}

/* Whether something restricts one of these two: then what asked.h remembers may matter, in either direction. */
FL_INLINE int asked_matters(const struct fl_policy_query *query)
{
	const __u32 restricted =
		FL_WORKLOAD_INGRESS | FL_WORKLOAD_EGRESS | FL_WORKLOAD_CLOSED | FL_WORKLOAD_CLOSED_EGRESS;

	return query->default_deny || ((query->source.flags | query->destination.flags) & restricted);
}

/* A datagram, on either side: an allowed one may be answered, a denied one may be an answer. An answer asks nothing:
 * else a flow that a change forbids would go on for as long as it is answered. Ports in host order; 1: it passes. A
 * function of its own for its stack. */
static __noinline int udp_passes(const struct fl_policy_query *query, __u16 source_port, int allowed)
{
	struct fl_udp_asked_key key = {};

	if (allowed && !asked_matters(query))
		return 1;
	key.local = query->destination_addr;
	key.remote = query->source_addr;
	key.local_port = query->port;
	key.remote_port = bpf_htons(source_port);
	if (asked_lately(&key))
		return 1;
	if (!allowed)
		return 0;
	key.local = query->source_addr;
	key.remote = query->destination_addr;
	key.local_port = source_port;
	key.remote_port = bpf_htons(query->port);
	asked_note(&key);
	return 1;
}

/* To be called once before client_decide(): finds out who the caller is, where that is not known yet. */
FL_INLINE void client_identify(struct bpf_sock_addr *ctx, const struct fl_settings *set)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);

	if ((set->policy || set->metrics || set->events) && cookie != set->host_netns)
		netns_refresh(ctx->sk, cookie, set);
}

/* May the caller go there? `to` is the address after balancing, port in network order. Fills `out`; 1: allowed.
 * For connect and, with unconnected UDP sockets, sendmsg. */
FL_INLINE int client_decide(struct bpf_sock_addr *ctx, const struct fl_addr *to, __be16 port, __u8 proto,
			    struct fl_decision *out)
{
	const struct fl_settings *set = settings();
	struct fl_policy_query query = {};
	struct bpf_sock *sk = ctx->sk;
	__u64 cookie;
	int allowed;

	out->verdict = FL_ALLOW;
	if (!set || !set->policy || addr_is_own(to))
		return 1;
	cookie = bpf_get_netns_cookie(ctx);
	query.destination_addr = *to;
	destination_find(&query);
	if (cookie == set->host_netns) {
		out->destination_workload = query.destination.workload_id;
		return 1;
	}
	netns_workload(cookie, to, &query.source, &query.source_addr);
	query.default_deny = set->default_deny;
	query.port = bpf_ntohs(port);
	query.proto = proto;
	allowed = fl_decide(&query);
	*out = query.decision;
	if (proto != FL_UDP || !sk || !udp_passes(&query, sk->src_port, allowed))
		return allowed;
	out->verdict = FL_ALLOW;
	return 1;
}

/* Of the server's side. The client's side tells of its decisions in connect_admit(). */
FL_INLINE void decision_event(const struct fl_decision *decision, const struct fl_policy_query *ends, __u8 type)
{
	const struct fl_settings *set = settings();
	struct fl_event *event;

	if (!set || !set->events)
		return;
	event = bpf_ringbuf_reserve(&fl_events, sizeof(*event), 0);
	if (!event) {
		count(FL_C_EVENTS_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->reason = decision->reason;
	event->proto = ends->proto;
	event->reporter = FL_REPORTER_DESTINATION;
	event->source_workload = decision->source_workload;
	event->destination_workload = decision->destination_workload;
	event->policy_id = decision->policy_id;
	event->source_addr = ends->source_addr;
	event->destination_addr = ends->destination_addr;
	event->destination_port = bpf_htons(ends->port);
	event->start_ns = bpf_ktime_get_ns();
	event->end_ns = event->start_ns;
	bpf_ringbuf_submit(event, 0);
}

#endif
