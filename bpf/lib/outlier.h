/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 5: which backends are put aside, and for how long.
 *
 * Two kinds of trouble are counted, each in a row: connects that failed (a connect that succeeds ends the row), and
 * connections that went badly, that is were reset, were slower than rtt_limit_us or retransmitted retrans_limit times
 * (one that closes without any of this ends the row). Each connection counts at most once. */
#ifndef FAIRLEAD_BPF_OUTLIER_H
#define FAIRLEAD_BPF_OUTLIER_H

#include "service.h"

/* Halves of fl_backend_state.failures. */
#define FL_FAILED_CONNECTS 0
#define FL_BAD_CONNECTIONS 16
#define FL_FAILURE_MASK 0xffffU

/* Bit 0 of ejected_until_ns: counted in fl_service_state.ejected. Set by an ejection, taken off by the first connect
 * that the backend is given afterwards. */
#define FL_EJECTED_MARK 1ULL

struct outlier_count {
	__u64 now;
	__u32 first;
	__u32 repeats; /* a backend may have several slots: see fl_slot.alias */
	__u32 out;     /* ejected now */
	__u32 marked;  /* counted as ejected */
};

static long outlier_count_step(__u32 index, struct outlier_count *walk)
{
	const struct fl_slot *slot = slot_at(walk->first + index);
	const struct fl_backend *backend = slot ? backend_find(slot->backend_id) : 0;
	const struct fl_backend_state *state;
	__u64 until;

	if (!backend || (walk->repeats && slot->alias != index))
		return 0;
	state = backend_state(slot->backend_id, backend->generation);
	until = state ? FL_READ(state->ejected_until_ns) : 0;
	walk->out += until > walk->now;
	walk->marked += until & FL_EJECTED_MARK;
	return 0;
}

/* Counts the backends of a service that are out; walks all of them, which is paid for by ejections only. */
FL_INLINE void outlier_count(const struct fl_service *service, __u64 now, struct outlier_count *walk)
{
	__u32 level;

	walk->now = now;
	walk->repeats = service->algorithm == FL_ROUND_ROBIN;
	for (level = 0; level < FL_LEVELS; level++) {
		walk->first = service->levels[level].first;
		if (service->levels[level].count)
			bpf_loop(service->levels[level].count, outlier_count_step, walk, 0);
	}
}

FL_INLINE void outlier_tell(const struct fl_sock *sock, __u64 until, __u8 reason)
{
	const struct fl_settings *set = settings();
	struct fl_event *event;

	if (!set || !set->events)
		return;
	event = bpf_ringbuf_reserve(&fl_events, sizeof(*event), 0);
	if (!event) {
		count(FL_C_EVENTS_LOST);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = FL_EVENT_EJECT;
	event->reason = reason;
	event->proto = sock->proto;
	event->service_id = sock->service_id;
	event->backend_id = sock->backend_id;
	event->backend_generation = sock->backend_generation;
	event->destination_workload = sock->destination_workload;
	event->destination_addr = sock->backend_addr;
	event->destination_port = sock->backend_port;
	event->service_addr = sock->service_addr;
	event->service_port = sock->service_port;
	event->start_ns = bpf_ktime_get_ns();
	event->end_ns = until;
	bpf_ringbuf_submit(event, 0);
}

/* How long the next ejection lasts. Every ejection_base_ms of good behaviour since the last one ended takes one off the
 * number that the base is multiplied by. */
FL_INLINE __u64 outlier_duration_ms(const struct fl_service *service, __u64 until, __u64 now, __u32 *ejections)
{
	__u32 base = service->ejection_base_ms ?: 1;
	__u64 good = until ? (now - until) / 1000000 / base : 0;
	__u64 duration;

	*ejections = (*ejections > good ? *ejections - good : 0) + 1;
	duration = (__u64)base * *ejections;
	return service->ejection_max_ms && duration > service->ejection_max_ms ? service->ejection_max_ms : duration;
}

/* One CPU wins the compare-and-swap, so an ejection is counted once. Two backends that are ejected at the same moment
 * may each see the other and both stay: the share is never passed, and the next failure ejects one. At least one
 * backend may be out, however small the share. */
FL_INLINE void outlier_eject(const struct fl_sock *sock, const struct fl_service *service,
			     struct fl_backend_state *backend, __u8 reason)
{
	struct fl_service_state *state = service_state(service->state_index, service->generation);
	__u64 until = FL_READ(backend->ejected_until_ns), now = bpf_ktime_get_ns(), next;
	__u32 ejections = FL_READ(backend->ejections);
	struct outlier_count walk = {};

	if (until > now)
		return;
	next = (now + outlier_duration_ms(service, until, now, &ejections) * 1000000) | FL_EJECTED_MARK;
	if (__sync_val_compare_and_swap(&backend->ejected_until_ns, until, next) != until)
		return;
	outlier_count(service, now, &walk);
	if (!service->max_ejected_percent ||
	    (walk.out > 1 && walk.out * 100 > service->max_ejected_percent * service->backend_count)) {
		__sync_val_compare_and_swap(&backend->ejected_until_ns, next, until);
		return;
	}
	FL_WRITE(backend->ejections, ejections);
	FL_WRITE(backend->failures, 0);
	if (state)
		FL_WRITE(state->ejected, walk.marked);
	count(FL_C_EJECTED);
	outlier_tell(sock, next, reason);
}

/* One more failure in a row. `half` is FL_FAILED_CONNECTS or FL_BAD_CONNECTIONS. */
FL_INLINE void outlier_signal(const struct fl_sock *sock, struct fl_backend_state *backend, __u32 half, __u8 reason)
{
	const struct fl_service *service = service_find(sock->service_id);
	__u32 before = FL_READ(backend->failures);

	/* A full half would spill into the other one. */
	if (((before >> half) & FL_FAILURE_MASK) < FL_FAILURE_MASK - 1024)
		before = FL_ADD(&backend->failures, 1U << half);
	if (service && (service->flags & FL_SERVICE_OUTLIER) && service->outlier_failures &&
	    ((before >> half) & FL_FAILURE_MASK) + 1 >= service->outlier_failures)
		outlier_eject(sock, service, backend, reason);
}

FL_INLINE void outlier_end_row(struct fl_backend_state *backend, __u32 half)
{
	if ((FL_READ(backend->failures) >> half) & FL_FAILURE_MASK)
		__sync_fetch_and_and(&backend->failures, ~(FL_FAILURE_MASK << half));
}

/* A connect was given to a backend: if it is back from an ejection, it no longer counts as ejected. */
FL_INLINE void outlier_given(struct fl_service_state *service, struct fl_backend_state *backend, __u64 now)
{
	__u64 until = FL_READ(backend->ejected_until_ns);

	if (!(until & FL_EJECTED_MARK) || until > now)
		return;
	if (__sync_val_compare_and_swap(&backend->ejected_until_ns, until, until & ~FL_EJECTED_MARK) == until &&
	    service && FL_READ(service->ejected))
		FL_ADD(&service->ejected, -1);
}

/* A connect succeeded. */
FL_INLINE void outlier_established(struct fl_backend_state *backend)
{
	if (backend)
		outlier_end_row(backend, FL_FAILED_CONNECTS);
}

/* The callbacks that a connection's service needs beside the ones of its life, for bpf_sock_ops_cb_flags_set(). */
FL_INLINE int outlier_callbacks(const struct fl_sock *sock)
{
	const struct fl_service *service = sock->flags & FL_SOCK_WATCHED ? service_find(sock->service_id) : 0;

	if (!service)
		return 0;
	return (service->rtt_limit_us ? BPF_SOCK_OPS_RTT_CB_FLAG : 0) |
	       (service->retrans_limit ? BPF_SOCK_OPS_RETRANS_CB_FLAG : 0);
}

/* RTT and retransmission callbacks. */
FL_INLINE void outlier_watch(struct bpf_sock_ops *ops, struct fl_sock *sock)
{
	const struct fl_service *service;
	struct fl_backend_state *backend;
	int slow, lossy;

	if (!(sock->flags & FL_SOCK_ESTABLISHED) || (sock->flags & FL_SOCK_BAD))
		return;
	service = service_find(sock->service_id);
	backend = backend_state(sock->backend_id, sock->backend_generation);
	if (!service || !backend)
		return;
	slow = service->rtt_limit_us && (ops->srtt_us >> 3) > service->rtt_limit_us;
	lossy = service->retrans_limit && ops->total_retrans >= service->retrans_limit;
	if (!slow && !lossy)
		return;
	sock->flags |= FL_SOCK_BAD;
	outlier_signal(sock, backend, FL_BAD_CONNECTIONS, slow ? FL_R_TIMEOUT : FL_R_OTHER);
}

/* Whether the client's end was still open: what comes after its own close, such as the RST that the kernel makes of data
 * for a closed socket, is no fault of the backend. args[0] is the state before. */
FL_INLINE int outlier_client_open(const struct bpf_sock_ops *ops)
{
	return ops->args[0] == BPF_TCP_ESTABLISHED || ops->args[0] == BPF_TCP_CLOSE_WAIT;
}

/* What a closed connection says of its backend. An attempt that the application gave up counts against the backend
 * only if a SYN went unanswered long enough to be sent again. */
FL_INLINE void outlier_closed(struct bpf_sock_ops *ops, const struct fl_sock *sock, __u8 reason)
{
	struct fl_backend_state *backend;
	__u32 srtt_us, before;

	if (!sock->service_id || !(sock->flags & FL_SOCK_CLIENT))
		return;
	backend = backend_state(sock->backend_id, sock->backend_generation);
	if (!backend)
		return;
	if (!(sock->flags & FL_SOCK_ESTABLISHED)) {
		if (reason == FL_R_NONE || (reason == FL_R_ABORTED && !ops->total_retrans))
			return;
		FL_ADD(&backend->connect_failures, 1);
		outlier_signal(sock, backend, FL_FAILED_CONNECTS, reason);
		return;
	}
	srtt_us = ops->srtt_us >> 3;
	before = FL_READ(backend->srtt_us);
	if (srtt_us) /* RFC 6298's 1/8 */
		FL_WRITE(backend->srtt_us, before ? before - before / 8 + srtt_us / 8 : srtt_us);
	if (ops->total_retrans)
		FL_ADD(&backend->retransmissions, ops->total_retrans);
	if ((reason == FL_R_RESET || reason == FL_R_TIMEOUT) && outlier_client_open(ops)) {
		FL_ADD(&backend->resets, 1);
		if (!(sock->flags & FL_SOCK_BAD))
			outlier_signal(sock, backend, FL_BAD_CONNECTIONS, reason);
	} else if (!(sock->flags & FL_SOCK_BAD)) {
		outlier_end_row(backend, FL_BAD_CONNECTIONS);
	}
}

#endif
