// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// What redirection makes of one message, without a connection: run by BPF_PROG_TEST_RUN.
#include "lib/base.h"
#include "decide.h"

/* Its value is the verdict. */
SEC("syscall")
int fl_decide_redir(struct fl_decide_message *ctx)
{
	struct fl_decide_message message = *ctx;

	fl_decide_as_asked(&message);
	*ctx = message;
	return message.verdict;
}
