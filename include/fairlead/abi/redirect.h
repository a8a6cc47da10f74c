/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Same-node redirection: how the two ends of a connection find each other, and when a message may leave TCP. */
#ifndef FAIRLEAD_ABI_REDIRECT_H
#define FAIRLEAD_ABI_REDIRECT_H

#include "address.h"

enum {
	FL_REDIR_BEGIN_READS = 16,	    /* recv calls seen in a direction before it may begin */
	FL_REDIR_LARGE_BYTES = 16 * 1024,   /* a message of this size or more counts as bulk */
	FL_REDIR_LARGE_RUN = 8,		    /* so many bulk messages in a row end redirection */
	FL_REDIR_UNREAD_BYTES = 256 * 1024, /* more than this unread ends it: TCP then gives the back-pressure */
};

/* One end as the sockhash knows it. Tuples alone are not unique (two namespaces may use the same ones), so both
 * sequence numbers at ESTABLISHED are part of it: each end's snd_nxt is the other's rcv_nxt. Ports in host order. */
struct fl_redir_key {
	struct fl_addr local;
	struct fl_addr remote;
	__u16 local_port;
	__u16 remote_port;
	__u32 snd_nxt;
	__u32 rcv_nxt;
};
FL_ABI_SIZE(struct fl_redir_key, 44);

/* One direction of a connection. sent is written by the sender's sk_msg program before delivery, read and reads by the
 * receiver; a sender that sees an old read takes too much for unread, which only keeps it on TCP. */
struct fl_redir_dir {
	__u64 sent; /* bytes, by TCP and redirected */
	__u64 read;
	__u32 reads; /* recv calls that took bytes */
	__u32 large; /* bulk messages in a row, at most FL_REDIR_LARGE_RUN */
	__u32 on;
	__u32 excluded; /* not 0: never again */
};
FL_ABI_SIZE(struct fl_redir_dir, 32);

enum fl_redir_verdict {
	FL_REDIR_TCP,	     /* go by TCP, as before */
	FL_REDIR_BEGIN,	     /* redirect, from this message on */
	FL_REDIR_STAY,	     /* redirect, as before */
	FL_REDIR_END_BULK,   /* from here on by TCP: large messages */
	FL_REDIR_END_UNREAD, /* ... too much unread */
	FL_REDIR_END_EXCL,   /* ... excluded meanwhile */
};

#define FL_REDIR_INLINE static inline __attribute__((always_inline))

/* The key under which the other end has put itself. */
FL_REDIR_INLINE void fl_redir_peer(const struct fl_redir_key *own, struct fl_redir_key *peer)
{
	peer->local = own->remote;
	peer->remote = own->local;
	peer->local_port = own->remote_port;
	peer->remote_port = own->local_port;
	peer->snd_nxt = own->rcv_nxt;
	peer->rcv_nxt = own->snd_nxt;
}

/* Decides one message of a direction and counts it as sent. More read than sent (a reader whose socket had traffic
 * before it was watched) wraps to a huge unread, and so stays on TCP. */
FL_REDIR_INLINE enum fl_redir_verdict fl_redir_decide(struct fl_redir_dir *dir, __u32 bytes)
{
	const __u64 unread = dir->sent - dir->read;
	enum fl_redir_verdict verdict = FL_REDIR_TCP;

	if (bytes < FL_REDIR_LARGE_BYTES)
		dir->large = 0;
	else if (dir->large < FL_REDIR_LARGE_RUN)
		dir->large++;
	dir->sent += bytes;
	if (dir->on) {
		if (dir->excluded)
			verdict = FL_REDIR_END_EXCL;
		else if (dir->large >= FL_REDIR_LARGE_RUN)
			verdict = FL_REDIR_END_BULK;
		else if (unread > FL_REDIR_UNREAD_BYTES)
			verdict = FL_REDIR_END_UNREAD;
		else
			verdict = FL_REDIR_STAY;
		dir->on = verdict == FL_REDIR_STAY;
	} else if (!dir->excluded && unread == 0 && dir->large == 0 && dir->reads >= FL_REDIR_BEGIN_READS) {
		verdict = FL_REDIR_BEGIN;
		dir->on = 1;
	}
	return verdict;
}

#endif
