/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One decision of the balancer: what it is asked and what it answers. Written and read by the programs of connect and
 * sendmsg, by the native build of the same code, and by fl_why, which is run with one of these as its context. */
#ifndef FAIRLEAD_ABI_CHOICE_H
#define FAIRLEAD_ABI_CHOICE_H

#include "address.h"
#include "metric.h"

enum fl_choice_flags {
	FL_CHOOSE_DRY = 1 << 0,		  /* asked: leave round robin and affinity as they are */
	FL_CHOSE_AFFINITY = 1 << 1,	  /* the backend is the one that the client was given before */
	FL_CHOSE_AFFINITY_MISS = 1 << 2, /* the one that it was given before could not be used */
	FL_CHOSE_DRAINING = 1 << 3,	  /* no ready backend could be used: a terminating one was */
	FL_CHOSE_ALL_EJECTED = 1 << 4,  /* every candidate was ejected: one was used all the same */
	FL_CHOSE_SLOT_MISS = 1 << 5,	  /* a row changed under the pick */
	FL_CHOSE_WATCHED = 1 << 6,	  /* the service puts slow or lossy backends aside */
	FL_CHOSE_AFFINITY_NEW = 1 << 7, /* the client had no row in fl_affinity */
};

struct fl_choice {
	/* Asked. */
	struct fl_addr asked;
	__be16 port;
	__u8 proto;
	__u8 reason; /* answer: enum fl_reason; FL_R_NO_BACKEND, FL_R_OVER_LIMIT, or FL_R_NONE */
	__u32 flags; /* enum fl_choice_flags, both ways */
	__u64 client; /* netns cookie */
	__u64 now_ns; /* CLOCK_MONOTONIC */
	__u64 chance; /* any number: the same one on the same tables gives the same answer */
	/* Answered. */
	__u32 service_id; /* 0: the address is no service's; the rest is not set then */
	__u32 service_state;
	__u32 service_generation;
	__u32 backend_id; /* 0: none; see reason */
	__u32 backend_generation;
	__u32 workload_id;
	__u32 looked; /* candidates looked at */
	struct fl_addr backend_addr;
	__be16 backend_port;
	__u16 level;
	__u32 max_connections; /* limits of the service, see struct fl_service */
	__u32 max_pending;
	__u32 backend_connections;
	__u32 connect_timeout_ms;
};
FL_ABI_SIZE(struct fl_choice, 112);

#endif
