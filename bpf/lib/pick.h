/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: one backend of one level. Pure over its arguments and the tables: also compiled natively. */
#ifndef FAIRLEAD_BPF_PICK_H
#define FAIRLEAD_BPF_PICK_H

#include "service.h"

/* Picks by the service's algorithm that are tried before a level is walked slot by slot. */
#define FL_TRIES 4

/* A search for a backend. Scalars only, because a global function's arguments lose what the verifier knew. Backend
 * ids: 0 is none. */
struct fl_search {
	__u64 client;
	__u64 now_ns;
	__u64 chance;
	__u32 service_id;
	__u32 algorithm;
	__u32 flags; /* enum fl_service_flags */
	__u32 state_index;
	__u32 state_generation;
	__u32 backend_connections;
	__u32 return_ms;
	__u32 dry;
	__u32 level;
	__u32 first; /* the level's run of slots */
	__u32 count;
	__u32 start;
	/* Answers. */
	__u32 found;
	__u32 found_slot;
	__u32 draining; /* the first candidate that is not ready but still serves */
	__u32 ejected;	/* the first candidate that nothing but its ejection forbids */
	__u32 full;	/* candidates at their connection limit */
	__u32 absent;	/* slots whose row is not in use */
	__u32 looked;
};

/* splitmix64 (Steele, Lea, Flood 2014): numbers that a test can repeat, cheaper than a helper call each. */
FL_INLINE __u32 chance_next(__u64 *chance)
{
	__u64 z = (*chance += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) >> 32;
}

FL_INLINE __u32 chance_below(__u64 *chance, __u32 bound)
{
	return ((__u64)chance_next(chance) * bound) >> 32;
}

FL_INLINE int backend_is_full(const struct fl_backend_state *state, __u32 limit)
{
	return limit && state && FL_READ(state->active) + FL_READ(state->pending) >= limit;
}

/* After an ejection a backend's share grows from nothing to full over return_ms. Bit 0 of ejected_until_ns is a mark
 * (outlier.h), one nanosecond here. */
FL_INLINE int backend_is_ejected(const struct fl_backend_state *state, __u32 return_ms, __u64 now, __u64 *chance)
{
	__u64 until = state ? FL_READ(state->ejected_until_ns) : 0;
	__u64 back_ms;

	if (until == 0)
		return 0;
	if (now < until)
		return 1;
	back_ms = (now - until) / 1000000;
	return back_ms < return_ms && chance_below(chance, return_ms) >= back_ms;
}

/* The live counts of a slot's backend, where the service has anything that depends on them: else they are first touched
 * when the connect is counted. */
FL_INLINE const struct fl_backend_state *slot_state(const struct fl_search *search, const struct fl_slot *slot)
{
	if (!search->backend_connections && !(search->flags & FL_SERVICE_OUTLIER))
		return 0;
	return backend_state(slot->backend_id, slot->generation);
}

/* Looks at one slot; 1: it is the one. What else would do is remembered. */
FL_INLINE int search_take(struct fl_search *search, const struct fl_slot *slot)
{
	const struct fl_backend_state *state;
	__u32 ready;

	search->looked++;
	if (!slot || slot->service_id != search->service_id) {
		search->absent++;
		return 0;
	}
	state = slot_state(search, slot);
	ready = FL_READ(slot->flags) & FL_BACKEND_READY;
	if (backend_is_full(state, search->backend_connections)) {
		search->full++;
	} else if ((search->flags & FL_SERVICE_OUTLIER) &&
		   backend_is_ejected(state, search->return_ms, search->now_ns, &search->chance)) {
		if (!search->ejected && ready)
			search->ejected = slot->backend_id;
	} else if (!ready) {
		if (!search->draining)
			search->draining = slot->backend_id;
	} else {
		search->found = slot->backend_id;
		return 1;
	}
	return 0;
}

/* Offset of a weighted random slot (Walker's alias method). */
FL_INLINE __u32 offset_random(struct fl_search *search)
{
	__u32 offset = chance_below(&search->chance, search->count);
	const struct fl_slot *slot = slot_at(search->first + offset);

	if (slot && chance_next(&search->chance) > slot->threshold)
		offset = slot->alias;
	return offset;
}

/* Connections of a slot's backend, as its share of the slot's weight is compared: load * other weight. */
FL_INLINE __u64 slot_load(const struct fl_slot *slot)
{
	void *table = table_of(&fl_be_state_of);
	__u32 id = slot->backend_id;
	const struct fl_backend_state *state = table ? bpf_map_lookup_elem(table, &id) : 0;

	return state ? (__u64)FL_READ(state->active) + FL_READ(state->pending) + 1 : 1;
}

/* The less loaded of two different random slots, by connections for its weight. */
FL_INLINE __u32 offset_least(struct fl_search *search)
{
	__u32 x = offset_random(search), y = offset_random(search);
	const struct fl_slot *a, *b;

	if (x == y && search->count > 1) {
		y = x + 1 + chance_below(&search->chance, search->count - 1);
		y = y >= search->count ? y - search->count : y;
	}
	a = slot_at(search->first + x);
	b = slot_at(search->first + y);
	if (!a || !b)
		return x;
	return slot_load(a) * b->weight <= slot_load(b) * a->weight ? x : y;
}

FL_INLINE __u64 client_hash(const struct fl_search *search)
{
	return search->client * 0x9e3779b97f4a7c15ULL; /* Fibonacci hashing: cookies are small and near each other */
}

/* Of levels that have no table: random by the client's hash, so the same ones each time while the level is the same. */
FL_INLINE __u32 offset_hashed(struct fl_search *search, __u32 try)
{
	__u64 kept = search->chance;
	__u32 offset;

	search->chance = client_hash(search) + search->level * FL_TRIES + try;
	offset = offset_random(search);
	search->chance = kept;
	return offset;
}

/* A client's slot by its hash; further tries go on to other entries, the same ones each time. */
FL_INLINE __u32 offset_maglev(struct fl_search *search, __u32 try)
{
	void *table = table_of(&fl_maglevs_of);
	__u32 id = search->service_id; /* kernel 6.1 takes keys from the stack only */
	const struct fl_maglev *maglev = table ? bpf_map_lookup_elem(table, &id) : 0;
	__u32 index = ((client_hash(search) >> 32) + try * 4099ULL) % FL_MAGLEV_SIZE;

	/* Keeps the compiler from scaling the index before the check that the verifier needs to see. */
	asm volatile("" : "+r"(index));
	if (!maglev || search->level != 0 || index >= FL_MAGLEV_SIZE)
		return offset_hashed(search, try);
	return maglev->slot[index];
}

FL_INLINE __u32 offset_round_robin(struct fl_search *search, __u32 try)
{
	struct fl_service_state *state = service_state(search->state_index, search->state_generation);

	if (!state)
		return offset_random(search);
	if (search->dry)
		return (FL_READ(state->round_robin) + try) % search->count;
	return FL_ADD(&state->round_robin, 1) % search->count;
}

FL_INLINE __u32 offset_choose(struct fl_search *search, __u32 try)
{
	switch (search->algorithm) {
	case FL_ROUND_ROBIN:
		return offset_round_robin(search, try);
	case FL_LEAST_CONN:
		return offset_least(search);
	case FL_MAGLEV:
		return offset_maglev(search, try);
	default:
		return offset_random(search);
	}
}

/* bpf_loop takes a pointer to its caller's own stack only. */
struct search_loop {
	struct fl_search *search;
};

FL_INLINE int search_take_at(struct fl_search *search, __u32 index)
{
	search->found_slot = index;
	return search_take(search, slot_at(index));
}

/* One step: by the service's algorithm first, then slot after slot from a random one. */
static long search_step(__u32 index, struct search_loop *loop)
{
	struct fl_search *search = loop->search;
	__u32 offset;

	if (index < FL_TRIES - 1)
		offset = offset_choose(search, index + 1);
	else
		offset = (search->start + (index - (FL_TRIES - 1))) % search->count;
	return search_take_at(search, search->first + offset);
}

/* Picks in the level of search->first and count: 1 and search->found, or 0. A global function, verified once by
 * itself. */
__noinline int fl_level_pick(struct fl_search *search)
{
	struct search_loop loop = {};

	if (!search || search->count == 0)
		return 0;
	loop.search = search;
	/* The common case without the cost of a callback. */
	if (!search_take_at(search, search->first + offset_choose(search, 0))) {
		search->start = search->algorithm == FL_MAGLEV ? offset_hashed(search, FL_TRIES)
							       : chance_below(&search->chance, search->count);
		bpf_loop(FL_TRIES - 1 + search->count, search_step, &loop, 0);
	}
	return search->found != 0;
}

#endif
