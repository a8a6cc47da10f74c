// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Makes the sockets of replaced maps known to the maps that replace them: an iterator on an old fl_socks whose rows have
// the layout of ours. Run before the new programs stand, so that they find what they look up from their first call, and
// once more after that for what came in between. Series and counters are added by programs too, as the new programs
// count already.
#include "lib/account.h"
#include "lib/sweep.h"

FL_INLINE const struct fl_carried *carried_of(const struct fl_sock *old)
{
	struct fl_carried_key key = {
		.service_addr = old->service_addr,
		.backend_addr = old->backend_addr,
		.service_port = old->service_port,
		.backend_port = old->backend_port,
		.proto = old->proto,
	};

	return bpf_map_lookup_elem(&fl_carried, &key);
}

/* Numbers that the old agent gave mean nothing here. */
FL_INLINE void carry_workloads(const struct sock *sk, struct fl_sock *sock)
{
	const struct fl_workload *workload;
	struct fl_addr local, remote;
	int server = !!(sock->flags & FL_SOCK_SERVER);

	sweep_addresses(&sk->__sk_common, &local, &remote);
	workload = workload_find(server ? &remote : &local);
	sock->source_workload = workload ? workload->workload_id : 0;
	workload = workload_find(server ? &local : &remote);
	sock->destination_workload = workload ? workload->workload_id : 0;
	sock->policy_id = 0;
}

FL_INLINE void carry_socket(struct bpf_iter_meta *meta, struct sock *sk, const struct fl_sock *old)
{
	const struct fl_carried *to;
	struct fl_sock *found;
	struct fl_sock copy;

	if (old->flags & FL_SOCK_CLOSED)
		return;
	found = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (found) {
		/* Established by the old programs after the first walk; the new ones were not there yet. */
		if ((found->flags & FL_SOCK_PENDING) && (old->flags & FL_SOCK_ACTIVE))
			flow_established(found);
		return;
	}
	copy = *old;
	if (copy.service_id) {
		to = carried_of(old);
		if (!to)
			return; /* newer than the agent's list; the next walk has it */
		copy.service_id = to->service_id;
		copy.service_state = to->service_state;
		copy.service_generation = to->service_generation;
		copy.backend_id = to->backend_id;
		copy.backend_generation = to->backend_generation;
	}
	carry_workloads(sk, &copy);
	/* Counted as it was; the agent's recount then makes the counters say so. */
	bpf_sk_storage_get(&fl_socks, sk, &copy, BPF_SK_STORAGE_GET_F_CREATE);
}
FL_WALK(fl_carry, fl_socks, const struct fl_sock, carry_socket)

/* A row is not put over one of a later turn: of two services with one backend the one that was asked last is answered. */
FL_INLINE void held_list(void *rows, struct fl_udp_peer_key *key, const struct fl_addr *addr, __be16 port,
			 const struct fl_udp_peer *peer)
{
	const struct fl_udp_peer *known;

	key->addr = *addr;
	key->port = port;
	known = bpf_map_lookup_elem(rows, key);
	if (!known || (__s16)(peer->turn - known->turn) > 0)
		bpf_map_update_elem(rows, key, peer, BPF_ANY);
}

/* Run on the fl_udp_held of an agent that is replaced: puts what it has into that agent's fl_udp_peers, as its programs do
 * from when they are told to (fl_udp_rows). */
FL_INLINE void carry_held(struct bpf_iter_meta *meta, struct sock *sk, struct fl_udp_held *held)
{
	struct fl_udp_peer_key key = {};
	struct fl_udp_peer peer = {};
	struct fl_udp_pair pair;
	void *rows;
	__u32 i;

	rows = table_of(&fl_udp_before);
	if (!rows)
		return;
	key.cookie = bpf_get_socket_cookie(sk);
	held->rows = 1;
	for (i = 0; i < FL_UDP_HELD; i++) {
		pair = held->pairs[i]; /* kernel 6.1 takes no value of an iterator for a key of a map */
		if (!pair.service_id)
			continue;
		peer.service_addr = pair.asked;
		peer.service_port = pair.port;
		peer.turn = (__u16)pair.turn;
		peer.service_id = pair.service_id;
		peer.backend_id = pair.backend_id;
		peer.generation = pair.generation;
		key.kind = FL_UDP_ASKED;
		held_list(rows, &key, &pair.asked, pair.port, &peer);
		key.kind = FL_UDP_ANSWER;
		held_list(rows, &key, &pair.backend_addr, pair.backend_port, &peer);
	}
}
FL_WALK(fl_carry_held, fl_udp_held, struct fl_udp_held, carry_held)

FL_INLINE void pair_sum(struct fl_pair_stats *row, const struct fl_pair_stats *more)
{
	__u32 i;

	FL_ADD(&row->opened, more->opened);
	FL_ADD(&row->closed, more->closed);
	FL_ADD(&row->sent_bytes, more->sent_bytes);
	FL_ADD(&row->received_bytes, more->received_bytes);
	FL_ADD(&row->redirected_bytes, more->redirected_bytes);
	FL_ADD(&row->retransmissions, more->retransmissions);
	FL_ADD(&row->srtt_us_sum, more->srtt_us_sum);
	FL_ADD(&row->srtt_samples, more->srtt_samples);
	FL_ADD(&row->connect_us_sum, more->connect_us_sum);
#pragma unroll
	for (i = 0; i < FL_REASONS; i++)
		FL_ADD(&row->failed[i], more->failed[i]);
#pragma unroll
	for (i = 0; i < FL_LATENCY_BUCKETS; i++)
		FL_ADD(&row->connect_us[i], more->connect_us[i]);
}

SEC("syscall")
int fl_carry_pair(struct fl_carried_pair *carried)
{
	struct fl_pair_key key = carried->key;
	struct fl_pair_stats *row = pair_row(&key);

	if (!row)
		return 0;
	pair_sum(row, &carried->stats);
	return 1;
}

SEC("syscall")
int fl_carry_backend(struct fl_carried_backend *carried)
{
	struct fl_sock sock = {.backend_id = carried->key.backend_id, .backend_generation = carried->key.generation};
	struct fl_backend_stats *row = backend_row(&sock);
	const struct fl_backend_stats *more = &carried->stats;
	__u32 i;

	if (!row)
		return 0;
	FL_ADD(&row->closed, more->closed);
	FL_ADD(&row->sent_bytes, more->sent_bytes);
	FL_ADD(&row->received_bytes, more->received_bytes);
	FL_ADD(&row->redirected_bytes, more->redirected_bytes);
	FL_ADD(&row->connect_us_sum, more->connect_us_sum);
#pragma unroll
	for (i = 0; i < FL_REASONS; i++)
		FL_ADD(&row->failed[i], more->failed[i]);
#pragma unroll
	for (i = 0; i < FL_BACKEND_BUCKETS; i++)
		FL_ADD(&row->connect_us[i], more->connect_us[i]);
	return 1;
}

SEC("syscall")
int fl_carry_count(struct fl_carried_count *carried)
{
	count_by(carried->counter, carried->value);
	return 1;
}
