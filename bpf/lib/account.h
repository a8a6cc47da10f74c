/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: series (fl_pairs, fl_be_stats) and events (fl_events) of connections. */
#ifndef FAIRLEAD_BPF_ACCOUNT_H
#define FAIRLEAD_BPF_ACCOUNT_H

#include "identity.h"
#include "service.h"
#include "tuple.h"

/* The agent drains the ring by a timer; it is woken only where more than this waits, so that a busy node costs no
 * wakeup per connection. A quarter of the ring. */
#define FL_EVENTS_WAKE_BYTES (1024 * 1024)

/* ... and then once each time that so much more waits: a wakeup is an interrupt of the CPU to itself, microseconds on a
 * virtual machine. */
#define FL_EVENTS_WAKE_STEP (128 * 1024)

/* New series start here: too large for a program's stack. */
static const struct fl_pair_stats fl_pair_zero;
static const struct fl_backend_stats fl_backend_zero;

/* The series that a connection is counted in; null: in none. */
struct flow_rows {
	struct fl_pair_stats *pair;
	struct fl_backend_stats *backend;
};

/* What TCP says of a socket, from that socket's own side. */
struct flow_totals {
	__u64 sent; /* acknowledged by the peer, SYN and FIN not counted */
	__u64 received;
	__u32 retransmissions;
	__u32 srtt_us; /* 0: no sample */
};

/* The two ends as events and series name them. */
struct flow_ends {
	struct fl_addr source; /* the client's address */
	struct fl_addr destination;
	__be16 source_port;
	__be16 destination_port;
};

FL_INLINE int flow_wanted(const struct fl_settings *set)
{
	return set && (set->metrics || set->events);
}

FL_INLINE __u32 workload_id_at(const struct fl_addr *addr)
{
	const struct fl_workload *found = workload_find(addr);

	return found ? found->workload_id : 0;
}

/* Rows are per CPU, but written with atomics all the same: connects run in tasks, which the same CPU's softirqs, where
 * connections are established and closed, may interrupt. */

/* The row of a series, made where it is missing; the overflow row where no more fit. */
FL_INLINE struct fl_pair_stats *pair_row(const struct fl_pair_key *key)
{
	struct fl_pair_stats *row = bpf_map_lookup_elem(&fl_pairs, key);
	struct fl_pair_key overflow = {};

	if (row)
		return row;
	/* EEXIST: another CPU was faster, and its row serves as well. */
	bpf_map_update_elem(&fl_pairs, key, &fl_pair_zero, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&fl_pairs, key);
	if (row)
		return row;
	count(FL_C_SERIES_FULL);
	return bpf_map_lookup_elem(&fl_pairs, &overflow); /* made by the agent */
}

FL_INLINE struct fl_pair_stats *pair_of(const struct fl_sock *sock, const struct fl_addr *source)
{
	const struct fl_settings *set = settings();
	struct fl_pair_key key = {
		.source_workload = sock->source_workload,
		.destination_workload = sock->destination_workload,
		.proto = sock->proto,
	};

	if (!set || !set->metrics)
		return 0;
	if (sock->flags & FL_SOCK_SERVER) {
		key.reporter = FL_REPORTER_DESTINATION;
		key.port = sock->backend_port;
	} else {
		key.service_id = sock->service_id;
		key.port = sock->service_id ? sock->service_port : sock->backend_port;
	}
	if (set->label_unknown && !key.source_workload)
		key.source_addr = *source;
	return pair_row(&key);
}

/* The series of the backend that a client was given. */
FL_INLINE struct fl_backend_stats *backend_row(const struct fl_sock *sock)
{
	struct fl_backend_key key = {.backend_id = sock->backend_id, .generation = sock->backend_generation};
	const struct fl_settings *set = settings();
	struct fl_backend_stats *row;

	if (!key.backend_id || !set || !set->metrics)
		return 0;
	row = bpf_map_lookup_elem(&fl_be_stats, &key);
	if (row)
		return row;
	bpf_map_update_elem(&fl_be_stats, &key, &fl_backend_zero, BPF_NOEXIST); /* EEXIST: as of pairs */
	row = bpf_map_lookup_elem(&fl_be_stats, &key);
	if (!row)
		count(FL_C_BACKEND_SERIES_FULL);
	return row;
}

FL_INLINE struct flow_rows rows_of(const struct fl_sock *sock, const struct fl_addr *source)
{
	return (struct flow_rows){.pair = pair_of(sock, source), .backend = backend_row(sock)};
}

/* Raises what is counted to `total` and gives the difference. The sweep and the close of a connection may meet here:
 * compare-and-swap lets each byte be added by one of them. A total below what is counted adds nothing. */
FL_INLINE __u64 counted_raise(__u64 *counted, __u64 total)
{
	int i;

#pragma unroll
	for (i = 0; i < 3; i++) {
		__u64 before = FL_READ(*counted);

		if (total <= before)
			return 0;
		if (__sync_val_compare_and_swap(counted, before, total) == before)
			return total - before;
	}
	return 0;
}

FL_INLINE __u32 counted_raise32(__u32 *counted, __u32 total)
{
	__u32 before = FL_READ(*counted);

	if (total <= before || __sync_val_compare_and_swap(counted, before, total) != before)
		return 0;
	return total - before;
}

/* A connection counts as opened when it is first looked at, by the sweep or at its close: whoever asks for the series
 * sweeps before, and a connect pays for no series, nor for making it. */
FL_INLINE void rows_begin(const struct flow_rows *rows, struct fl_sock *sock)
{
	struct fl_backend_stats *backend = rows->backend;
	struct fl_pair_stats *pair = rows->pair;
	__u64 us = (sock->established_ns - sock->start_ns) / 1000;
	__u32 bucket = fl_latency_bucket(us);

	if (!pair || __sync_val_compare_and_swap(&sock->counted_opened, 0, 1))
		return;
	FL_ADD(&pair->opened, 1);
	if (!(sock->flags & FL_SOCK_CLIENT) || sock->proto != FL_TCP || bucket >= FL_LATENCY_BUCKETS)
		return;
	FL_ADD(&pair->connect_us_sum, us);
	FL_ADD(&pair->connect_us[bucket], 1);
	if (!backend)
		return;
	FL_ADD(&backend->connect_us_sum, us);
	FL_ADD(&backend->connect_us[bucket / 2], 1);
}

/* Who the ends are, as far as that was not known at connect. */
FL_INLINE void flow_name(struct fl_sock *sock, const struct fl_addr *source)
{
	if (!sock->source_workload)
		sock->source_workload = workload_id_at(source);
	if (!sock->destination_workload)
		sock->destination_workload = workload_id_at(&sock->backend_addr);
}

FL_INLINE __u64 redirected_bytes(const struct fl_sock *sock)
{
	return sock->extra_sent + sock->extra_received;
}

/* Adds to its series what a connection moved since it was last looked at. */
FL_INLINE void rows_add(const struct flow_rows *rows, struct fl_sock *sock, const struct flow_totals *totals)
{
	struct fl_backend_stats *backend = rows->backend;
	struct fl_pair_stats *pair = rows->pair;
	const __u64 sent = totals->sent + sock->extra_sent;
	const __u64 received = totals->received + sock->extra_received;
	const int server = sock->flags & FL_SOCK_SERVER;
	__u64 forward, back, redirected;
	__u32 retransmissions;

	forward = counted_raise(&sock->counted_sent, server ? received : sent);
	back = counted_raise(&sock->counted_received, server ? sent : received);
	redirected = sock->proto == FL_UDP ? 0 : counted_raise(&sock->counted_redirected, redirected_bytes(sock));
	retransmissions = counted_raise32(&sock->counted_retransmissions, totals->retransmissions);
	if (!pair)
		return;
	rows_begin(rows, sock);
	FL_ADD(&pair->sent_bytes, forward);
	FL_ADD(&pair->received_bytes, back);
	FL_ADD(&pair->redirected_bytes, redirected);
	FL_ADD(&pair->retransmissions, retransmissions);
	if (totals->srtt_us) {
		FL_ADD(&pair->srtt_us_sum, totals->srtt_us);
		FL_ADD(&pair->srtt_samples, 1);
	}
	if (!backend)
		return;
	FL_ADD(&backend->sent_bytes, forward);
	FL_ADD(&backend->received_bytes, back);
	if (redirected)
		FL_ADD(&backend->redirected_bytes, redirected);
}

/* The same for the sweep over living connections. `source` is the client's address. */
FL_INLINE void flow_account(struct fl_sock *sock, const struct fl_addr *source, const struct flow_totals *totals)
{
	/* Kernel 6.1 takes no value of an iterator for a key of a map. */
	const struct fl_addr destination = sock->backend_addr;
	struct flow_rows rows;

	if (!sock->source_workload)
		sock->source_workload = workload_id_at(source);
	if (!sock->destination_workload)
		sock->destination_workload = workload_id_at(&destination);
	rows = rows_of(sock, source);
	rows_add(&rows, sock, totals);
}

FL_INLINE void pair_fail(struct fl_pair_stats *pair, __u32 reason)
{
	/* Keeps the compiler from checking a copy: the verifier wants the bound on the register that is added. */
	asm volatile("" : "+r"(reason));
	if (pair && reason < FL_REASONS)
		FL_ADD(&pair->failed[reason], 1);
}

/* A connection that did not begin, or ended badly. */
FL_INLINE void rows_fail(const struct flow_rows *rows, __u32 reason)
{
	pair_fail(rows->pair, reason);
	asm volatile("" : "+r"(reason)); /* as there */
	if (rows->backend && reason < FL_REASONS)
		FL_ADD(&rows->backend->failed[reason], 1);
}

/* A connection that had begun. */
FL_INLINE void rows_close(const struct flow_rows *rows, __u32 reason)
{
	if (rows->pair)
		FL_ADD(&rows->pair->closed, 1);
	if (rows->backend)
		FL_ADD(&rows->backend->closed, 1);
	if (reason)
		rows_fail(rows, reason);
}

FL_INLINE void event_submit(struct fl_event *event)
{
	__u64 waiting = bpf_ringbuf_query(&fl_events, BPF_RB_AVAIL_DATA);
	const int wake = waiting > FL_EVENTS_WAKE_BYTES && waiting % FL_EVENTS_WAKE_STEP < 2 * sizeof(*event);

	bpf_ringbuf_submit(event, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* An event with what the socket knows; the caller adds the rest and submits. Null: the ring is full, counted. */
FL_INLINE struct fl_event *event_of(const struct fl_sock *sock, const struct flow_ends *ends, __u8 type, __u8 reason)
{
	struct fl_event *event = bpf_ringbuf_reserve(&fl_events, sizeof(*event), 0);

	if (!event) {
		count(FL_C_EVENTS_LOST);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->reason = reason;
	event->proto = sock->proto;
	event->reporter = sock->flags & FL_SOCK_SERVER ? FL_REPORTER_DESTINATION : FL_REPORTER_SOURCE;
	event->service_id = sock->service_id;
	event->backend_id = sock->backend_id;
	event->backend_generation = sock->backend_generation;
	event->source_workload = sock->source_workload;
	event->destination_workload = sock->destination_workload;
	event->policy_id = sock->policy_id;
	event->pid = sock->pid;
	event->source_addr = ends->source;
	event->destination_addr = ends->destination;
	event->source_port = ends->source_port;
	event->destination_port = ends->destination_port;
	event->service_addr = sock->service_addr;
	event->service_port = sock->service_port;
	event->netns_cookie = sock->netns_cookie;
	event->start_ns = sock->start_ns;
	event->end_ns = bpf_ktime_get_ns();
	if (sock->established_ns)
		event->connect_ns = sock->established_ns - sock->start_ns;
	if (sock->proto != FL_UDP)
		event->redirected_bytes = redirected_bytes(sock);
	__builtin_memcpy(event->comm, sock->comm, sizeof(event->comm));
	return event;
}

/* Who connects: to be called in the hooks that run in the caller's process. */
FL_INLINE void flow_caller(struct fl_sock *sock)
{
	sock->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(sock->comm, sizeof(sock->comm));
}

/* The workload that lives in a namespace, which client_identify() has looked at, and its address of the family of
 * `like`. */
FL_INLINE __u32 workload_id_in(__u64 netns_cookie, const struct fl_addr *like, struct fl_addr *addr)
{
	struct fl_workload found = {};

	netns_workload(netns_cookie, like, &found, addr);
	return found.workload_id;
}

/* A UDP socket that was given a backend counts as open from its connect to its release. */
FL_INLINE void udp_closed(struct fl_sock *sock, __u64 socket_cookie)
{
	const struct fl_settings *set = settings();
	struct flow_ends ends = {.destination = sock->backend_addr, .destination_port = sock->backend_port};
	const struct flow_totals none = {}; /* what it moved stands in the socket's row */
	const __u8 reason = sock->flags & FL_SOCK_DOOMED ? sock->doom_reason : FL_R_NONE;
	struct flow_rows rows;
	struct fl_event *event;

	if (!flow_wanted(set) || !sock->established_ns || (sock->flags & FL_SOCK_CLOSED))
		return;
	sock->flags |= FL_SOCK_CLOSED;
	sock->source_workload = workload_id_in(sock->netns_cookie, &sock->backend_addr, &ends.source);
	rows = rows_of(sock, &ends.source);
	rows_add(&rows, sock, &none);
	rows_close(&rows, reason);
	if (!set->events)
		return;
	event = event_of(sock, &ends, FL_EVENT_CLOSE, reason);
	if (!event)
		return;
	event->sent_bytes = sock->counted_sent;
	event->received_bytes = sock->counted_received;
	event->socket_cookie = socket_cookie;
	event_submit(event);
}

/* The same where a socket is about to connect anew. */
__noinline int fl_udp_reopened(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct fl_sock *sock = sk ? bpf_sk_storage_get(&fl_socks, sk, 0, 0) : 0;

	if (sock)
		udp_closed(sock, bpf_get_socket_cookie(ctx));
	return 0;
}

/* What a connect that was refused is remembered by: its series and its event. */
struct flow_refusal {
	struct fl_addr asked;
	__be16 port;
	__u8 proto;
	__u8 type;    /* enum fl_event_type; FL_EVENT_AUDIT: it was not refused after all */
	__u32 reason; /* enum fl_reason */
	__u32 service_id;
	__u32 destination_workload;
	__u32 policy_id;
};

FL_INLINE void refusal_event(struct bpf_sock_addr *ctx, const struct flow_refusal *what, __u32 source_workload,
			     const struct fl_addr *source)
{
	struct fl_event *event = bpf_ringbuf_reserve(&fl_events, sizeof(*event), 0);

	if (!event) {
		count(FL_C_EVENTS_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = what->type;
	event->reason = what->reason;
	event->proto = what->proto;
	event->service_id = what->service_id;
	event->source_workload = source_workload;
	event->destination_workload = what->destination_workload;
	event->policy_id = what->policy_id;
	event->source_addr = *source;
	if (what->service_id) {
		event->service_addr = what->asked;
		event->service_port = what->port;
	} else {
		event->destination_addr = what->asked;
		event->destination_port = what->port;
	}
	event->netns_cookie = bpf_get_netns_cookie(ctx);
	event->socket_cookie = bpf_get_socket_cookie(ctx);
	event->start_ns = event->end_ns = bpf_ktime_get_ns();
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event_submit(event);
}

/* A connect (or sendmsg) that gets an error instead of a backend, or that a rule wants to be told of. A global
 * function: verified once, by itself. */
__noinline int fl_refused(struct bpf_sock_addr *ctx, struct flow_refusal *what)
{
	const struct fl_settings *set = settings();
	struct fl_pair_key key = {};
	struct fl_addr source = {};

	if (!what || !flow_wanted(set))
		return 0;
	key.service_id = what->service_id;
	key.port = what->port;
	key.proto = what->proto;
	key.source_workload = workload_id_in(bpf_get_netns_cookie(ctx), &what->asked, &source);
	key.destination_workload = what->destination_workload;
	if (set->label_unknown && !key.source_workload)
		key.source_addr = source;
	if (set->metrics && what->type != FL_EVENT_AUDIT)
		pair_fail(pair_row(&key), what->reason);
	if (set->events)
		refusal_event(ctx, what, key.source_workload, &source);
	return 0;
}

#endif
