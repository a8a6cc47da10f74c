// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// connect(2), TCP and connected UDP: a service's address becomes that of a backend.
#include "lib/connect.h"

SEC("cgroup/connect4")
int fl_connect4(struct bpf_sock_addr *ctx)
{
	return connect_balance(ctx, 0);
}

SEC("cgroup/connect6")
int fl_connect6(struct bpf_sock_addr *ctx)
{
	return connect_balance(ctx, 1);
}
