/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Counters that the kernel half keeps. Every drop, refusal, fallback and full table has one. */
#ifndef FAIRLEAD_ABI_METRIC_H
#define FAIRLEAD_ABI_METRIC_H

#include "address.h"

/* Index of fl_counters (per-CPU array of __u64). Append only; agent/telemetry has the name of each. */
enum fl_counter {
	FL_C_CONNECT = 0,	     /* connects seen, and datagrams of unconnected sockets that needed a backend */
	FL_C_TRANSLATED,	     /* ... of which were given a backend */
	FL_C_NO_BACKEND,	     /* ECONNREFUSED: a service without usable endpoint */
	FL_C_OVER_LIMIT,	     /* ECONNREFUSED: a connection or pending limit */
	FL_C_ALL_EJECTED,	     /* every candidate was ejected: one was used all the same */
	FL_C_EJECTED,		     /* backends ejected */
	FL_C_DENIED_CLIENT,	     /* EACCES at connect or sendmsg */
	FL_C_DENIED_SERVER,	     /* RST or drop at the listener */
	FL_C_DENIED_GUARD,	     /* dropped before the listener's namespace was guarded */
	FL_C_AUDITED,		     /* matched an AUDIT rule */
	FL_C_STORAGE_FULL,	     /* no memory for socket storage: goes on, uncounted or not redirected */
	FL_C_SERIES_FULL,	     /* fl_pairs full: additions to the overflow row */
	FL_C_EVENTS_LOST,	     /* fl_events full */
	FL_C_AFFINITY_MISS,	     /* affinity pointed to a backend that cannot be used */
	FL_C_UDP_PEER_EVICTED,	     /* the row of an answer in fl_udp_peers was pushed out, and made anew */
	FL_C_SLOT_MISS,		     /* a pick met rows that were changing, and no free candidate beside them */
	FL_C_REDIRECT_PAIRED,	     /* both ends of a connection found */
	FL_C_REDIRECT_MESSAGES,	     /* messages that went socket to socket */
	FL_C_REDIRECT_BYTES,
	FL_C_REDIRECT_BEGIN,	     /* directions that entered redirection */
	FL_C_REDIRECT_END_BULK,	     /* ... left it: large messages */
	FL_C_REDIRECT_END_UNREAD,    /* ... left it: too much unread */
	FL_C_REDIRECT_NO_PEER,	     /* peer vanished from the sockhash: message went by TCP */
	FL_C_REDIRECT_EXCL_BLOCKING, /* excluded: blocking socket */
	FL_C_REDIRECT_EXCL_OPTION,   /* excluded: SO_ZEROCOPY, SO_RCVLOWAT, ... */
	FL_C_REDIRECT_EXCL_ULP,	     /* excluded: TLS or another ULP */
	FL_C_REDIRECT_EXCL_SPLICE,   /* excluded: a reader that splices */
	FL_C_REDIRECT_EXCL_PROGRAM,  /* excluded: program on the list */
	FL_C_REDIRECT_FULL,	     /* sockhash full */
	FL_C_SOCKETS_ENDED,	     /* sockets ended: endpoint gone or policy changed */
	FL_C_REDIRECT_EXCL_URING,    /* excluded: a process that uses io_uring */
	FL_C_REDIRECT_MSG_FLAGS,     /* a message by TCP: MSG_OOB, MSG_ZEROCOPY */
	FL_C_REDIRECT_MSG_CALL,	     /* a message by TCP: sendfile, splice, io_uring or another call whose flags are not seen */
	FL_C_REDIRECT_EXCL_OPTED_OUT, /* excluded: an end opted out after the connection was made */
	FL_C_REDIRECT_LEFT,	     /* ends that left the sockhash after their connection was excluded */
	FL_C_REDIRECT_MSG_SHUT,	     /* a message by TCP: one end has sent FIN */
	FL_C_REDIRECT_UNREAD_CLOSED, /* ends that closed with redirected bytes unread */
	FL_C_UDP_PEER_UNHELD,	     /* an unconnected UDP socket asked more services than fl_udp_held has room for */
	FL_C_AFFINITY_ADDED,	     /* rows of fl_affinity; what does not fit has pushed out another */
	FL_C_UDP_ASKED_ADDED,	     /* the same of fl_udp_asked */
	FL_C_IDENTITY_UNKNOWN,	     /* a namespace with more addresses than are looked at: it may call nobody */
	FL_C_RECOUNT_FULL,	     /* fl_recount full: a socket that was not counted anew */
	FL_C_BACKEND_SERIES_FULL,    /* fl_be_stats full: additions that are in no backend's series */
	FL_C_REDIRECT_END_EVICTED,   /* an end's row in fl_redir_ends was lost before its peer came */
	FL_C_REDIRECT_DIR_EVICTED,   /* a direction's row in fl_redir_dirs was lost before its sender closed */
	FL_C_REDIRECT_COMM_ADDED,    /* rows of fl_redir_comms; what does not fit has pushed out another */
	FL_COUNTERS = 64,
};

/* Why a connection ended or did not begin; in flow events and as index of fl_pair_stats.failed. */
enum fl_reason {
	FL_R_NONE = 0,
	FL_R_NO_BACKEND,
	FL_R_OVER_LIMIT,
	FL_R_POLICY,	      /* denied by a rule or by the default */
	FL_R_POLICY_MISSING,  /* denied: policy could not be loaded */
	FL_R_REFUSED,	      /* RST to our SYN */
	FL_R_TIMEOUT,	      /* no answer to our SYN, or ETIMEDOUT later */
	FL_R_UNREACHABLE,
	FL_R_RESET,	      /* an established connection was reset */
	FL_R_ENDPOINT_GONE,   /* ended by us: endpoint removed */
	FL_R_POLICY_CHANGED,  /* ended by us: policy no longer allows it */
	FL_R_ABORTED,	      /* closed by the application before it was established */
	FL_R_OTHER,
	FL_REASONS = 16,
};

/* Bucket i of a latency histogram counts values below 2^(i+4) microseconds: 16 us, 32 us, ... ; the last is +Inf. */
#define FL_LATENCY_BUCKETS 24

/* Without comparisons: the verifier follows each outcome of one, and so the rest of a program once for each bucket.
 * (__builtin_clzll crashes clang 16 for BPF.) */
static inline __attribute__((always_inline)) int fl_latency_bucket(__u64 us)
{
	__u64 bits = us >> 4;
	int bucket;

	bits |= bits >> 1;
	bits |= bits >> 2;
	bits |= bits >> 4;
	bits |= bits >> 8;
	bits |= bits >> 16;
	bucket = __builtin_popcountll(bits);
	return bucket < FL_LATENCY_BUCKETS ? bucket : FL_LATENCY_BUCKETS - 1;
}

/* fl_pairs (per-CPU hash): one series. */
struct fl_pair_key {
	__u32 source_workload; /* 0 unknown */
	__u32 destination_workload;
	__u32 service_id; /* 0 none, or seen by the server */
	__be16 port;	  /* destination (backend) port for the server's report, service port for the client's */
	__u8 proto;
	__u8 reporter; /* enum fl_reporter */
	struct fl_addr source_addr;      /* set only where source_workload is 0 and fl_settings.label_unknown is on */
};
FL_ABI_SIZE(struct fl_pair_key, 32);

enum fl_reporter {
	FL_REPORTER_SOURCE = 0,
	FL_REPORTER_DESTINATION = 1,
};

struct fl_pair_stats {
	__u64 opened;
	__u64 closed;
	__u64 sent_bytes;     /* client to server */
	__u64 received_bytes; /* server to client */
	__u64 redirected_bytes; /* both ways, part of the two above */
	__u64 retransmissions;
	__u64 srtt_us_sum; /* of samples at sweep and close */
	__u64 srtt_samples;
	__u64 connect_us_sum;
	__u64 failed[FL_REASONS];
	__u64 connect_us[FL_LATENCY_BUCKETS]; /* not cumulative */
};
FL_ABI_SIZE(struct fl_pair_stats, 392);

/* fl_be_stats (per-CPU hash): one backend as its clients on this node saw it, added to when pairs are. */
struct fl_backend_key {
	__u32 backend_id;
	__u32 generation; /* of its row in fl_backends */
};
FL_ABI_SIZE(struct fl_backend_key, 8);

/* Two buckets of FL_LATENCY_BUCKETS in one, as there are many backends: bucket i counts values below 2^(2i+5)
 * microseconds, 32 us, 128 us, ... ; the last is +Inf. */
#define FL_BACKEND_BUCKETS (FL_LATENCY_BUCKETS / 2)

struct fl_backend_stats {
	__u64 closed;
	__u64 sent_bytes;     /* client to server */
	__u64 received_bytes; /* server to client */
	__u64 redirected_bytes; /* both ways, part of the two above */
	__u64 connect_us_sum;
	__u64 failed[FL_REASONS];
	__u64 connect_us[FL_BACKEND_BUCKETS]; /* not cumulative */
};
FL_ABI_SIZE(struct fl_backend_stats, 264);

#endif
