/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 7: unconnected UDP. Each datagram names its target, so each is translated; the socket stays with the backend that
 * its first one was given. */
#ifndef FAIRLEAD_BPF_DATAGRAM_H
#define FAIRLEAD_BPF_DATAGRAM_H

#include "connect.h"

FL_INLINE int addr_equal(const struct fl_addr *a, const struct fl_addr *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

/* The pair of a service's address, or of a backend's: of several the one that was asked last. */
FL_INLINE struct fl_udp_pair *held_find(struct fl_udp_held *held, const struct fl_addr *addr, __be16 port, __u32 kind)
{
	struct fl_udp_pair *pair, *found = 0;
	__u32 i;

#pragma unroll
	for (i = 0; i < FL_UDP_HELD; i++) {
		pair = &held->pairs[i];
		if (!pair->service_id ||
		    !(kind == FL_UDP_ASKED ? pair->port == port && addr_equal(&pair->asked, addr)
					   : pair->backend_port == port && addr_equal(&pair->backend_addr, addr)))
			continue;
		if (!found || (__s32)(pair->turn - found->turn) > 0)
			found = pair;
	}
	return found;
}

FL_INLINE struct fl_udp_held *datagram_held(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&fl_udp_held, sk, 0, 0) : 0;
}

/* The turn of what is asked now. One that was asked last stands already, so that most sockets write nothing. */
FL_INLINE __u32 held_turn(struct fl_udp_held *held, __u32 turn)
{
	return held->turns == turn + 1 ? turn : held->turns++;
}

/* Holds on to what the socket was given; 0: there is no room. */
static __noinline int datagram_hold(struct bpf_sock_addr *ctx, const struct fl_choice *choice)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_udp_held *held = sk ? bpf_sk_storage_get(&fl_udp_held, sk, 0, BPF_SK_STORAGE_GET_F_CREATE) : 0;
	struct fl_udp_pair *pair;
	__u32 i;

	if (!held) {
		count(FL_C_STORAGE_FULL);
		return 0;
	}
#pragma unroll
	for (i = 0; i < FL_UDP_HELD; i++) {
		pair = &held->pairs[i];
		if (pair->service_id && (pair->port != choice->port || !addr_equal(&pair->asked, &choice->asked)))
			continue;
		pair->asked = choice->asked;
		pair->port = choice->port;
		pair->backend_addr = choice->backend_addr;
		pair->backend_port = choice->backend_port;
		pair->backend_id = choice->backend_id;
		pair->generation = choice->backend_generation;
		pair->turn = held->turns++;
		FL_WRITE(pair->service_id, choice->service_id);
		return 1;
	}
	return 0;
}

/* Sees to it that an answer of the backend will seem to come from choice->asked, which is in fl_udp_peers. Two services may
 * lead a socket to one backend: the one that was asked last has it. 0: the row had been pushed out. */
static __noinline int datagram_expect(struct bpf_sock_addr *ctx, const struct fl_choice *choice)
{
	struct fl_udp_peer_key key = {.cookie = bpf_get_socket_cookie(ctx), .kind = FL_UDP_ANSWER};
	struct fl_udp_held *held = datagram_held(ctx->sk);
	struct fl_udp_peer *known;
	struct fl_udp_peer peer = {};

	key.addr = choice->backend_addr;
	key.port = choice->backend_port;
	known = bpf_map_lookup_elem(&fl_udp_peers, &key);
	if (held) {
		held->rows = 1;
		peer.turn = (__u16)held->turns++;
	}
	if (known && known->service_port == choice->port && addr_equal(&known->service_addr, &choice->asked)) {
		known->turn = peer.turn;
		return 1;
	}
	peer.service_addr = choice->asked;
	peer.service_port = choice->port;
	peer.service_id = choice->service_id;
	peer.backend_id = choice->backend_id;
	peer.generation = choice->backend_generation;
	bpf_map_update_elem(&fl_udp_peers, &key, &peer, BPF_ANY);
	return known != 0;
}

enum datagram_row {
	FL_ROW_NONE = 0, /* it has no backend that serves */
	FL_ROW_HELD,
	FL_ROW_LISTED, /* in fl_udp_peers only */
};

/* The backend that this socket was given before for this address, while it serves. */
static __noinline int datagram_known(struct bpf_sock_addr *ctx, struct fl_choice *choice)
{
	struct fl_udp_peer_key key = {.cookie = bpf_get_socket_cookie(ctx), .kind = FL_UDP_ASKED};
	struct fl_udp_held *held = datagram_held(ctx->sk);
	struct fl_udp_pair *pair = held ? held_find(held, &choice->asked, choice->port, FL_UDP_ASKED) : 0;
	__u32 backend_id, generation, service_id;
	const struct fl_backend *backend;
	const struct fl_udp_peer *peer;

	if (pair) {
		backend_id = pair->backend_id;
		generation = pair->generation;
		service_id = pair->service_id;
		pair->turn = held_turn(held, pair->turn);
	} else {
		key.addr = choice->asked;
		key.port = choice->port;
		peer = bpf_map_lookup_elem(&fl_udp_peers, &key);
		if (!peer)
			return FL_ROW_NONE;
		backend_id = peer->backend_id;
		generation = peer->generation;
		service_id = peer->service_id;
	}
	backend = backend_find(backend_id);
	if (!backend || backend->generation != generation || service_id != choice->service_id ||
	    !(backend->flags & (FL_BACKEND_READY | FL_BACKEND_TERMINATING)))
		return FL_ROW_NONE;
	if (!choice_give(choice, backend_id))
		return FL_ROW_NONE;
	return pair ? FL_ROW_HELD : FL_ROW_LISTED;
}

static __noinline void datagram_keep(struct bpf_sock_addr *ctx, const struct fl_choice *choice)
{
	struct fl_udp_peer_key key = {.cookie = bpf_get_socket_cookie(ctx), .kind = FL_UDP_ASKED};
	struct fl_udp_peer peer = {.service_id = choice->service_id,
				   .backend_id = choice->backend_id,
				   .generation = choice->backend_generation};

	key.addr = choice->asked;
	key.port = choice->port;
	bpf_map_update_elem(&fl_udp_peers, &key, &peer, BPF_ANY);
}

/* Whether what is held is to be in fl_udp_peers too. */
FL_INLINE int datagram_lists(void)
{
	__u32 zero = 0;
	const __u32 *on = bpf_map_lookup_elem(&fl_udp_rows, &zero);

	return on && FL_READ(*on);
}

/* Whether the socket has the peer that its fl_sock tells of: one that was disconnected (AF_UNSPEC) or ended had it. */
FL_INLINE int datagram_has_peer(const struct bpf_sock *sk)
{
	return sk->state == BPF_TCP_ESTABLISHED;
}

/* A connected socket that names its own service keeps its backend. */
FL_INLINE int datagram_connected(const struct bpf_sock *sk, const struct fl_sock *sock, struct fl_choice *choice)
{
	if (!sock || !sock->service_id || sock->service_port != choice->port ||
	    !addr_equal(&sock->service_addr, &choice->asked) || !datagram_has_peer(sk))
		return 0;
	choice->service_id = sock->service_id;
	choice->backend_id = sock->backend_id;
	choice->backend_generation = sock->backend_generation;
	choice->backend_addr = sock->backend_addr;
	choice->backend_port = sock->backend_port;
	return 1;
}

FL_INLINE void datagram_ask(struct fl_choice *choice, struct bpf_sock_addr *ctx, int v6)
{
	addr_from_ctx(&choice->asked, ctx, v6);
	choice->port = ctx->user_port;
	choice->proto = ctx->protocol;
	choice->client = bpf_get_netns_cookie(ctx);
}

enum datagram_backend {
	FL_DATAGRAM_NONE = 0,
	FL_DATAGRAM_KNOWN, /* the socket had it before */
	FL_DATAGRAM_ANEW,
};

/* Not FL_DATAGRAM_NONE: choice->backend_* says where to. */
FL_INLINE int datagram_choose(struct bpf_sock_addr *ctx, struct fl_choice *choice)
{
	const struct fl_frontend *frontend;
	struct bpf_sock *sk = ctx->sk;
	int given, row;

	if (addr_is_of_client(&choice->asked, choice->client))
		return FL_DATAGRAM_NONE;
	frontend = frontend_find(&choice->asked, choice->port, choice->proto);
	if (!frontend) /* most answers of servers: a datagram to somewhere else is no connect */
		return FL_DATAGRAM_NONE;
	if (sk && datagram_connected(sk, bpf_sk_storage_get(&fl_socks, sk, 0, 0), choice))
		return FL_DATAGRAM_KNOWN;
	choice->service_id = frontend->service_id;
	row = datagram_known(ctx, choice);
	/* Listed by the agent before, or beyond what is held. */
	if (row == FL_ROW_LISTED && !datagram_hold(ctx, choice) && !datagram_expect(ctx, choice))
		count(FL_C_UDP_PEER_EVICTED);
	if (row != FL_ROW_NONE)
		return FL_DATAGRAM_KNOWN;
	connect_dice(choice);
	given = fl_choose_of(choice, &frontend->service);
	count(FL_C_CONNECT);
	connect_tally(choice);
	return given ? FL_DATAGRAM_ANEW : FL_DATAGRAM_NONE;
}

/* The socket may have the backend: from now on it keeps it. */
FL_INLINE void datagram_give(struct bpf_sock_addr *ctx, const struct fl_choice *choice)
{
	struct fl_service_state *service = service_state(choice->service_state, choice->service_generation);
	struct fl_backend_state *backend = backend_state(choice->backend_id, choice->backend_generation);
	int held;

	count(FL_C_TRANSLATED);
	if (service)
		FL_ADD(&service->total, 1);
	if (backend)
		FL_ADD(&backend->total, 1);
	held = datagram_hold(ctx, choice);
	if (!held)
		count(FL_C_UDP_PEER_UNHELD);
	if (held && !datagram_lists())
		return;
	datagram_keep(ctx, choice);
	datagram_expect(ctx, choice);
}

/* sendmsg and sendto with an address; not called where a connected socket sends without one. */
FL_INLINE int datagram_send(struct bpf_sock_addr *ctx, int v6)
{
	const struct fl_settings *set = settings();
	struct fl_decision decision = {};
	struct fl_choice choice = {};
	int backend;

	if (!set || ctx->protocol != FL_UDP)
		return 1;
	client_identify(ctx, set);
	datagram_ask(&choice, ctx, v6);
	backend = set->balance ? datagram_choose(ctx, &choice) : FL_DATAGRAM_NONE;
	if (backend == FL_DATAGRAM_NONE) {
		if (choice.service_id)
			return connect_refuse(ctx, &choice.asked, choice.service_id, choice.reason);
		return connect_admit(ctx, &choice, &choice.asked, choice.port, &decision);
	}
	if (!connect_admit(ctx, &choice, &choice.backend_addr, choice.backend_port, &decision))
		return 0;
	if (backend == FL_DATAGRAM_ANEW)
		datagram_give(ctx, &choice);
	addr_to_ctx(&choice.backend_addr, choice.backend_port, ctx, v6);
	return 1;
}

/* What the socket asked for that is answered now. The agent before may have known it: while its maps are replaced, its
 * programs send on when ours receive already. */
FL_INLINE const struct fl_udp_peer *datagram_peer(const struct fl_udp_peer_key *key)
{
	const struct fl_udp_peer *peer = bpf_map_lookup_elem(&fl_udp_peers, key);
	void *before;

	if (peer)
		return peer;
	before = table_of(&fl_udp_before);
	return before ? bpf_map_lookup_elem(before, key) : 0;
}

/* recvmsg and recvfrom that want the sender's address. */
FL_INLINE int datagram_receive(struct bpf_sock_addr *ctx, int v6)
{
	struct fl_udp_peer_key key = {.kind = FL_UDP_ANSWER, .port = ctx->user_port};
	const struct fl_udp_peer *peer = 0;
	const struct fl_udp_pair *pair = 0;
	struct bpf_sock *sk = ctx->sk;
	struct fl_udp_held *held;
	const struct fl_sock *sock;

	if (ctx->protocol != FL_UDP)
		return 1;
	addr_from_ctx(&key.addr, ctx, v6);
	sock = sk ? bpf_sk_storage_get(&fl_socks, sk, 0, 0) : 0;
	if (sock && (!sock->service_id || sock->backend_port != key.port || !addr_equal(&sock->backend_addr, &key.addr)))
		sock = 0;
	if (!sock || !datagram_has_peer(sk)) {
		held = datagram_held(sk);
		pair = held ? held_find(held, &key.addr, key.port, FL_UDP_ANSWER) : 0;
		key.cookie = bpf_get_socket_cookie(ctx);
		peer = pair && !held->rows ? 0 : datagram_peer(&key);
		if (pair && peer && (__s16)(peer->turn - (__u16)pair->turn) < 0)
			peer = 0;
	}
	if (peer)
		addr_to_ctx(&peer->service_addr, peer->service_port, ctx, v6);
	else if (pair)
		addr_to_ctx(&pair->asked, pair->port, ctx, v6);
	else if (sock)
		addr_to_ctx(&sock->service_addr, sock->service_port, ctx, v6);
	return 1;
}

#endif
