/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 1: every map. All are pinned by the agent under FL_PIN_DIR by their names.
 *
 * Tables that grow with the configuration are a pair: the outer array of one map (fl_X_of), which programs read, and
 * the inner table, pinned as fl_X. The agent makes a larger inner table, fills it and puts it into the outer one;
 * the kernel waits for running programs before that update returns (maybe_wait_bpf_programs), so nothing reads the
 * old table afterwards. fl_X as declared here is the first inner table, sized by the agent before load; inner maps may
 * differ in max_entries (arrays through BPF_F_INNER_MAP, kernel 5.10). Arrays are mmapable: the agent reads and writes
 * rows without system calls. */
#ifndef FAIRLEAD_BPF_MAPS_H
#define FAIRLEAD_BPF_MAPS_H

#include "base.h"
#include "fairlead/abi/flow.h"
#include "fairlead/abi/policy.h"
#include "fairlead/abi/redirect.h"
#include "fairlead/abi/service.h"
#include "fairlead/abi/settings.h"

#define FL_TEMPLATE_ENTRIES 16

#define FL_TABLE(name, map_type, flags, key_type, value_type)             \
	struct name##_form {                                              \
		__uint(type, map_type);                                   \
		__uint(map_flags, flags);                                 \
		__uint(max_entries, FL_TEMPLATE_ENTRIES);                 \
		__type(key, key_type);                                    \
		__type(value, value_type);                                \
	};                                                                \
	struct name##_form name SEC(".maps");                      \
	struct {                                                          \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                 \
		__uint(max_entries, 1);                                   \
		__type(key, __u32);                                       \
		__array(values, struct name##_form);                      \
	} name##_of SEC(".maps") = {.values = {(void *)&name}}

#define FL_TABLE_HASH(name, key_type, value_type) \
	FL_TABLE(name, BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, key_type, value_type)

#define FL_TABLE_ARRAY(name, value_type) \
	FL_TABLE(name, BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE | BPF_F_INNER_MAP, __u32, value_type)

/* Socket storage. Beside it the one that walks by namespace look at (walk.h): this one, or an earlier agent's. Made only
 * where the kernel needs those walks; belongs to one load of the programs, and is not pinned. The inner type is written
 * twice: of a type that both maps use clang 19 describes the value as a forward declaration, if a program names the
 * outer map first. */
#define FL_STORAGE_FORM(name, value_type)                 \
	struct name {                                     \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE);    \
		__uint(map_flags, BPF_F_NO_PREALLOC);     \
		__type(key, int);                         \
		__type(value, value_type);                \
	}

#define FL_STORAGE(name, value_type)                              \
	FL_STORAGE_FORM(name##_form, value_type);                 \
	struct name##_form name SEC(".maps");                     \
	FL_STORAGE_FORM(name##_walked_form, value_type);          \
	struct {                                                  \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);         \
		__uint(max_entries, 1);                           \
		__type(key, __u32);                               \
		__array(values, struct name##_walked_form);       \
	} name##_walked SEC(".maps")

/* Configuration: written by the agent, read by programs. */
FL_TABLE_HASH(fl_frontends, struct fl_frontend_key, struct fl_frontend);
FL_TABLE_HASH(fl_services, __u32, struct fl_service);	    /* service_id */
FL_TABLE_HASH(fl_maglevs, __u32, struct fl_maglev);	    /* service_id */
FL_TABLE_HASH(fl_node_addrs, struct fl_addr, __u32);	    /* addresses of nodes; value unused */
FL_TABLE_HASH(fl_workloads, struct fl_addr, struct fl_workload);
FL_TABLE_HASH(fl_rules, struct fl_rule_key, struct fl_rule);
FL_TABLE_ARRAY(fl_slots, struct fl_slot);
FL_TABLE_ARRAY(fl_backends, struct fl_backend);
FL_TABLE_ARRAY(fl_rule_ports, struct fl_port_verdict);

FL_TABLE(fl_cidrs, BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct fl_cidr_key, __u32); /* identity */

/* State: written by programs with atomics, read (and carried over when it grows) by the agent. */
FL_TABLE_ARRAY(fl_be_state, struct fl_backend_state);
FL_TABLE_ARRAY(fl_svc_state, struct fl_service_state);

/* Settings that may change while programs run; one row. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fl_settings);
} fl_settings SEC(".maps");

/* Everything known of a socket; lives and dies with it. Written by programs only. */
FL_STORAGE(fl_socks, struct fl_sock);

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct fl_affinity_key);
	__type(value, struct fl_affinity);
} fl_affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct fl_udp_peer_key);
	__type(value, struct fl_udp_peer);
} fl_udp_peers SEC(".maps");

FL_STORAGE(fl_udp_held, struct fl_udp_held);

/* 1: what fl_udp_held has is written to fl_udp_peers too. Set by the agent that is about to replace these maps. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} fl_udp_rows SEC(".maps");

/* While an agent replaces the maps of another: the other's fl_udp_peers, which its programs still write. A type of its
 * own: with typeof clang 19 describes the keys of both as forward declarations, if a program names this map first. */
struct fl_udp_before_form {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct fl_udp_peer_key);
	__type(value, struct fl_udp_peer);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct fl_udp_before_form);
} fl_udp_before SEC(".maps");

/* Netns cookie -> who lives there. LRU: namespaces come and go, and a lost row is found again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct fl_netns);
} fl_netns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct fl_udp_asked_key);
	__type(value, __u64);
} fl_udp_asked SEC(".maps");

/* Same-node redirection: ends whose peer did not come yet. A row goes when the peer comes, or with its socket: with
 * FL_REDIRECT_ALL many wait for ever, as their peers are elsewhere. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fl_redir_key);
	__type(value, __u64); /* socket cookie */
} fl_redir_ends SEC(".maps");

/* A row that is pushed out only keeps its connection on TCP. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, __u64); /* the sender's socket cookie */
	__type(value, struct fl_redir_dir);
} fl_redir_dirs SEC(".maps");

FL_STORAGE(fl_redirs, struct fl_redir_end);

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* socket cookie */
	__type(value, __u64);
} fl_redir_socks SEC(".maps");

/* Tells the agent that ends wait to be added: the cookie of one of them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} fl_redir_wishes SEC(".maps");

/* What is known of programs, by the command name of the process: enum fl_redir_program. */
struct fl_redir_comm {
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct fl_redir_comm);
	__type(value, __u32);
} fl_redir_comms SEC(".maps");

/* Series; the cap is the agent's setting, which resizes it before load. The all-zero key is the overflow row. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct fl_pair_key);
	__type(value, struct fl_pair_stats);
} fl_pairs SEC(".maps");

/* Series of backends, beside their rows in fl_be_state: made when the first connection is looked at or closed, as most
 * backends of a large cluster are never used by a node. The cap is that of fl_pairs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct fl_backend_key);
	__type(value, struct fl_backend_stats);
} fl_be_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FL_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} fl_counters SEC(".maps");

/* Filled by the agent while it carries sockets over from replaced maps, else empty. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 18);
	__type(key, struct fl_carried_key);
	__type(value, struct fl_carried);
} fl_carried SEC(".maps");

/* Filled by one walk of fl_sweep_count, emptied by the agent. Two rows for each backend in use at most. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct fl_recount_key);
	__type(value, struct fl_recount);
} fl_recount SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} fl_events SEC(".maps");

#endif
