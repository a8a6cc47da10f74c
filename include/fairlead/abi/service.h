/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Services, their backends and the live state that balancing reads.
 *
 * How a change is published without a reader ever seeing half of it: rows of the arrays (slots, backends) are
 * written while nothing refers to them, then the service's hash elements (its row and its frontends) are replaced, each
 * of which the kernel does atomically. Freed rows rest (see SlotAllocator in agent/datapath) before they are used again. */
#ifndef FAIRLEAD_ABI_SERVICE_H
#define FAIRLEAD_ABI_SERVICE_H

#include "address.h"

/* fl_frontends: an address that clients ask for. addr is all zero for a NodePort, which is valid on every address
 * in fl_node_addrs. */
struct fl_frontend_key {
	struct fl_addr addr;
	__be16 port;
	__u8 proto; /* FL_TCP or FL_UDP */
	__u8 pad;   /* zero */
};
FL_ABI_SIZE(struct fl_frontend_key, 20);

enum fl_frontend_flags {
	FL_FRONTEND_CLUSTER_IP = 1 << 0,
	FL_FRONTEND_EXTERNAL_IP = 1 << 1,
	FL_FRONTEND_LOAD_BALANCER = 1 << 2,
	FL_FRONTEND_NODE_PORT = 1 << 3,
};

enum fl_algorithm {
	FL_RANDOM = 0,	    /* weighted, by alias table */
	FL_ROUND_ROBIN = 1, /* over a level whose slots repeat by weight */
	FL_LEAST_CONN = 2,  /* power of two choices over active connections divided by weight */
	FL_MAGLEV = 3,	    /* fl_maglev, hashed by the client's identity */
};

enum fl_service_flags {
	FL_SERVICE_AFFINITY = 1 << 0,	/* sessionAffinity: ClientIP */
	FL_SERVICE_LOCAL_ONLY = 1 << 1, /* internalTrafficPolicy: Local; the levels hold node-local backends only */
	FL_SERVICE_OUTLIER = 1 << 2,	/* outlier_* are in force */
};

/* Levels are tried in order: nearest locality first, then failover. */
#define FL_LEVELS 4

struct fl_level {
	__u32 first; /* index of its first slot in fl_slots */
	__u32 count; /* slots; 0 ends the list of levels */
};
FL_ABI_SIZE(struct fl_level, 8);

/* fl_services: one port of one Service. */
struct fl_service {
	__u32 state_index; /* row of fl_svc_state */
	__u32 generation;  /* of that row: counts for an earlier owner of the row are dropped */
	__u32 flags;	   /* enum fl_service_flags */
	__u8 algorithm;	   /* enum fl_algorithm */
	__u8 max_ejected_percent;
	__be16 port; /* service port, for display */
	struct fl_level levels[FL_LEVELS];
	__u32 backend_count;	  /* distinct usable backends over all levels */
	__u32 affinity_seconds;	  /* 0: none */
	__u32 max_connections;	  /* 0: no limit; per service */
	__u32 max_pending;	  /* connects under way; 0: no limit; per service */
	__u32 backend_connections; /* 0: no limit; per backend */
	__u32 outlier_failures;	  /* consecutive connect failures or resets before ejection; 0: off */
	__u32 ejection_base_ms;	  /* first ejection; the n-th lasts n times as long */
	__u32 ejection_max_ms;
	__u32 return_ms;	/* after an ejection a backend's share grows from 0 to full over this time; 0: at once */
	__u32 rtt_limit_us;	/* smoothed RTT above this counts as a failure signal; 0: off */
	__u32 retrans_limit;	/* retransmissions on one connection that count as a failure signal; 0: off */
	__u32 connect_timeout_ms; /* 0: the kernel's; see bpf/lib/timeout.h */
};
FL_ABI_SIZE(struct fl_service, 96);

/* Value of fl_frontends. It has the whole row of fl_services, so that a connect finds both by one lookup: with thousands
 * of services each row of a hash that is read is two misses in the caches, of the bucket and of the element. */
struct fl_frontend {
	__u32 service_id; /* key of fl_services; never 0 */
	__u32 flags;	  /* enum fl_frontend_flags */
	struct fl_service service;
};
FL_ABI_SIZE(struct fl_frontend, 104);

/* fl_slots: what a pick lands on. A pick of slot i keeps i when a random 32-bit number is below threshold and takes
 * alias otherwise (Walker/Vose), which gives weights in O(1). The rest is copied from the backend's row, so that a pick
 * reads one cache line; flags and workload_id are changed in place there as here. */
struct fl_slot {
	__u32 backend_id;
	__u32 alias;	 /* offset within the level; round robin: of the first slot of the same backend */
	__u32 threshold; /* 0xffffffff: always this slot */
	__u32 weight;	 /* for FL_LEAST_CONN; at least 1 */
	struct fl_addr addr;
	__be16 port;
	__u16 pad;
	__u32 generation; /* of the backend */
	__u32 service_id;
	__u32 flags; /* enum fl_backend_flags, but not FL_BACKEND_GONE */
	__u32 workload_id;
	__u32 unused[3];
};
FL_ABI_SIZE(struct fl_slot, 64);

/* Entries of one service's Maglev table: a prime; offsets into the slots of level 0. */
#define FL_MAGLEV_SIZE 16381

struct fl_maglev {
	__u16 slot[FL_MAGLEV_SIZE];
	__u16 pad;
};
FL_ABI_SIZE(struct fl_maglev, 32764);

enum fl_backend_flags {
	FL_BACKEND_READY = 1 << 0,
	FL_BACKEND_TERMINATING = 1 << 1, /* draining: keeps what it has, is given nothing new while others are ready */
	FL_BACKEND_LOCAL = 1 << 2,	 /* on this node */
	FL_BACKEND_GONE = 1 << 3,	 /* removed; row rests until its sockets are ended */
};

/* fl_backends: one endpoint of one service port. Row 0 is never used. */
struct fl_backend {
	struct fl_addr addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
	__u32 generation; /* raised when the row is given to another endpoint */
	__u32 service_id;
	__u32 flags;	   /* enum fl_backend_flags; one word, so that it may change in place */
	__u32 workload_id; /* 0: address of no known Pod */
	__u32 zone;	   /* number of its zone, 0 unknown */
};
FL_ABI_SIZE(struct fl_backend, 40);

/* fl_be_state: written by BPF with atomics; same index as fl_backends. One cache line a row. */
struct fl_backend_state {
	__u32 generation;	/* row is valid only where it equals fl_backend.generation */
	__u32 active;		/* established connections, and UDP sockets held */
	__u32 pending;		/* connects under way */
	__u32 failures;		/* consecutive: failed connects in the low half, bad connections in the high half */
	__u64 ejected_until_ns; /* CLOCK_MONOTONIC; 0: never ejected; bit 0: still counted in fl_service_state.ejected */
	__u32 ejections;	/* what the base time was multiplied by; falls with good behaviour, at the next ejection */
	__u32 srtt_us;		/* smoothed over connections, last writer wins */
	__u64 total;		/* connects, and unconnected UDP sockets, ever given to it */
	__u64 connect_failures; /* ever */
	__u64 resets;		/* ever */
	__u64 retransmissions;	/* ever */
};
FL_ABI_SIZE(struct fl_backend_state, 64);

/* fl_svc_state: written by BPF with atomics; indexed by fl_service.state_index. */
struct fl_service_state {
	__u32 generation;
	__u32 active;
	__u32 pending;
	__u32 ejected;	   /* backends that were ejected and have been given no connect since */
	__u32 round_robin; /* next position, wraps */
	__u32 pad;
	__u64 total;	    /* connects, and unconnected UDP sockets, that were given a backend */
	__u64 no_backend;   /* refused: no endpoint */
	__u64 over_limit;   /* refused: a connection or pending limit */
	__u64 all_ejected;  /* picks made although every candidate was ejected */
	__u64 reserved;
};
FL_ABI_SIZE(struct fl_service_state, 64);

/* fl_affinity (LRU): the backend a client was given. */
struct fl_affinity_key {
	__u64 client; /* netns cookie: all sockets of a pod are one client, as its source address would be */
	__u32 service_id;
	__u32 pad;
};
FL_ABI_SIZE(struct fl_affinity_key, 16);

struct fl_affinity {
	__u32 backend_id;
	__u32 generation;
	__u64 used_ns; /* CLOCK_MONOTONIC */
};
FL_ABI_SIZE(struct fl_affinity, 16);

/* fl_udp_peers (LRU): what an unconnected UDP socket asked for beyond what fl_udp_held has room for. Two rows each: by what
 * was asked, so that the socket stays with its backend, and by who answers, so that the answer seems to come from what
 * was asked. */
enum fl_udp_peer_kind {
	FL_UDP_ASKED = 0,
	FL_UDP_ANSWER = 1,
};

struct fl_udp_peer_key {
	__u64 cookie; /* socket cookie */
	struct fl_addr addr;
	__be16 port;
	__u16 kind; /* enum fl_udp_peer_kind */
	__u16 pad[2];
};
FL_ABI_SIZE(struct fl_udp_peer_key, 32);

struct fl_udp_peer {
	struct fl_addr service_addr;
	__be16 service_port;
	__u16 turn; /* of an answer's row: the low half of fl_udp_pair.turn */
	__u32 service_id;
	__u32 backend_id;
	__u32 generation;
};
FL_ABI_SIZE(struct fl_udp_peer, 32);

/* fl_udp_held (socket storage): the same for the first services that a socket asked. The kernel holds the socket's lock
 * where it runs programs of sendmsg and recvmsg, so they come one after the other where threads share a socket. */
#define FL_UDP_HELD 4
struct fl_udp_pair {
	struct fl_addr asked;
	struct fl_addr backend_addr;
	__be16 port;
	__be16 backend_port;
	__u32 service_id; /* 0: free */
	__u32 backend_id;
	__u32 generation;
	__u32 turn; /* fl_udp_held.turns as it was last asked: of two services with one backend, whose answer it is */
};
FL_ABI_SIZE(struct fl_udp_pair, 52);

struct fl_udp_held {
	struct fl_udp_pair pairs[FL_UDP_HELD];
	__u32 turns;
	__u32 rows; /* 1: some of it is in fl_udp_peers too */
};
FL_ABI_SIZE(struct fl_udp_held, 216);

#endif
