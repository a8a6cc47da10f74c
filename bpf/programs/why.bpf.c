// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Asks the balancer without connecting: run by BPF_PROG_TEST_RUN, for `fairctl why` and for tests.
#include "lib/choose.h"

/* Chooses as connect would, with the chance and the time that it is given. With FL_CHOOSE_DRY nothing changes. Its value
 * is that of fl_choose: 1 where a backend was given. */
SEC("syscall")
int fl_why(struct fl_choice *ctx)
{
	struct fl_choice choice = *ctx;
	int given = fl_choose(&choice);

	*ctx = choice;
	return given;
}
