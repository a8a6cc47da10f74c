/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: from the address that was asked for to the backend that is given. The same code is compiled natively
 * (tests/bpf) and run by fl_why. */
#ifndef FAIRLEAD_BPF_CHOOSE_H
#define FAIRLEAD_BPF_CHOOSE_H

#include "fairlead/abi/choice.h"
#include "pick.h"

/* Writes the answer; 0 where the backend's row is not that of the service (any more). */
FL_INLINE int choice_give(struct fl_choice *choice, __u32 backend_id)
{
	const struct fl_backend *backend = backend_find(backend_id);

	if (!backend || backend->service_id != choice->service_id)
		return 0;
	choice->backend_id = backend_id;
	choice->backend_generation = backend->generation;
	choice->workload_id = backend->workload_id;
	choice->backend_addr = backend->addr;
	choice->backend_port = backend->port;
	choice->reason = FL_R_NONE;
	return 1;
}

/* The same from the slot that a search ended at, which has all of it. */
FL_INLINE int choice_give_slot(struct fl_choice *choice, const struct fl_search *search)
{
	const struct fl_slot *slot = slot_at(search->found_slot);

	if (!slot || slot->backend_id != search->found)
		return 0;
	choice->backend_id = slot->backend_id;
	choice->backend_generation = slot->generation;
	choice->workload_id = slot->workload_id;
	choice->backend_addr = slot->addr;
	choice->backend_port = slot->port;
	choice->reason = FL_R_NONE;
	return 1;
}

/* The backend that this client was given before, if it is still there and affinity has not run out. */
FL_INLINE int affinity_pick(struct fl_choice *choice, struct fl_search *search, __u32 seconds)
{
	struct fl_affinity_key key = {.client = choice->client, .service_id = choice->service_id};
	struct fl_affinity *found = bpf_map_lookup_elem(&fl_affinity, &key);
	struct fl_slot slot = {};
	const struct fl_backend *backend;

	if (!found)
		choice->flags |= FL_CHOSE_AFFINITY_NEW;
	if (!found || choice->now_ns - found->used_ns > (__u64)seconds * 1000000000ULL)
		return 0;
	slot.backend_id = found->backend_id;
	backend = backend_find(slot.backend_id);
	if (backend) {
		slot.generation = backend->generation;
		slot.service_id = backend->service_id;
		slot.flags = FL_READ(backend->flags);
	}
	if (!backend || slot.generation != found->generation || !search_take(search, &slot) ||
	    !choice_give(choice, slot.backend_id)) {
		choice->flags |= FL_CHOSE_AFFINITY_MISS;
		search->found = 0;
		return 0;
	}
	if (!search->dry)
		found->used_ns = choice->now_ns;
	choice->flags |= FL_CHOSE_AFFINITY;
	return 1;
}

FL_INLINE void affinity_keep(const struct fl_choice *choice)
{
	struct fl_affinity_key key = {.client = choice->client, .service_id = choice->service_id};
	struct fl_affinity value = {.backend_id = choice->backend_id,
				    .generation = choice->backend_generation,
				    .used_ns = choice->now_ns};

	bpf_map_update_elem(&fl_affinity, &key, &value, BPF_ANY);
}

/* Level after level, nearest first. Where no candidate is free: a terminating one; then one that is ejected, for a
 * backend that may fail is better than a certain refusal. Connection limits stand. */
FL_INLINE int levels_pick(struct fl_choice *choice, const struct fl_service *service, struct fl_search *search)
{
	__u32 level;

	for (level = 0; level < FL_LEVELS; level++) {
		search->level = level;
		search->first = service->levels[level].first;
		search->count = service->levels[level].count;
		if (search->count == 0)
			break;
		if (fl_level_pick(search) && choice_give_slot(choice, search)) {
			choice->level = level;
			return 1;
		}
	}
	if (search->absent)
		choice->flags |= FL_CHOSE_SLOT_MISS;
	if (search->draining && choice_give(choice, search->draining)) {
		choice->flags |= FL_CHOSE_DRAINING;
		return 1;
	}
	if (search->ejected && choice_give(choice, search->ejected)) {
		choice->flags |= FL_CHOSE_ALL_EJECTED;
		return 1;
	}
	choice->reason = search->full ? FL_R_OVER_LIMIT : FL_R_NO_BACKEND;
	return 0;
}

/* Limits of the whole service. Read only: connect_count() holds them against connects on other CPUs. */
FL_INLINE int service_is_full(const struct fl_choice *choice)
{
	const struct fl_service_state *state;
	__u32 pending;

	if (!choice->max_connections && !choice->max_pending)
		return 0;
	state = service_state(choice->service_state, choice->service_generation);
	if (!state)
		return 0;
	pending = FL_READ(state->pending);
	return (choice->max_connections && FL_READ(state->active) + pending >= choice->max_connections) ||
	       (choice->max_pending && pending >= choice->max_pending);
}

FL_INLINE void search_begin(struct fl_search *search, const struct fl_choice *choice, const struct fl_service *service)
{
	search->client = choice->client;
	search->now_ns = choice->now_ns;
	search->chance = choice->chance;
	search->service_id = choice->service_id;
	search->algorithm = service->algorithm;
	search->flags = service->flags;
	search->state_index = service->state_index;
	search->state_generation = service->generation;
	search->backend_connections = service->backend_connections;
	search->return_ms = service->return_ms;
	search->dry = choice->flags & FL_CHOOSE_DRY;
}

/* A backend of the service choice->service_id, whose row this is. */
FL_INLINE int service_choose(struct fl_choice *choice, const struct fl_service *service)
{
	struct fl_search search = {};
	int given;

	choice->reason = FL_R_NO_BACKEND;
	choice->service_state = service->state_index;
	choice->service_generation = service->generation;
	choice->max_connections = service->max_connections;
	choice->max_pending = service->max_pending;
	choice->backend_connections = service->backend_connections;
	choice->connect_timeout_ms = service->connect_timeout_ms;
	if ((service->flags & FL_SERVICE_OUTLIER) && (service->rtt_limit_us || service->retrans_limit))
		choice->flags |= FL_CHOSE_WATCHED;
	if (service_is_full(choice)) {
		choice->reason = FL_R_OVER_LIMIT;
		return 0;
	}
	search_begin(&search, choice, service);
	given = ((service->flags & FL_SERVICE_AFFINITY) && affinity_pick(choice, &search, service->affinity_seconds)) ||
		levels_pick(choice, service, &search);
	choice->looked = search.looked;
	if (given && (service->flags & FL_SERVICE_AFFINITY) && !search.dry && !(choice->flags & FL_CHOSE_AFFINITY))
		affinity_keep(choice);
	return given;
}

/* Two global functions: the verifier looks at them once for all programs that call them. One does not call the other, as
 * the stack of all calls together is 512 bytes. */

/* For callers that have the service's row, whose number stands in choice->service_id. */
__noinline int fl_choose_of(struct fl_choice *choice, const struct fl_service *service)
{
	return choice && service ? service_choose(choice, service) : 0;
}

/* The service of choice->asked, and one of its backends. 1: given; 0: service_id 0 or a reason. */
__noinline int fl_choose(struct fl_choice *choice)
{
	const struct fl_frontend *frontend;

	if (!choice || addr_is_of_client(&choice->asked, choice->client))
		return 0;
	frontend = frontend_find(&choice->asked, choice->port, choice->proto);
	if (!frontend)
		return 0;
	choice->service_id = frontend->service_id;
	return service_choose(choice, &frontend->service);
}

#endif
