/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: who asked whom by datagrams. An answer is let through where a connection of its own would be denied, as
 * connection tracking would; noted and looked up only where something restricts an end. Both sides note: the client's
 * node at sendmsg, the server's when the datagram comes in, as either may be another node. */
#ifndef FAIRLEAD_BPF_ASKED_H
#define FAIRLEAD_BPF_ASKED_H

#include "metric.h"

/* Written again only this often: a busy socket's row stays in the caches of all CPUs. */
#define FL_ASKED_AGAIN_NS 1000000000ULL

FL_INLINE void asked_note(const struct fl_udp_asked_key *key)
{
	__u64 *asked = bpf_map_lookup_elem(&fl_udp_asked, key);
	__u64 now = bpf_ktime_get_ns();

	if (asked) {
		if (now - *asked > FL_ASKED_AGAIN_NS)
			*asked = now;
		return;
	}
	count(FL_C_UDP_ASKED_ADDED);
	bpf_map_update_elem(&fl_udp_asked, key, &now, BPF_ANY);
}

FL_INLINE int asked_lately(const struct fl_udp_asked_key *key)
{
	const __u64 *asked = bpf_map_lookup_elem(&fl_udp_asked, key);

	return asked && bpf_ktime_get_ns() - *asked < FL_UDP_ASKED_NS;
}

#endif
