/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: what happens at connect. */
#ifndef FAIRLEAD_BPF_CONNECT_H
#define FAIRLEAD_BPF_CONNECT_H

#include "service.h"
#include "tuple.h"

#define FL_ECONNREFUSED 111

FL_INLINE int connect_refuse(__u32 counter)
{
	count(counter);
	bpf_set_retval(-FL_ECONNREFUSED);
	return 0;
}

/* The backend that this client was given before, if it is still there and affinity has not run out. */
FL_INLINE int affinity_pick(const struct fl_service *service, __u32 service_id, __u64 client, struct fl_pick *pick)
{
	struct fl_affinity_key key = {.client = client, .service_id = service_id};
	struct fl_affinity *found = bpf_map_lookup_elem(&fl_affinity, &key);
	__u64 now = bpf_ktime_get_ns();

	if (!found || now - found->used_ns > (__u64)service->affinity_seconds * 1000000000ULL)
		return 0;
	if (!pick_row(found->backend_id, pick) || pick->generation != found->generation ||
	    pick->backend->service_id != service_id || !(pick->backend->flags & FL_BACKEND_READY) ||
	    !pick_usable(service, pick, now)) {
		count(FL_C_AFFINITY_MISS);
		return 0;
	}
	found->used_ns = now;
	return 1;
}

FL_INLINE void affinity_keep(__u32 service_id, __u64 client, const struct fl_pick *pick)
{
	struct fl_affinity_key key = {.client = client, .service_id = service_id};
	struct fl_affinity value = {
		.backend_id = pick->backend_id, .generation = pick->generation, .used_ns = bpf_ktime_get_ns()};

	bpf_map_update_elem(&fl_affinity, &key, &value, BPF_ANY);
}

FL_INLINE int service_pick(const struct fl_service *service, __u32 service_id, __u64 client, struct fl_pick *pick)
{
	struct fl_pick_query query = {.client = client, .service_id = service_id};
	__u32 level;

	if ((service->flags & FL_SERVICE_AFFINITY) && affinity_pick(service, service_id, client, pick))
		return 1;
	/* A counter of its own: the verifier takes query.level for unknown after the call. */
	for (level = 0; level < FL_LEVELS; level++) {
		query.level = level;
		if (fl_level_pick(&query) && pick_row(query.backend_id, pick))
			goto found;
	}
	/* Every candidate is ejected or full. Connection limits stand; ejections give way: a backend that may fail is
	 * better than a certain refusal. */
	if (service->levels[0].count == 0)
		return 0;
	{
		const struct fl_slot *slot = slot_random(&service->levels[0]);

		if (!slot || !pick_row(slot->backend_id, pick))
			return 0;
		if (service->backend_connections && pick->state &&
		    pick->state->active + pick->state->pending >= service->backend_connections)
			return 0;
		count(FL_C_ALL_EJECTED);
	}
found:
	if (service->flags & FL_SERVICE_AFFINITY)
		affinity_keep(service_id, client, pick);
	return 1;
}

/* Remembers what was asked and given, and counts the connect as under way (UDP: as held). */
FL_INLINE void connect_remember(struct bpf_sock_addr *ctx, const struct fl_addr *asked, __be16 port, __u32 service_id,
				const struct fl_service *service, const struct fl_pick *pick)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_service_state *state = service_state(service->state_index, service->generation);
	struct fl_sock *sock = sk ? bpf_sk_storage_get(&fl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	int udp = ctx->protocol == FL_UDP;

	if (!sock) {
		count(FL_C_STORAGE_FULL);
		return;
	}
	__builtin_memset(sock, 0, sizeof(*sock));
	sock->service_addr = *asked;
	sock->service_port = port;
	sock->backend_addr = pick->backend->addr;
	sock->backend_port = pick->backend->port;
	sock->proto = ctx->protocol;
	sock->service_id = service_id;
	sock->service_state = service->state_index;
	sock->service_generation = service->generation;
	sock->backend_id = pick->backend_id;
	sock->backend_generation = pick->generation;
	sock->destination_workload = pick->backend->workload_id;
	sock->netns_cookie = bpf_get_netns_cookie(ctx);
	sock->start_ns = bpf_ktime_get_ns();
	sock->flags = FL_SOCK_CLIENT | (udp ? FL_SOCK_ACTIVE : FL_SOCK_PENDING);
	if (state) {
		FL_ADD(&state->total, 1);
		FL_ADD(udp ? &state->active : &state->pending, 1);
	}
	if (pick->state) {
		FL_ADD(&pick->state->total, 1);
		FL_ADD(udp ? &pick->state->active : &pick->state->pending, 1);
	}
}

FL_INLINE int service_full(const struct fl_service *service)
{
	struct fl_service_state *state = service_state(service->state_index, service->generation);

	if (!state)
		return 0;
	if (service->max_connections && state->active + state->pending >= service->max_connections)
		return 1;
	return service->max_pending && state->pending >= service->max_pending;
}

FL_INLINE int connect_balance(struct bpf_sock_addr *ctx, int v6)
{
	const struct fl_settings *set = settings();
	const struct fl_frontend *frontend;
	const struct fl_service *service;
	struct fl_pick pick = {};
	struct fl_addr asked;
	__be16 port = ctx->user_port;
	__u32 service_id;

	if (!set || !set->balance || (ctx->protocol != FL_TCP && ctx->protocol != FL_UDP))
		return 1;
	count(FL_C_CONNECT);
	addr_from_ctx(&asked, ctx, v6);
	frontend = frontend_find(&asked, port, ctx->protocol);
	if (!frontend)
		return 1;
	service_id = frontend->service_id;
	service = service_find(service_id);
	if (!service)
		return connect_refuse(FL_C_NO_BACKEND);
	if (service_full(service))
		return connect_refuse(FL_C_OVER_LIMIT);
	if (!service_pick(service, service_id, bpf_get_netns_cookie(ctx), &pick) || !pick.backend)
		return connect_refuse(FL_C_NO_BACKEND);
	if (addr_to_ctx(&pick.backend->addr, pick.backend->port, ctx, v6))
		return connect_refuse(FL_C_NO_BACKEND);
	count(FL_C_TRANSLATED);
	connect_remember(ctx, &asked, port, service_id, service, &pick);
	return 1;
}

#endif
