// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The server's side: a SYN, or a datagram to an unconnected socket, is looked up in the pod's network namespace. A
// forbidden one finds no socket: the kernel answers RST, or ICMP port unreachable.
#include "lib/server.h"

SEC("sk_lookup")
int fl_sk_lookup(struct bpf_sk_lookup *ctx)
{
	return server_admit(ctx) ? SK_PASS : SK_DROP;
}
