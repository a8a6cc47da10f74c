/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Who is who, and who may call whom.
 *
 * An identity is a class of workloads that no policy tells apart: namespace, service account, labels and, where a
 * policy names an IP block, the narrowest block that holds the address. A policy set is the list of policies that
 * select a workload; workloads selected by the same policies share one. A verdict is found by at most two hash
 * lookups (the peer's identity, then any identity) and a binary search over disjoint port ranges, whatever the
 * number of rules. */
#ifndef FAIRLEAD_ABI_POLICY_H
#define FAIRLEAD_ABI_POLICY_H

#include "address.h"

enum fl_reserved_identity {
	FL_IDENTITY_ANY = 0,   /* in rules only: whoever has no row of its own */
	FL_IDENTITY_WORLD = 1, /* an address that is no workload, no node and in no IP block */
	FL_IDENTITY_HOST = 2,  /* this node's own network namespace: kubelet, probes, host daemons */
	FL_IDENTITY_FIRST = 16, /* first one given out by the agent */
};

enum fl_workload_flags {
	FL_WORKLOAD_LOCAL = 1 << 0,    /* on this node */
	FL_WORKLOAD_REDIRECT = 1 << 1, /* opted in to same-node redirection */
	FL_WORKLOAD_GUARDED = 1 << 2,  /* its network namespace has fl_sk_lookup attached */
	FL_WORKLOAD_CLOSED = 1 << 3,   /* a policy for it could not be loaded: it receives nothing */
	FL_WORKLOAD_HOST = 1 << 4,     /* a node address or hostNetwork pod */
	FL_WORKLOAD_INGRESS = 1 << 5,  /* some policy restricts what it receives */
	FL_WORKLOAD_EGRESS = 1 << 6,   /* some policy restricts what it calls */
	FL_WORKLOAD_CLOSED_EGRESS = 1 << 7, /* as CLOSED: it calls nothing */
};

/* fl_workloads: keyed by address (struct fl_addr); one row per address of a Pod or node. */
struct fl_workload {
	__u32 workload_id; /* names it in metrics and flows; never 0 */
	__u32 identity;
	__u32 policy_set; /* 0: no policy selects it */
	__u32 flags;	  /* enum fl_workload_flags */
};
FL_ABI_SIZE(struct fl_workload, 16);

/* fl_netns (hash, NO_PREALLOC): netns cookie -> the workload that lives there. Filled by BPF at the first socket of a
 * namespace, from the addresses of its devices, so that no moment exists in which a configured pod is unknown;
 * generation tells rows from before a change of fl_workloads. */
struct fl_netns {
	struct fl_addr v4; /* the addresses of it that are in fl_workloads; all zero: none of that family */
	struct fl_addr v6;
	__u32 generation;  /* fl_settings.workload_generation when it was found */
	__u32 fingerprint; /* changes with the namespace's addresses; a row that found nobody is valid for this one only */
	__u32 unknown;	   /* the walk over the addresses did not come to their end */
};
FL_ABI_SIZE(struct fl_netns, 44);

/* fl_udp_asked (LRU): which socket has sent datagrams to whom, where a policy restricts one of them, so that answers
 * pass, as by connection tracking. Value: CLOCK_MONOTONIC of the last datagram, in steps. */
struct fl_udp_asked_key {
	struct fl_addr local;
	struct fl_addr remote;
	__be16 remote_port;
	__u16 local_port; /* host order */
};
FL_ABI_SIZE(struct fl_udp_asked_key, 36);

#define FL_UDP_ASKED_NS (180ULL * 1000000000ULL) /* how long an answer may take; nf_conntrack_udp_timeout_stream is 120 s */

/* fl_cidrs (LPM trie): addresses outside the cluster that policies name. */
struct fl_cidr_key {
	__u32 prefix_length; /* 0..128; IPv4 blocks have 96 added */
	struct fl_addr addr;
};
FL_ABI_SIZE(struct fl_cidr_key, 20);

enum fl_direction {
	FL_INGRESS = 0,
	FL_EGRESS = 1,
};

/* fl_rules: verdicts of a policy set for a peer. */
struct fl_rule_key {
	__u32 policy_set;
	__u32 identity; /* the peer's, or FL_IDENTITY_ANY */
	__u8 direction; /* enum fl_direction */
	__u8 proto;
	__u16 pad;
};
FL_ABI_SIZE(struct fl_rule_key, 12);

enum fl_verdict {
	FL_DENY = 0,
	FL_ALLOW = 1,
	FL_VERDICT_MASK = 1,
	FL_AUDIT = 2, /* or-ed in: write a flow event with the rule */
};

/* Ports of this range, host byte order, both inclusive. */
struct fl_port_verdict {
	__u16 from;
	__u16 to;
	__u16 verdict; /* enum fl_verdict */
	__u16 pad;
	__u32 policy_id; /* which policy decided, for flows and `fairctl why`; 0: the default */
};
FL_ABI_SIZE(struct fl_port_verdict, 12);

/* Ranges are disjoint and sorted; ports in none of them get `otherwise`. Up to FL_RULE_INLINE stand here, more stand
 * in fl_rule_ports from `first`. */
#define FL_RULE_INLINE 4

struct fl_rule {
	__u16 count;
	__u16 otherwise; /* enum fl_verdict */
	__u32 otherwise_policy_id;
	__u32 first; /* index in fl_rule_ports where count > FL_RULE_INLINE */
	struct fl_port_verdict ports[FL_RULE_INLINE];
};
FL_ABI_SIZE(struct fl_rule, 60);

enum fl_decision_flags {
	FL_DECISION_AUDIT = 1 << 0,	 /* a rule wants an event */
	FL_DECISION_BY_EGRESS = 1 << 1, /* the source's policy denied, not the destination's */
};

struct fl_decision {
	__u32 verdict; /* FL_DENY or FL_ALLOW */
	__u32 policy_id;
	__u32 source_workload;
	__u32 destination_workload;
	__u32 reason; /* enum fl_reason */
	__u32 flags;  /* enum fl_decision_flags */
};

/* What is asked and answered. A row of zeros is nobody that fl_workloads knows. */
struct fl_policy_query {
	struct fl_addr source_addr;
	struct fl_addr destination_addr;
	struct fl_workload source;
	struct fl_workload destination;
	struct fl_decision decision;
	__u32 default_deny;
	__u16 port; /* host order */
	__u8 proto;
	__u8 server; /* asked by the server's side: the source's own policy was its node's to decide */
};

#endif
