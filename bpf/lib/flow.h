/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: what a connection's life counts. */
#ifndef FAIRLEAD_BPF_FLOW_H
#define FAIRLEAD_BPF_FLOW_H

#include "service.h"

/* Takes a socket into the counts of the connects under way, or held. */
FL_INLINE void flow_count(struct fl_sock *sock, __u32 flag)
{
	struct fl_service_state *service = service_state(sock->service_state, sock->service_generation);
	struct fl_backend_state *backend = backend_state(sock->backend_id, sock->backend_generation);

	sock->flags |= flag;
	if (service)
		FL_ADD(flag == FL_SOCK_PENDING ? &service->pending : &service->active, 1);
	if (backend)
		FL_ADD(flag == FL_SOCK_PENDING ? &backend->pending : &backend->active, 1);
}

/* Takes a socket out of the counts of the connects under way, or held. */
FL_INLINE void flow_uncount(struct fl_sock *sock, __u32 flag)
{
	struct fl_service_state *service;
	struct fl_backend_state *backend;

	if (!(sock->flags & flag))
		return;
	sock->flags &= ~flag;
	if (!sock->service_id) /* to no service */
		return;
	service = service_state(sock->service_state, sock->service_generation);
	backend = backend_state(sock->backend_id, sock->backend_generation);
	if (service)
		FL_ADD(flag == FL_SOCK_PENDING ? &service->pending : &service->active, -1);
	if (backend)
		FL_ADD(flag == FL_SOCK_PENDING ? &backend->pending : &backend->active, -1);
}

/* A connect succeeded: from the ones under way to the ones held. Gives the backend's row, where there is one. */
FL_INLINE struct fl_backend_state *flow_established(struct fl_sock *sock)
{
	const int pending = sock->flags & FL_SOCK_PENDING;
	struct fl_service_state *service;
	struct fl_backend_state *backend;

	sock->established_ns = bpf_ktime_get_ns();
	sock->flags = (sock->flags & ~FL_SOCK_PENDING) | FL_SOCK_ESTABLISHED | FL_SOCK_ACTIVE;
	if (!sock->service_id)
		return 0;
	service = service_state(sock->service_state, sock->service_generation);
	backend = backend_state(sock->backend_id, sock->backend_generation);
	if (service) {
		if (pending)
			FL_ADD(&service->pending, -1);
		FL_ADD(&service->active, 1);
	}
	if (backend) {
		if (pending)
			FL_ADD(&backend->pending, -1);
		FL_ADD(&backend->active, 1);
	}
	return backend;
}

#endif
