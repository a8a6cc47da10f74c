/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: who is it that calls, by the addresses of its network namespace. */
#ifndef FAIRLEAD_BPF_IDENTITY_H
#define FAIRLEAD_BPF_IDENTITY_H

#include <bpf/bpf_core_read.h>

#include "metric.h"
#include "tuple.h"

/* The kernel's structs as far as they are read here; offsets come from the running kernel's BTF. */
#define FL_CORE __attribute__((preserve_access_index))
struct list_head___id {
	struct list_head___id *next;
} FL_CORE;
struct atomic___id {
	int counter;
} FL_CORE;
struct netns_ip___id {
	struct atomic___id dev_addr_genid;
} FL_CORE;
struct net___id {
	__u32 dev_base_seq;
	struct list_head___id dev_base_head;
	struct netns_ip___id ipv4;
	struct netns_ip___id ipv6;
} FL_CORE;
struct possible_net___id {
	struct net___id *net;
} FL_CORE;
struct sock_common___id {
	struct possible_net___id skc_net;
} FL_CORE;
struct sock___id {
	struct sock_common___id __sk_common;
} FL_CORE;
struct in_ifaddr___id {
	struct in_ifaddr___id *ifa_next;
	__be32 ifa_local;
} FL_CORE;
struct in_device___id {
	struct in_ifaddr___id *ifa_list;
} FL_CORE;
struct inet6_dev___id {
	struct list_head___id addr_list;
} FL_CORE;
struct inet6_ifaddr___id {
	struct fl_addr addr;
	struct list_head___id if_list;
} FL_CORE;
struct net_device___id {
	struct list_head___id dev_list;
	struct in_device___id *ip_ptr;
	struct inet6_dev___id *ip6_ptr;
} FL_CORE;

/* Devices and addresses looked at. A namespace that has more, and none of a pod among these, is closed. */
#define FL_WALK_STEPS 8192

FL_INLINE const struct fl_workload *workload_find(const struct fl_addr *addr)
{
	void *table = table_of(&fl_workloads_of);

	return table ? bpf_map_lookup_elem(table, addr) : 0;
}

/* A walk over the devices of a namespace and their addresses, one item a step. Nothing is locked: a device that goes
 * meanwhile may lead astray, but a read never faults, steps are bounded, and what is found must stand in fl_workloads. */
struct fl_walk {
	__u64 net;	/* struct net_device list head's owner */
	__u64 device;	/* its dev_list member; the head's address ends the walk */
	struct fl_walk_state {
		__u64 v4; /* next struct in_ifaddr */
		__u64 v6; /* next member if_list */
		__u64 v6_head;
		struct fl_netns found;
	} now;
};

FL_INLINE __u64 read_pointer(const void *at)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), at);
	return value;
}

/* Whether the address names a pod. A node's address does not: pods may carry it as well (node-local DNS caches). */
FL_INLINE int addr_names_pod(const struct fl_addr *addr)
{
	const struct fl_workload *workload = workload_find(addr);

	return workload && !(workload->flags & FL_WORKLOAD_HOST);
}

FL_INLINE int addr_is_zero(const struct fl_addr *addr)
{
	return !(addr->word[0] | addr->word[1] | addr->word[2] | addr->word[3]);
}

FL_INLINE void walk_v4(struct fl_walk *walk)
{
	struct in_ifaddr___id *item = (void *)walk->now.v4;
	struct fl_addr addr;
	__be32 local = 0;

	bpf_probe_read_kernel(&local, sizeof(local), &item->ifa_local);
	walk->now.v4 = read_pointer(&item->ifa_next);
	addr_from_v4(&addr, local);
	if (addr_is_zero(&walk->now.found.v4) && addr_names_pod(&addr))
		walk->now.found.v4 = addr;
}

FL_INLINE void walk_v6(struct fl_walk *walk)
{
	struct inet6_ifaddr___id *item =
		(void *)(walk->now.v6 - bpf_core_field_offset(struct inet6_ifaddr___id, if_list));
	struct fl_addr addr = {};

	bpf_probe_read_kernel(&addr, sizeof(addr), &item->addr);
	walk->now.v6 = read_pointer(&item->if_list.next);
	if (walk->now.v6 == walk->now.v6_head)
		walk->now.v6 = 0;
	if (addr_is_zero(&walk->now.found.v6) && addr_names_pod(&addr))
		walk->now.found.v6 = addr;
}

FL_INLINE long walk_device(struct fl_walk *walk)
{
	struct net___id *net = (void *)walk->net;
	struct net_device___id *device;
	struct in_device___id *in;
	struct inet6_dev___id *in6;

	if (!walk->device || walk->device == (__u64)&net->dev_base_head)
		return 1;
	device = (void *)(walk->device - bpf_core_field_offset(struct net_device___id, dev_list));
	in = (void *)read_pointer(&device->ip_ptr);
	in6 = (void *)read_pointer(&device->ip6_ptr);
	walk->device = read_pointer(&device->dev_list.next);
	if (in)
		walk->now.v4 = read_pointer(&in->ifa_list);
	if (in6) {
		walk->now.v6_head = (__u64)&in6->addr_list;
		walk->now.v6 = read_pointer(&in6->addr_list.next);
		if (walk->now.v6 == walk->now.v6_head)
			walk->now.v6 = 0;
	}
	return 0;
}

static long walk_step(__u32 index, struct fl_walk *walk)
{
	if (walk->now.v4) {
		walk_v4(walk);
		return 0;
	}
	if (walk->now.v6) {
		walk_v6(walk);
		return 0;
	}
	if (!addr_is_zero(&walk->now.found.v4) && !addr_is_zero(&walk->now.found.v6))
		return 1;
	return walk_device(walk);
}

/* The namespace of a socket, as a number: the verifier allows no arithmetic on a socket's pointer. */
FL_INLINE __u64 net_of(struct bpf_sock *sk)
{
	struct bpf_sock *held = sk;
	struct sock___id *sock = (void *)read_pointer(&held);

	return read_pointer(&sock->__sk_common.skc_net.net);
}

/* What the kernel itself counts whenever a device or an address comes or goes. */
FL_INLINE __u32 net_fingerprint(__u64 number)
{
	struct net___id *net = (void *)number;
	__u32 sum = 0, value = 0;

	bpf_probe_read_kernel(&sum, sizeof(sum), &net->ipv4.dev_addr_genid.counter);
	bpf_probe_read_kernel(&value, sizeof(value), &net->ipv6.dev_addr_genid.counter);
	sum += value;
	bpf_probe_read_kernel(&value, sizeof(value), &net->dev_base_seq);
	return sum + value;
}

/* Finds who lives in a namespace and remembers it. A global function: verified once, by itself. */
__noinline int fl_netns_walk(__u64 cookie, __u64 number, __u32 generation)
{
	struct net___id *net = (void *)number;
	struct fl_walk walk = {.net = number};

	/* Zeros (of a read that fails) that the verifier does not know for zeros. Kernels before 6.7 look at one round of a
	 * loop only, and cut out of the callback what its first round does not reach. */
	bpf_probe_read_kernel(&walk.now, sizeof(walk.now), 0);
	walk.now.found.generation = generation;
	/* Before the walk: an address that comes while it runs makes the result stale, not the next one. */
	walk.now.found.fingerprint = net_fingerprint(number);
	walk.device = read_pointer(&net->dev_base_head.next);
	bpf_loop(FL_WALK_STEPS, walk_step, &walk, 0);
	if (addr_is_zero(&walk.now.found.v4) && addr_is_zero(&walk.now.found.v6) &&
	    (walk.now.v4 || walk.now.v6 || walk.device != (__u64)&net->dev_base_head)) {
		walk.now.found.unknown = 1;
		count(FL_C_IDENTITY_UNKNOWN);
	}
	bpf_map_update_elem(&fl_netns, &cookie, &walk.now.found, BPF_ANY);
	return 1;
}

/* Sees to it that the row of the caller's namespace is there and fresh. Apart from netns_workload(): the stack of the
 * walk and that of a policy query together would be too much. */
FL_INLINE void netns_refresh(struct bpf_sock *sk, __u64 cookie, const struct fl_settings *set)
{
	struct fl_netns *known = bpf_map_lookup_elem(&fl_netns, &cookie);
	__u32 generation = FL_READ(set->workload_generation);
	__u64 net;

	if (known && known->generation == generation && !(addr_is_zero(&known->v4) && addr_is_zero(&known->v6)))
		return;
	net = sk ? net_of(sk) : 0;
	if (net && (!known || known->generation != generation || known->fingerprint != net_fingerprint(net)))
		fl_netns_walk(cookie, net, generation);
}

/* Fills `out` and `addr` with the row of the workload whose namespace this is and its address; left alone where it is
 * nobody's. Whose could not be found out may be a pod's that is closed, so it may call nobody. */
FL_INLINE void netns_workload(__u64 cookie, const struct fl_addr *destination, struct fl_workload *out,
			      struct fl_addr *addr)
{
	struct fl_netns *known = bpf_map_lookup_elem(&fl_netns, &cookie);
	const struct fl_workload *workload;

	if (!known)
		return;
	if (known->unknown) {
		out->flags = FL_WORKLOAD_CLOSED_EGRESS;
		return;
	}
	/* The row of the family that will be used: IP blocks may tell a pod's two addresses apart. */
	*addr = addr_is_v4(destination) ? known->v4 : known->v6;
	workload = workload_find(addr);
	if (!workload) {
		*addr = addr_is_v4(destination) ? known->v6 : known->v4;
		workload = workload_find(addr);
	}
	if (workload)
		*out = *workload;
}

#endif
