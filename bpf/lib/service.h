/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: the rows of services and backends. */
#ifndef FAIRLEAD_BPF_SERVICE_H
#define FAIRLEAD_BPF_SERVICE_H

#include "metric.h"
#include "tuple.h"

/* The loopback of a pod is its own, whoever listens there: no NodePort of the node. client: cookie of the caller's network
 * namespace. Asked before frontend_find(), not within, where the cookie would take room on a stack that is full. */
FL_INLINE int addr_is_of_client(const struct fl_addr *addr, __u64 client)
{
	const struct fl_settings *set;

	if (!addr_is_own(addr))
		return 0;
	set = settings();
	return !set || client != set->host_netns;
}

FL_INLINE const struct fl_frontend *frontend_find(const struct fl_addr *addr, __be16 port, __u8 proto)
{
	struct fl_frontend_key key = {.addr = *addr, .port = port, .proto = proto};
	const struct fl_settings *set = settings();
	void *table = table_of(&fl_frontends_of);
	const struct fl_frontend *found;
	void *nodes;

	if (!table || !set)
		return 0;
	found = bpf_map_lookup_elem(table, &key);
	if (found)
		return found;
	if (bpf_ntohs(port) < bpf_ntohs(set->node_port_low) || bpf_ntohs(port) > bpf_ntohs(set->node_port_high))
		return 0;
	nodes = table_of(&fl_node_addrs_of);
	if (!nodes || !bpf_map_lookup_elem(nodes, &key.addr))
		return 0;
	/* 0.0.0.0 or ::, so that each family of a service has NodePorts of its own. */
	if (key.addr.word[0] || key.addr.word[1] || key.addr.word[2] != bpf_htonl(0xffff))
		key.addr.word[0] = key.addr.word[1] = key.addr.word[2] = 0;
	key.addr.word[3] = 0;
	return bpf_map_lookup_elem(table, &key);
}

FL_INLINE const struct fl_service *service_find(__u32 service_id)
{
	void *table = table_of(&fl_services_of);

	return table ? bpf_map_lookup_elem(table, &service_id) : 0;
}

FL_INLINE struct fl_service_state *service_state(__u32 index, __u32 generation)
{
	void *table = table_of(&fl_svc_state_of);
	struct fl_service_state *state = table ? bpf_map_lookup_elem(table, &index) : 0;

	return state && state->generation == generation ? state : 0;
}

FL_INLINE struct fl_backend_state *backend_state(__u32 id, __u32 generation)
{
	void *table = table_of(&fl_be_state_of);
	struct fl_backend_state *state = table ? bpf_map_lookup_elem(table, &id) : 0;

	return state && state->generation == generation ? state : 0;
}

/* The row of a backend, where it is in use. */
FL_INLINE const struct fl_backend *backend_find(__u32 id)
{
	void *table = table_of(&fl_backends_of);
	const struct fl_backend *backend = table ? bpf_map_lookup_elem(table, &id) : 0;

	return backend && !(backend->flags & FL_BACKEND_GONE) ? backend : 0;
}

FL_INLINE const struct fl_slot *slot_at(__u32 index)
{
	void *table = table_of(&fl_slots_of);

	return table ? bpf_map_lookup_elem(table, &index) : 0;
}

#endif
