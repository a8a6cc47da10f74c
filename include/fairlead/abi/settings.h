/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the agent tells the programs while they run: row 0 of fl_settings, changed in place word by word. */
#ifndef FAIRLEAD_ABI_SETTINGS_H
#define FAIRLEAD_ABI_SETTINGS_H

#include "address.h"

enum fl_redirect_mode {
	FL_REDIRECT_OFF = 0,
	FL_REDIRECT_OPTED_IN = 1,
	FL_REDIRECT_ALL = 2,
};

/* What cannot be seen or put right on this kernel. */
enum fl_redirect_lacking {
	FL_REDIRECT_SPLICE_UNSEEN = 1 << 0,
	FL_REDIRECT_INQ_WRONG = 1 << 1, /* FIONREAD leaves out what came one of both ways */
	FL_REDIRECT_URGENT_TAKEN = 1 << 2, /* recv with MSG_OOB may take what was redirected before */
};

struct fl_settings {
	__u32 abi_version;	  /* FL_ABI_VERSION of the agent that made the pins */
	__u32 balance;		  /* 0: leave addresses alone */
	__u32 policy;		  /* 0: no authorization */
	__u32 default_deny;	  /* a workload that no policy selects: 0 open, 1 closed */
	__u32 metrics;		  /* 0: no fl_pairs */
	__u32 events;		  /* 0: no close, fail, deny events */
	__u32 open_events;	  /* somebody follows: open events too */
	__u32 redirect;		  /* enum fl_redirect_mode */
	__u32 label_unknown;	  /* fl_pair_key.source_addr for peers that are no workload */
	__u32 workload_generation; /* raised after fl_workloads changed: rows of fl_netns from before are looked up anew */
	__u32 node_zone;
	__u32 policy_generation; /* raised after a policy change was published */
	__u64 host_netns;	 /* cookie of the node's own network namespace */
	__be16 node_port_low;	 /* network order; NodePorts are looked for in this range only */
	__be16 node_port_high;
	__u32 guard; /* some local workload is not guarded yet: fl_guard decides for it */
	__u32 end_tcp; /* TCP sockets to a removed endpoint are doomed too */
	__u32 redirect_unguarded; /* enum fl_redirect_lacking; not 0: FL_REDIRECT_ALL means only programs that were named */
};
FL_ABI_SIZE(struct fl_settings, 72);

#endif
