/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What fl_decide_message is asked and answers: the rules of fairlead/abi/redirect.h for one message. */
#pragma once

#include "fairlead/abi/redirect.h"

struct fl_decide_message {
	struct fl_redir_dir dir; /* both ways */
	/* Asked. */
	__u64 about;	/* bytes handed to TCP so far, wrong by a few */
	__u32 sequence; /* the same as TCP's sequence numbers have it */
	__u32 tcp_read; /* bytes taken from TCP, as these have it */
	__u32 bytes;	/* of the message */
	__u32 undo;	/* 1: the message finds no peer */
	/* Answered. */
	__u64 tcp_sent;
	__u32 verdict; /* enum fl_redir_verdict */
	__u32 left;    /* bytes redirected and not read, afterwards */
};
FL_ABI_SIZE(struct fl_decide_message, 104);

/* As the program of messages does it (bpf/lib/redirect_send.h). */
static inline __attribute__((always_inline)) void fl_decide_as_asked(struct fl_decide_message *asked)
{
	asked->tcp_sent = fl_redir_sent(asked->sequence, asked->about);
	asked->verdict = fl_redir_decide(&asked->dir, asked->bytes, asked->tcp_sent);
	if (asked->undo && (asked->verdict == FL_REDIR_BEGIN || asked->verdict == FL_REDIR_STAY))
		fl_redir_undo(&asked->dir, asked->bytes);
	asked->left = fl_redir_left(asked->dir.redirected, asked->dir.read, asked->tcp_read);
}
