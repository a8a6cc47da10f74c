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
	FL_REDIR_WAITING = 256, /* so many messages sent while others were unread end it: each costs 1 KiB of its own */
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

/* fl_redirs (sk_storage): an end of a connection that may be redirected. */
struct fl_redir_end {
	__u64 own;  /* socket cookie; the key of this end in fl_redir_socks and of what it sends in fl_redir_dirs */
	__u64 peer; /* cookie of the other end; 0: not known (yet) */
	__u32 first_seq;  /* snd_nxt at ESTABLISHED */
	__u32 first_read; /* rcv_nxt then, which is also where reading begins */
	__u32 open;	  /* 1: from ESTABLISHED to the close: has a row in fl_redir_ends or in fl_redir_dirs */
	__u32 pad;
};
FL_ABI_SIZE(struct fl_redir_end, 32);

enum fl_redir_ends {
	FL_REDIR_SENDER_IN = 1 << 0,   /* the sender is in fl_redir_socks */
	FL_REDIR_RECEIVER_IN = 1 << 1, /* the receiver is */
	FL_REDIR_BOTH_IN = 3,
};

/* Where a socket stands on its way into fl_redir_socks and out again; only walks of fl_redir_join move it on. */
enum fl_redir_place {
	FL_REDIR_OUTSIDE = 0,
	FL_REDIR_FIT = 1,     /* one walk found that it may be added */
	FL_REDIR_TRIED = 2,   /* it was added, or could not be */
	FL_REDIR_LEAVING = 3, /* nothing is redirected to it any more: leaves when what was is read */
	FL_REDIR_LEFT = 4,    /* for good */
};

/* fl_redir_dirs: one direction of a connection, by the sender's cookie. read and reads are written by the receiver,
 * after the bytes were taken: a sender that sees an old read takes too much for unread, which only keeps it on TCP. */
struct fl_redir_dir {
	__u64 peer;	  /* cookie of the receiver */
	__u64 redirected; /* bytes so far, by the sender under its socket's lock */
	__u64 read;	  /* bytes taken by recv, whichever way they came */
	__u32 reads;	  /* recv calls that took bytes */
	__u32 large;	  /* bulk messages in a row, at most FL_REDIR_LARGE_RUN */
	__u32 on;
	__u32 excluded; /* enum fl_counter that says why; not 0: never again */
	__u32 ends;	/* enum fl_redir_ends */
	__u32 wished;	/* the agent was asked to add the ends */
	__u32 place;	/* enum fl_redir_place of the sender's socket */
	__u32 closed;	/* the sender is */
	__u32 waiting;	/* messages redirected since nothing was unread */
	__u32 quiet;	/* walks that found the leaving sender's queue empty while the counts say otherwise */
};
FL_ABI_SIZE(struct fl_redir_dir, 64);

enum fl_redir_program {
	FL_REDIR_PROGRAM_SPLICES = 1, /* seen to splice: never again */
	FL_REDIR_PROGRAM_KNOWN = 2,   /* the user says that it never splices from a socket */
};

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

/* Bytes handed to TCP so far. sequence: as its 32-bit sequence numbers have it; about: a 64-bit count that is wrong by a
 * SYN or two, and tells how often the other has wrapped. */
FL_REDIR_INLINE __u64 fl_redir_sent(__u32 sequence, __u64 about)
{
	const __u64 ahead = (sequence - about) & 0xffffffff;

	return ahead < 0x80000000 ? about + ahead : about - (0x100000000 - ahead);
}

/* Bytes of a direction that were redirected and are not read yet. read: of the direction, looked at before the others;
 * tcp_read: those taken from TCP, as 32-bit sequence numbers have it. What is taken in between is then seen as unread.
 * Bytes that were spliced, or an urgent one, make the difference wrong for ever. */
FL_REDIR_INLINE __u32 fl_redir_left(__u64 redirected, __u64 read, __u32 tcp_read)
{
	return (redirected - (read - tcp_read)) & 0xffffffff;
}

/* Decides one message of a direction. tcp_sent: bytes handed to TCP so far. Bytes that went to the reader otherwise than
 * by recv (splice, a ULP) stay unread for ever, and so the direction stays on TCP. */
FL_REDIR_INLINE enum fl_redir_verdict fl_redir_decide(struct fl_redir_dir *dir, __u32 bytes, __u64 tcp_sent)
{
	const __u64 unread = tcp_sent + dir->redirected - dir->read;
	enum fl_redir_verdict verdict = FL_REDIR_TCP;

	dir->waiting = unread == 0 ? 0 : dir->waiting + 1;
	if (bytes < FL_REDIR_LARGE_BYTES)
		dir->large = 0;
	else if (dir->large < FL_REDIR_LARGE_RUN)
		dir->large++;
	if (dir->on) {
		if (dir->excluded)
			verdict = FL_REDIR_END_EXCL;
		else if (dir->large >= FL_REDIR_LARGE_RUN)
			verdict = FL_REDIR_END_BULK;
		else if (unread > FL_REDIR_UNREAD_BYTES || dir->waiting > FL_REDIR_WAITING)
			verdict = FL_REDIR_END_UNREAD;
		else
			verdict = FL_REDIR_STAY;
		dir->on = verdict == FL_REDIR_STAY;
	} else if (!dir->excluded && dir->ends == FL_REDIR_BOTH_IN && unread == 0 && dir->large == 0 &&
		   dir->reads >= FL_REDIR_BEGIN_READS) {
		verdict = FL_REDIR_BEGIN;
		dir->on = 1;
	}
	if (dir->on)
		dir->redirected += bytes;
	return verdict;
}

/* The message went by TCP after all. */
FL_REDIR_INLINE void fl_redir_undo(struct fl_redir_dir *dir, __u32 bytes)
{
	dir->redirected -= bytes;
	dir->on = 0;
}

#endif
