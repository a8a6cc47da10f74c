// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// sendmsg(2) and recvmsg(2) of unconnected UDP sockets.
#include "lib/datagram.h"

SEC("cgroup/sendmsg4")
int fl_sendmsg4(struct bpf_sock_addr *ctx)
{
	return datagram_send(ctx, 0);
}

SEC("cgroup/sendmsg6")
int fl_sendmsg6(struct bpf_sock_addr *ctx)
{
	return datagram_send(ctx, 1);
}

SEC("cgroup/recvmsg4")
int fl_recvmsg4(struct bpf_sock_addr *ctx)
{
	return datagram_receive(ctx, 0);
}

SEC("cgroup/recvmsg6")
int fl_recvmsg6(struct bpf_sock_addr *ctx)
{
	return datagram_receive(ctx, 1);
}
