/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: who may reach a listener. Decides by addresses alone: what the packet says is all that is known. */
#ifndef FAIRLEAD_BPF_SERVER_H
#define FAIRLEAD_BPF_SERVER_H

#include "account.h"
#include "policy.h"

/* Fills the decision; 1: allowed. Addresses, port and proto of the query are set. */
FL_INLINE int server_decide(struct fl_policy_query *query, const struct fl_settings *set, __be16 remote_port)
{
	const struct fl_workload *found;

	int allowed;

	destination_find(query);
	/* Not the pod's own address (loopback, a second network), or nothing restricts it: most packets. */
	if (!query->destination.workload_id ||
	    (!set->default_deny && query->proto == FL_TCP &&
	     !(query->destination.flags & (FL_WORKLOAD_INGRESS | FL_WORKLOAD_CLOSED))))
		return 1;
	found = workload_find(&query->source_addr);
	if (found)
		query->source = *found;
	query->default_deny = set->default_deny;
	query->server = 1;
	allowed = fl_decide(query);
	return query->proto == FL_UDP ? udp_passes(query, bpf_ntohs(remote_port), allowed) : allowed;
}

FL_INLINE void lookup_ends(struct bpf_sk_lookup *ctx, struct fl_policy_query *query)
{
	FL_CTX_ADDR(&query->source_addr, ctx, remote_ip4, remote_ip6);
	FL_CTX_ADDR(&query->destination_addr, ctx, local_ip4, local_ip6);
	query->port = ctx->local_port;
	query->proto = ctx->protocol;
}

/* The series of a denial: the caller may be on no node that reports it. A global function: verified once, by itself. */
__noinline int fl_denied(struct fl_policy_query *query)
{
	const struct fl_settings *set = settings();
	struct fl_pair_key key = {.reporter = FL_REPORTER_DESTINATION};

	if (!query || !set || !set->metrics)
		return 0;
	key.source_workload = query->decision.source_workload;
	key.destination_workload = query->decision.destination_workload;
	key.proto = query->proto;
	key.port = bpf_htons(query->port);
	if (set->label_unknown && !key.source_workload)
		key.source_addr = query->source_addr;
	pair_fail(pair_row(&key), query->decision.reason);
	return 1;
}

/* Counters, series and events of a decision on the server's side. 1: goes on. */
FL_INLINE int server_answer(struct fl_policy_query *query, int allowed, __u32 counter)
{
	if (query->decision.flags & FL_DECISION_AUDIT)
		count(FL_C_AUDITED);
	else if (allowed)
		return 1;
	decision_event(&query->decision, query, allowed ? FL_EVENT_AUDIT : FL_EVENT_DENY);
	if (!allowed) {
		count(counter);
		fl_denied(query);
	}
	return allowed;
}

FL_INLINE int server_admit(struct bpf_sk_lookup *ctx)
{
	const struct fl_settings *set = settings();
	struct fl_policy_query query = {};

	if (!set || !set->policy || (ctx->protocol != FL_TCP && ctx->protocol != FL_UDP))
		return 1;
	lookup_ends(ctx, &query);
	return server_answer(&query, server_decide(&query, set, ctx->remote_port), FL_C_DENIED_SERVER);
}

#endif
