/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: from the address that was asked for to the backend that is given. */
#ifndef FAIRLEAD_BPF_SERVICE_H
#define FAIRLEAD_BPF_SERVICE_H

#include "metric.h"

/* Random picks that are tried in a level before it is walked slot by slot. */
#define FL_RANDOM_TRIES 4
#define FL_WALK_SLOTS 64

struct fl_pick {
	__u32 backend_id;
	__u32 generation;
	const struct fl_backend *backend;
	struct fl_backend_state *state;
};

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
	if (!nodes || !bpf_map_lookup_elem(nodes, addr))
		return 0;
	__builtin_memset(&key.addr, 0, sizeof(key.addr));
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

/* Fills `pick` with the backend of a row; 0 where the row is not in use. */
FL_INLINE int pick_row(__u32 backend_id, struct fl_pick *pick)
{
	void *table = table_of(&fl_backends_of);

	pick->backend = table ? bpf_map_lookup_elem(table, &backend_id) : 0;
	if (!pick->backend || (pick->backend->flags & FL_BACKEND_GONE))
		return 0;
	pick->backend_id = backend_id;
	pick->generation = pick->backend->generation;
	pick->state = backend_state(backend_id, pick->generation);
	return 1;
}

/* After an ejection a backend's share grows from nothing to full over return_ms. */
FL_INLINE int pick_usable(const struct fl_service *service, const struct fl_pick *pick, __u64 now)
{
	const struct fl_backend_state *state = pick->state;
	__u64 until;

	if (!state)
		return 1;
	if (service->backend_connections && state->active + state->pending >= service->backend_connections)
		return 0;
	until = state->ejected_until_ns;
	if (!(service->flags & FL_SERVICE_OUTLIER) || until == 0)
		return 1;
	if (now < until)
		return 0;
	if (service->return_ms && now - until < (__u64)service->return_ms * 1000000)
		return (__u64)bpf_get_prandom_u32() % ((__u64)service->return_ms * 1000000) < now - until;
	return 1;
}

FL_INLINE const struct fl_slot *slot_at(__u32 index)
{
	void *table = table_of(&fl_slots_of);

	return table ? bpf_map_lookup_elem(table, &index) : 0;
}

/* One weighted random slot of a level (Walker's alias method). */
FL_INLINE const struct fl_slot *slot_random(const struct fl_level *level)
{
	__u32 offset = bpf_get_prandom_u32() % level->count;
	const struct fl_slot *slot = slot_at(level->first + offset);

	if (slot && bpf_get_prandom_u32() > slot->threshold)
		slot = slot_at(level->first + slot->alias);
	return slot;
}

/* The less loaded of two random slots, by connections for its weight. */
FL_INLINE const struct fl_slot *slot_least(const struct fl_level *level)
{
	const struct fl_slot *a = slot_random(level), *b = slot_random(level);
	void *table = table_of(&fl_be_state_of);
	const struct fl_backend_state *x, *y;

	if (!a || !b || !table)
		return a;
	x = bpf_map_lookup_elem(table, &a->backend_id);
	y = bpf_map_lookup_elem(table, &b->backend_id);
	if (!x || !y)
		return a;
	return (__u64)(x->active + x->pending + 1) * b->weight <= (__u64)(y->active + y->pending + 1) * a->weight ? a
														  : b;
}

FL_INLINE const struct fl_slot *slot_maglev(__u32 service_id, const struct fl_level *level, __u64 client)
{
	void *table = table_of(&fl_maglevs_of);
	const struct fl_maglev *maglev = table ? bpf_map_lookup_elem(table, &service_id) : 0;
	__u64 hash = client * 0x9e3779b97f4a7c15ULL; /* Fibonacci hashing: cookies are small and near each other */
	__u32 index = (hash >> 32) % FL_MAGLEV_SIZE;

	/* Keeps the compiler from scaling the index before the check that the verifier needs to see. */
	asm volatile("" : "+r"(index));
	if (!maglev || index >= FL_MAGLEV_SIZE)
		return slot_random(level);
	return slot_at(level->first + maglev->slot[index]);
}

FL_INLINE const struct fl_slot *slot_choose(const struct fl_service *service, __u32 service_id, __u32 number,
					    const struct fl_level *level, __u64 client)
{
	struct fl_service_state *state;

	switch (service->algorithm) {
	case FL_ROUND_ROBIN:
		state = service_state(service->state_index, service->generation);
		return state ? slot_at(level->first + FL_ADD(&state->round_robin, 1) % level->count)
			     : slot_random(level);
	case FL_LEAST_CONN:
		return slot_least(level);
	case FL_MAGLEV:
		return number == 0 ? slot_maglev(service_id, level, client) : slot_random(level);
	default:
		return slot_random(level);
	}
}

/* What a pick is asked and answers; scalars only, because a global function's arguments lose what the verifier knew. */
struct fl_pick_query {
	__u64 client;
	__u32 service_id;
	__u32 level;
	__u32 backend_id; /* answer */
	__u32 unused;
	__u32 start;
	__u32 found;
};

FL_INLINE int slot_take(const struct fl_service *service, const struct fl_slot *slot, struct fl_pick_query *query)
{
	struct fl_pick pick;

	if (!slot || !pick_row(slot->backend_id, &pick) || !pick_usable(service, &pick, bpf_ktime_get_ns()))
		return 0;
	query->backend_id = slot->backend_id;
	query->found = 1;
	return 1;
}

/* One step: a try by the service's algorithm first, then slot after slot. */
static long level_step(__u32 index, struct fl_pick_query *query)
{
	const struct fl_service *service = service_find(query->service_id);
	__u32 number = query->level;
	const struct fl_slot *slot;
	struct fl_level level;

	if (!service || number >= FL_LEVELS)
		return 1;
	level = service->levels[number];
	if (level.count == 0 || index >= level.count + FL_RANDOM_TRIES)
		return 1;
	if (index < FL_RANDOM_TRIES)
		slot = slot_choose(service, query->service_id, number, &level, query->client);
	else
		slot = slot_at(level.first + (query->start + index) % level.count);
	return slot_take(service, slot, query);
}

/* Picks in one level: 1 and query->backend_id, or 0. A global function, verified once by itself. */
__noinline int fl_level_pick(struct fl_pick_query *query)
{
	struct fl_pick_query local;

	if (!query)
		return 0;
	local = *query; /* bpf_loop takes a pointer to this function's own stack only */
	local.found = 0;
	/* The common case without the cost of a callback. */
	if (!level_step(0, &local)) {
		local.start = bpf_get_prandom_u32();
		bpf_loop(FL_RANDOM_TRIES + FL_WALK_SLOTS, level_step, &local, 0);
	}
	query->backend_id = local.backend_id;
	return local.found;
}

#endif
