/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: what a connection's life counts. */
#ifndef FAIRLEAD_BPF_FLOW_H
#define FAIRLEAD_BPF_FLOW_H

#include "service.h"

/* Takes a socket out of the counts of the connects under way, or held. */
FL_INLINE void flow_uncount(struct fl_sock *sock, __u32 flag)
{
	struct fl_service_state *service;
	struct fl_backend_state *backend;

	if (!(sock->flags & flag))
		return;
	sock->flags &= ~flag;
	service = service_state(sock->service_state, sock->service_generation);
	backend = backend_state(sock->backend_id, sock->backend_generation);
	if (service)
		FL_ADD(flag == FL_SOCK_PENDING ? &service->pending : &service->active, -1);
	if (backend)
		FL_ADD(flag == FL_SOCK_PENDING ? &backend->pending : &backend->active, -1);
}

FL_INLINE void flow_established(struct fl_sock *sock)
{
	struct fl_service_state *service = service_state(sock->service_state, sock->service_generation);
	struct fl_backend_state *backend = backend_state(sock->backend_id, sock->backend_generation);

	flow_uncount(sock, FL_SOCK_PENDING);
	sock->established_ns = bpf_ktime_get_ns();
	sock->flags |= FL_SOCK_ESTABLISHED | FL_SOCK_ACTIVE;
	if (service)
		FL_ADD(&service->active, 1);
	if (backend) {
		FL_ADD(&backend->active, 1);
		backend->failures = 0; /* consecutive ones end with a success */
	}
}

/* Ejects a backend whose consecutive failures reached the limit, unless too large a share is out already. */
FL_INLINE void flow_failed(struct fl_sock *sock)
{
	struct fl_backend_state *backend = backend_state(sock->backend_id, sock->backend_generation);
	const struct fl_service *service = service_find(sock->service_id);
	struct fl_service_state *state;
	__u64 duration;

	if (!backend)
		return;
	FL_ADD(&backend->connect_failures, 1);
	FL_ADD(&backend->failures, 1);
	if (!service || !(service->flags & FL_SERVICE_OUTLIER) || !service->outlier_failures ||
	    backend->failures < service->outlier_failures || backend->ejected_until_ns > bpf_ktime_get_ns())
		return;
	state = service_state(service->state_index, service->generation);
	if (state && state->ejected * 100 >= service->max_ejected_percent * service->backend_count)
		return;
	backend->ejections++;
	duration = (__u64)service->ejection_base_ms * backend->ejections;
	if (service->ejection_max_ms && duration > service->ejection_max_ms)
		duration = service->ejection_max_ms;
	backend->ejected_until_ns = bpf_ktime_get_ns() + duration * 1000000;
	backend->failures = 0;
	count(FL_C_EJECTED);
}

#endif
