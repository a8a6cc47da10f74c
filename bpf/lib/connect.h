/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 6: what happens at connect. */
#ifndef FAIRLEAD_BPF_CONNECT_H
#define FAIRLEAD_BPF_CONNECT_H

#include "account.h"
#include "choose.h"
#include "flow.h"
#include "outlier.h"
#include "policy.h"
#include "timeout.h"
#include "tuple.h"

#define FL_ECONNREFUSED 111

/* Fails the connect at once, with a counter, a series and an event for the reason. */
FL_INLINE int connect_refuse(struct bpf_sock_addr *ctx, const struct fl_addr *asked, __u32 service_id, __u8 reason)
{
	struct flow_refusal what = {
		.asked = *asked,
		.port = ctx->user_port,
		.proto = ctx->protocol,
		.type = FL_EVENT_FAIL,
		.reason = reason,
		.service_id = service_id,
	};

	count(reason == FL_R_OVER_LIMIT ? FL_C_OVER_LIMIT : FL_C_NO_BACKEND);
	fl_refused(ctx, &what);
	bpf_set_retval(-FL_ECONNREFUSED);
	return 0;
}

FL_INLINE void connect_dice(struct fl_choice *choice)
{
	choice->now_ns = bpf_ktime_get_ns();
	choice->chance = choice->now_ns ^ ((__u64)bpf_get_prandom_u32() << 32);
}

/* What fl_choose() is asked for a caller of connect. */
FL_INLINE void connect_ask(struct fl_choice *choice, struct bpf_sock_addr *ctx, int v6)
{
	addr_from_ctx(&choice->asked, ctx, v6);
	choice->port = ctx->user_port;
	choice->proto = ctx->protocol;
	choice->client = bpf_get_netns_cookie(ctx);
	connect_dice(choice);
}

/* Counts what was decided. Picks that gave a backend are counted by who takes them: policy and limits come first. */
FL_INLINE void connect_tally(const struct fl_choice *choice)
{
	struct fl_service_state *state = service_state(choice->service_state, choice->service_generation);

	if (choice->flags & FL_CHOSE_AFFINITY_MISS)
		count(FL_C_AFFINITY_MISS);
	if ((choice->flags & FL_CHOSE_AFFINITY_NEW) && choice->backend_id)
		count(FL_C_AFFINITY_ADDED);
	if (choice->flags & FL_CHOSE_SLOT_MISS)
		count(FL_C_SLOT_MISS);
	if (choice->flags & FL_CHOSE_ALL_EJECTED)
		count(FL_C_ALL_EJECTED);
	if (!state)
		return;
	if (choice->flags & FL_CHOSE_ALL_EJECTED)
		FL_ADD(&state->all_ejected, 1);
	if (choice->reason == FL_R_NO_BACKEND)
		FL_ADD(&state->no_backend, 1);
	else if (choice->reason == FL_R_OVER_LIMIT)
		FL_ADD(&state->over_limit, 1);
}

/* Counts one more connect at the service; 0: a limit is passed by it, and it is not counted. The count is raised first
 * and looked at afterwards, so that connects on other CPUs cannot pass the limit together. A UDP socket is held from
 * now on, so it is active at once. */
FL_INLINE int service_enter(const struct fl_choice *choice, struct fl_service_state *state, int udp)
{
	__u32 *counter = udp ? &state->active : &state->pending;
	__u32 now = FL_ADD(counter, 1) + 1;
	__u32 other = FL_READ(*(udp ? &state->pending : &state->active));

	if ((!choice->max_connections || now + other <= choice->max_connections) &&
	    (!choice->max_pending || udp || now <= choice->max_pending))
		return 1;
	FL_ADD(counter, -1);
	return 0;
}

FL_INLINE int backend_enter(const struct fl_choice *choice, struct fl_backend_state *state, int udp)
{
	__u32 *counter = udp ? &state->active : &state->pending;
	__u32 now = FL_ADD(counter, 1) + 1;
	__u32 other = FL_READ(*(udp ? &state->pending : &state->active));

	if (!choice->backend_connections || now + other <= choice->backend_connections) {
		FL_ADD(&state->total, 1);
		return 1;
	}
	FL_ADD(counter, -1);
	return 0;
}

/* Counts the connect as under way (UDP: as held) at its service and its backend; 0: over a limit, not counted. */
FL_INLINE int connect_enter(const struct fl_choice *choice, int udp)
{
	struct fl_service_state *service = service_state(choice->service_state, choice->service_generation);
	struct fl_backend_state *backend = backend_state(choice->backend_id, choice->backend_generation);

	if (service && !service_enter(choice, service, udp))
		return 0;
	if (backend && !backend_enter(choice, backend, udp)) {
		if (service)
			FL_ADD(udp ? &service->active : &service->pending, -1);
		return 0;
	}
	if (service)
		FL_ADD(&service->total, 1);
	if (backend)
		outlier_given(service, backend, choice->now_ns);
	return 1;
}

/* A limit that connects on other CPUs reached since the pick. A function of its own, for the stack (kernel 6.1). */
static __noinline void connect_passed(const struct fl_choice *choice)
{
	struct fl_service_state *state = service_state(choice->service_state, choice->service_generation);

	if (state)
		FL_ADD(&state->over_limit, 1);
}

/* What an earlier connect of the same socket counted: a TCP socket whose attempt failed, or a UDP socket that is given
 * another peer. Gives what was held, for connect_restore(). */
FL_INLINE __u32 connect_release(struct fl_sock *sock)
{
	__u32 held = sock->flags & (FL_SOCK_PENDING | FL_SOCK_ACTIVE);

	flow_uncount(sock, FL_SOCK_PENDING);
	flow_uncount(sock, FL_SOCK_ACTIVE);
	return held;
}

/* The connect is refused: a UDP socket keeps the peer that it had, and so its count. */
FL_INLINE void connect_restore(struct fl_sock *sock, __u32 held)
{
	if (sock && sock->proto == FL_UDP && (held & FL_SOCK_ACTIVE))
		flow_count(sock, FL_SOCK_ACTIVE);
}

/* Ends what the socket was before: a UDP socket may connect again without being closed. */
FL_INLINE void connect_forget(struct bpf_sock_addr *ctx, struct fl_sock *sock)
{
	if (sock->proto == FL_UDP)
		fl_udp_reopened(ctx);
	__builtin_memset(sock, 0, sizeof(*sock));
}

/* Remembers what was asked and given. */
FL_INLINE void connect_remember(struct bpf_sock_addr *ctx, struct fl_sock *sock, const struct fl_choice *choice,
				const struct fl_decision *decision)
{
	const struct fl_settings *set = settings();

	connect_forget(ctx, sock);
	sock->service_addr = choice->asked;
	sock->service_port = choice->port;
	sock->backend_addr = choice->backend_addr;
	sock->backend_port = choice->backend_port;
	sock->proto = choice->proto;
	sock->service_id = choice->service_id;
	sock->service_state = choice->service_state;
	sock->service_generation = choice->service_generation;
	sock->backend_id = choice->backend_id;
	sock->backend_generation = choice->backend_generation;
	sock->source_workload = decision->source_workload;
	sock->destination_workload = choice->workload_id;
	sock->policy_id = decision->policy_id;
	sock->netns_cookie = choice->client;
	sock->start_ns = choice->now_ns;
	sock->flags = FL_SOCK_CLIENT | (choice->proto == FL_UDP ? FL_SOCK_ACTIVE : FL_SOCK_PENDING);
	if (set && set->events)
		flow_caller(sock);
	if (choice->proto == FL_UDP)
		sock->established_ns = sock->start_ns;
	if (choice->flags & FL_CHOSE_WATCHED)
		sock->flags |= FL_SOCK_WATCHED;
}

/* Policy. The two halves are functions of their own, one after the other: the stack of all calls together is 512 bytes,
 * each rounded up to 32 (kernel 6.1). */
static __noinline int connect_judge(struct bpf_sock_addr *ctx, const struct fl_addr *to, __be16 port,
				    struct fl_decision *decision)
{
	return client_decide(ctx, to, port, ctx->protocol, decision);
}

/* 0: EACCES. Denials, and what a rule audits, are told with the service that was asked for. */
FL_INLINE int connect_admit(struct bpf_sock_addr *ctx, const struct fl_choice *choice, const struct fl_addr *to,
			    __be16 port, struct fl_decision *decision)
{
	struct flow_refusal what = {};
	int denied;

	connect_judge(ctx, to, port, decision);
	denied = decision->verdict == FL_DENY;
	if (decision->flags & FL_DECISION_AUDIT)
		count(FL_C_AUDITED);
	else if (!denied)
		return 1;
	what.asked = choice->asked;
	what.port = choice->port;
	what.proto = choice->proto;
	what.type = denied ? FL_EVENT_DENY : FL_EVENT_AUDIT;
	what.reason = decision->reason;
	what.service_id = choice->service_id;
	what.destination_workload = decision->destination_workload;
	what.policy_id = decision->policy_id;
	fl_refused(ctx, &what);
	if (!denied)
		return 1;
	count(FL_C_DENIED_CLIENT);
	bpf_set_retval(-FL_EACCES);
	return 0;
}

/* A connect to an address that is no service's: what the socket had before is forgotten. TCP is remembered for series
 * and events, both for the policy that may come to forbid it. */
FL_INLINE int connect_elsewhere(struct bpf_sock_addr *ctx, struct fl_sock *sock, const struct fl_choice *choice,
				const struct fl_settings *set)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_decision decision = {};
	int wanted = ((choice->proto == FL_TCP && flow_wanted(set)) || set->policy) && !addr_is_own(&choice->asked);

	if (!connect_admit(ctx, choice, &choice->asked, choice->port, &decision))
		return 0;
	if (sock)
		connect_forget(ctx, sock);
	if (sock && sk && !wanted)
		bpf_sk_storage_delete(&fl_socks, sk);
	if (!sk || !wanted)
		return 1;
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sock) {
		count(FL_C_STORAGE_FULL);
		return 1;
	}
	sock->backend_addr = choice->asked;
	sock->backend_port = choice->port;
	sock->proto = choice->proto;
	sock->source_workload = decision.source_workload;
	sock->destination_workload = decision.destination_workload;
	sock->policy_id = decision.policy_id;
	sock->netns_cookie = choice->client;
	sock->start_ns = choice->now_ns;
	sock->flags = FL_SOCK_CLIENT;
	flow_caller(sock);
	return 1;
}

/* Puts a decision into force: policy, limits, memory, address. */
FL_INLINE int connect_give(struct bpf_sock_addr *ctx, struct fl_sock *sock, const struct fl_choice *choice, int v6)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_decision decision = {};

	if (!connect_admit(ctx, choice, &choice->backend_addr, choice->backend_port, &decision))
		return 0;
	if (!sock && sk)
		sock = bpf_sk_storage_get(&fl_socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!sock) {
		count(FL_C_STORAGE_FULL);
	} else {
		if (!connect_enter(choice, choice->proto == FL_UDP)) {
			connect_passed(choice);
			return connect_refuse(ctx, &choice->asked, choice->service_id, FL_R_OVER_LIMIT);
		}
		connect_remember(ctx, sock, choice, &decision);
		if (choice->connect_timeout_ms && choice->proto == FL_TCP && timeout_begin(ctx, choice->connect_timeout_ms))
			sock->flags |= FL_SOCK_TIMED;
	}
	addr_to_ctx(&choice->backend_addr, choice->backend_port, ctx, v6);
	count(FL_C_TRANSLATED);
	return 1;
}

FL_INLINE int connect_balance(struct bpf_sock_addr *ctx, int v6)
{
	const struct fl_settings *set = settings();
	struct bpf_sock *sk = ctx->sk;
	struct fl_choice choice = {};
	struct fl_sock *sock;
	__u32 held = 0;
	int given;

	if (!set || !sk || (ctx->protocol != FL_TCP && ctx->protocol != FL_UDP))
		return 1;
	count(FL_C_CONNECT);
	client_identify(ctx, set);
	connect_ask(&choice, ctx, v6);
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (sock) {
		held = connect_release(sock);
		if (sock->flags & FL_SOCK_TIMED)
			timeout_forget(ctx);
	}
	given = set->balance && fl_choose(&choice);
	if (!choice.service_id) {
		given = connect_elsewhere(ctx, sock, &choice, set);
		sock = given ? 0 : sock;
	} else {
		connect_tally(&choice);
		given = given ? connect_give(ctx, sock, &choice, v6)
			      : connect_refuse(ctx, &choice.asked, choice.service_id, choice.reason);
	}
	if (!given && sock)
		connect_restore(sock, held);
	return given;
}

#endif
