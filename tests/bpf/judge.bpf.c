// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// What policies say of two addresses, without a connection: run by BPF_PROG_TEST_RUN.
#include "lib/policy.h"

/* Its value is that of fl_decide: 1 where it is allowed. Addresses, port, proto, server and default_deny are given. */
SEC("syscall")
int fl_judge(struct fl_policy_query *ctx)
{
	struct fl_policy_query query = *ctx;
	const struct fl_workload *source = workload_find(&query.source_addr);
	int allowed;

	if (source)
		query.source = *source;
	destination_find(&query);
	allowed = fl_decide(&query);
	*ctx = query;
	return allowed;
}
