/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What is remembered of a socket, and what is told of it. */
#ifndef FAIRLEAD_ABI_FLOW_H
#define FAIRLEAD_ABI_FLOW_H

#include "address.h"
#include "metric.h"

enum fl_sock_flags {
	FL_SOCK_CLIENT = 1 << 0,
	FL_SOCK_SERVER = 1 << 1,
	FL_SOCK_PENDING = 1 << 2,     /* counted in pending */
	FL_SOCK_ACTIVE = 1 << 3,      /* counted in active */
	FL_SOCK_ESTABLISHED = 1 << 4, /* counted as opened */
	FL_SOCK_CLOSED = 1 << 5,      /* accounted for good */
	FL_SOCK_DOOMED = 1 << 6,      /* to be ended; doom_reason says why */
	FL_SOCK_REDIRECT = 1 << 7,    /* has a row in fl_redirs */
	FL_SOCK_BAD = 1 << 8,	      /* counted against its backend already: slow or lossy */
	FL_SOCK_TIMED = 1 << 9,	      /* TCP_USER_TIMEOUT is the service's connect timeout */
	FL_SOCK_WATCHED = 1 << 10,    /* the service puts slow or lossy backends aside */
};

/* fl_socks (sk_storage): every socket that we have seen connect or be accepted. */
struct fl_sock {
	struct fl_addr service_addr; /* what the client asked for; all zero: no service */
	struct fl_addr backend_addr; /* where it went */
	__be16 service_port;
	__be16 backend_port;
	__u8 proto;
	__u8 doom_reason; /* enum fl_reason */
	__u16 pad;
	__u32 flags; /* enum fl_sock_flags */
	__u32 service_id;
	__u32 service_state; /* row of fl_svc_state, with its generation */
	__u32 service_generation;
	__u32 backend_id;
	__u32 backend_generation;
	__u32 source_workload;
	__u32 destination_workload;
	__u32 policy_id; /* that allowed it */
	__u32 counted_retransmissions;
	__u64 netns_cookie;
	__u64 start_ns;	      /* connect() or SYN seen, CLOCK_MONOTONIC */
	__u64 established_ns; /* 0 until then */
	__u64 counted_sent;   /* client-to-server bytes already in fl_pairs */
	__u64 counted_received;
	__u64 extra_sent;     /* bytes that TCP's own counters miss: sent by redirection; UDP: all that was sent */
	__u64 extra_received; /* the same for what came to this socket */
	__u64 counted_redirected; /* TCP: of the two above, already in fl_pairs */
	__u32 pid;		   /* tgid of the caller of connect(); 0 at the server */
	__u32 counted_opened;	   /* 1: counted as opened in fl_pairs */
	char comm[16];
};
FL_ABI_SIZE(struct fl_sock, 168);

/* What fl_sweep_list and fl_sweep_doom write for a socket. */
struct fl_swept {
	__u64 netns_cookie;
	__u64 socket_cookie;
	struct fl_addr local;
	struct fl_addr remote;
	struct fl_addr service_addr;
	struct fl_addr backend_addr;
	__be16 local_port;
	__be16 remote_port;
	__be16 service_port;
	__be16 backend_port;
	__u8 family; /* AF_* of the socket; v4-mapped addresses may stand in AF_INET6 */
	__u8 proto;
	__u8 state; /* TCP_* of the socket, UDP too: TCP_ESTABLISHED is connected */
	__u8 doom_reason;
	__u32 flags; /* enum fl_sock_flags */
	__u32 service_state;
	__u32 service_generation;
	__u32 backend_id;
	__u32 backend_generation;
	__u32 interface; /* bound to; 0: none */
	__u32 pad;
};
FL_ABI_SIZE(struct fl_swept, 120);

/* fl_carried: where the connections of replaced maps (another FL_ABI_VERSION) stand now. */
struct fl_carried_key {
	struct fl_addr service_addr;
	struct fl_addr backend_addr;
	__be16 service_port;
	__be16 backend_port;
	__u8 proto;
	__u8 pad[3];
};
FL_ABI_SIZE(struct fl_carried_key, 40);

struct fl_carried {
	__u32 service_id;
	__u32 service_state;
	__u32 service_generation;
	__u32 backend_id; /* 0 with generation 1: gone */
	__u32 backend_generation;
};
FL_ABI_SIZE(struct fl_carried, 20);

/* What fl_carry_pair adds to a series of fl_pairs, fl_carry_backend to one of fl_be_stats, and fl_carry_count to a
 * counter: sums of replaced maps. */
struct fl_carried_pair {
	struct fl_pair_key key;
	struct fl_pair_stats stats;
};
FL_ABI_SIZE(struct fl_carried_pair, 424);

struct fl_carried_backend {
	struct fl_backend_key key;
	struct fl_backend_stats stats;
};
FL_ABI_SIZE(struct fl_carried_backend, 272);

struct fl_carried_count {
	__u32 counter; /* enum fl_counter */
	__u32 pad;
	__u64 value;
};
FL_ABI_SIZE(struct fl_carried_count, 16);

/* fl_recount: what fl_sweep_count found, by row of fl_svc_state and of fl_be_state. */
enum fl_recount_kind {
	FL_RECOUNT_SERVICE = 0,
	FL_RECOUNT_BACKEND = 1,
};

struct fl_recount_key {
	__u32 kind; /* enum fl_recount_kind */
	__u32 row;
	__u32 generation;
};
FL_ABI_SIZE(struct fl_recount_key, 12);

struct fl_recount {
	__u32 active;
	__u32 pending;
};
FL_ABI_SIZE(struct fl_recount, 8);

enum fl_event_type {
	FL_EVENT_OPEN = 1,   /* only while fl_settings.open_events */
	FL_EVENT_CLOSE = 2,
	FL_EVENT_FAIL = 3,   /* a connect that did not succeed; reason */
	FL_EVENT_DENY = 4,   /* refused by policy; policy_id */
	FL_EVENT_AUDIT = 5,
	FL_EVENT_EJECT = 6,  /* backend_id ejected until end_ns */
	FL_EVENT_NETNS = 7,  /* first socket in a network namespace: netns_cookie, source_addr */
};

/* fl_events (ring buffer). */
struct fl_event {
	__u8 type; /* enum fl_event_type */
	__u8 reason;
	__u8 proto;
	__u8 reporter;
	__u32 service_id;
	__u32 backend_id;
	__u32 backend_generation;
	__u32 source_workload;
	__u32 destination_workload;
	__u32 policy_id;
	__u32 pid; /* tgid of the caller at connect; 0 at the server */
	struct fl_addr source_addr;
	struct fl_addr destination_addr; /* the backend */
	struct fl_addr service_addr;
	__be16 source_port;
	__be16 destination_port;
	__be16 service_port;
	__u16 pad;
	__u64 netns_cookie;
	__u64 socket_cookie;
	__u64 start_ns; /* CLOCK_MONOTONIC */
	__u64 end_ns;
	__u64 connect_ns; /* duration until established; 0: never */
	__u64 sent_bytes;
	__u64 received_bytes;
	__u64 redirected_bytes;
	__u32 srtt_us;
	__u32 retransmissions;
	char comm[16];
};
FL_ABI_SIZE(struct fl_event, 176);

#endif
