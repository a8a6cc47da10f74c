/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 2: may this workload call that one. Pure: compiled for the kernel and natively. Whoever includes it has defined
 *   FL_INLINE
 *   const struct fl_rule *rule_find(const struct fl_rule_key *key)
 *   const void *rule_ports(void), const struct fl_port_verdict *rule_port(const void *table, __u32 index)
 *   int cidr_find(const struct fl_addr *addr, __u32 *identity) */
#ifndef FAIRLEAD_BPF_VERDICT_H
#define FAIRLEAD_BPF_VERDICT_H

#include "fairlead/abi/metric.h"
#include "fairlead/abi/policy.h"

/* Half of the most ranges that ports can be cut into. */
#define FL_PORT_HALF 32768

/* A global function in the kernel: the verifier walks the halving once, not once for each way that leads to it, which
 * was nine tenths of the time that it took for most programs. */
#ifndef FL_GLOBAL
#define FL_GLOBAL FL_INLINE
#endif

/* The row of the last range that begins at or below the port; `count` is not 0. One look in the table for each halving:
 * the loop is the cost of a rule with thousands of ranges. */
FL_GLOBAL __u32 fl_port_search(__u32 first, __u32 count, __u32 port)
{
	const void *table = rule_ports();
	const struct fl_port_verdict *range;
	__u32 at = 0, step;

	if (!table)
		return first;
	for (step = FL_PORT_HALF; step; step >>= 1) {
		if (at + step >= count)
			continue;
		range = rule_port(table, first + at + step);
		if (!range)
			break;
		/* All ones if from <= port: no branch, and so half the ways for the verifier. */
		at += step & (__u32)(((__s64)range->from - (__s64)port - 1) >> 63);
	}
	return first + at;
}

FL_INLINE const struct fl_port_verdict *port_find(const struct fl_rule *rule, __u16 port)
{
	const void *table = rule_ports();
	const struct fl_port_verdict *range;

	if (!table)
		return 0;
	range = rule_port(table, fl_port_search(rule->first, rule->count, port));
	return range && range->from <= port && port <= range->to ? range : 0;
}

FL_INLINE void rule_verdict(const struct fl_rule *rule, __u16 port, __u32 *verdict, __u32 *policy_id)
{
	const struct fl_port_verdict *range = 0;
	__u32 i;

	*verdict = rule->otherwise;
	*policy_id = rule->otherwise_policy_id;
	if (rule->count > FL_RULE_INLINE) {
		range = port_find(rule, port);
	} else {
		for (i = 0; i < FL_RULE_INLINE; i++)
			if (i < rule->count && port >= rule->ports[i].from && port <= rule->ports[i].to)
				range = &rule->ports[i];
	}
	if (!range)
		return;
	*verdict = range->verdict;
	*policy_id = range->policy_id;
}

FL_INLINE int side_deny(struct fl_decision *decision, __u32 direction, __u32 reason)
{
	decision->verdict = FL_DENY;
	decision->reason = reason;
	if (direction == FL_EGRESS)
		decision->flags |= FL_DECISION_BY_EGRESS;
	return 0;
}

/* One side's policies for a peer. */
FL_INLINE int side_allows(const struct fl_workload *own, __u32 peer, __u32 direction, struct fl_policy_query *query)
{
	struct fl_decision *decision = &query->decision;
	const __u32 closed = direction == FL_INGRESS ? FL_WORKLOAD_CLOSED : FL_WORKLOAD_CLOSED_EGRESS;
	const __u32 restricted = direction == FL_INGRESS ? FL_WORKLOAD_INGRESS : FL_WORKLOAD_EGRESS;
	struct fl_rule_key key = {
		.policy_set = own->policy_set, .identity = peer, .direction = (__u8)direction, .proto = query->proto};
	const struct fl_rule *rule;
	__u32 verdict = FL_DENY, policy_id = 0;

	if (own->flags & closed)
		return side_deny(decision, direction, FL_R_POLICY_MISSING);
	if (!(own->flags & restricted)) {
		if (query->default_deny && own->workload_id && !own->policy_set && !(own->flags & FL_WORKLOAD_HOST))
			return side_deny(decision, direction, FL_R_POLICY);
		return 1;
	}
	rule = rule_find(&key);
	if (!rule) {
		key.identity = FL_IDENTITY_ANY;
		rule = rule_find(&key);
	}
	if (rule)
		rule_verdict(rule, query->port, &verdict, &policy_id);
	decision->policy_id = policy_id;
	if (verdict & FL_AUDIT)
		decision->flags |= FL_DECISION_AUDIT;
	return (verdict & FL_VERDICT_MASK) == FL_ALLOW ? 1 : side_deny(decision, direction, FL_R_POLICY);
}

FL_INLINE __u32 peer_identity(const struct fl_workload *peer, const struct fl_addr *addr)
{
	__u32 identity = FL_IDENTITY_WORLD;

	if (peer->workload_id)
		return peer->identity;
	return cidr_find(addr, &identity) ? identity : FL_IDENTITY_WORLD;
}

FL_INLINE int same_addr(const struct fl_addr *a, const struct fl_addr *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] && a->word[3] == b->word[3];
}

/* Nothing that could deny, and nothing to be audited: most connections. */
FL_INLINE int policy_is_open(const struct fl_workload *source, const struct fl_workload *destination,
			     __u32 default_deny)
{
	return !default_deny && !(source->flags & (FL_WORKLOAD_EGRESS | FL_WORKLOAD_CLOSED_EGRESS)) &&
	       !(destination->flags & (FL_WORKLOAD_INGRESS | FL_WORKLOAD_CLOSED));
}

/* Fills query->decision; 1: allowed. As Kubernetes has it, a pod reaches itself, and pod and own node each other. */
FL_INLINE int policy_decide(struct fl_policy_query *query)
{
	struct fl_decision *decision = &query->decision;
	const struct fl_workload *source = &query->source, *destination = &query->destination;

	decision->verdict = FL_ALLOW;
	decision->policy_id = 0;
	decision->reason = FL_R_NONE;
	decision->flags = 0;
	decision->source_workload = source->workload_id;
	decision->destination_workload = destination->workload_id;
	if (source->identity == FL_IDENTITY_HOST || destination->identity == FL_IDENTITY_HOST)
		return 1;
	if (same_addr(&query->source_addr, &query->destination_addr))
		return 1;
	if (!query->server) {
		/* A namespace that is nobody's: what address it will have is not known here. The server's side sees it. */
		if (!source->workload_id && !(source->flags & FL_WORKLOAD_CLOSED_EGRESS))
			return 1;
		if (!side_allows(source, peer_identity(destination, &query->destination_addr), FL_EGRESS, query))
			return 0;
	}
	return side_allows(destination, peer_identity(source, &query->source_addr), FL_INGRESS, query);
}

#endif
