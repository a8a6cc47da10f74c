// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// What connected UDP sockets send and get. Attached while series or flows are on and a service has a UDP port.
#include <bpf/bpf_tracing.h>

#include "lib/udp_bytes.h"

SEC("fexit/udp_sendmsg")
int BPF_PROG(fl_udp_sent4, struct sock *sk, void *msg, unsigned long size, int result)
{
	// A v6 socket comes by on its way to a v4 address: fl_udp_sent6 counts it.
	if (sk->__sk_common.skc_family == FL_AF_INET)
		udp_count(sk, result, 1);
	return 0;
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(fl_udp_sent6, struct sock *sk, void *msg, unsigned long size, int result)
{
	udp_count(sk, result, 1);
	return 0;
}

SEC("fexit/udp_recvmsg")
int BPF_PROG(fl_udp_got4, struct sock *sk, void *msg, unsigned long size, int flags, int *length, int result)
{
	udp_got(sk, result, flags);
	return 0;
}

SEC("fexit/udpv6_recvmsg")
int BPF_PROG(fl_udp_got6, struct sock *sk, void *msg, unsigned long size, int flags, int *length, int result)
{
	udp_got(sk, result, flags);
	return 0;
}

// Where the kernel traces no functions (kernel 6.3 and newer): paid by every send and recv, TCP's too.
SEC("tp_btf/sock_send_length")
int BPF_PROG(fl_udp_sent, struct sock *sk, int result, int flags)
{
	udp_count(sk, result, 1);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(fl_udp_got, struct sock *sk, int result, int flags)
{
	udp_got(sk, result, flags);
	return 0;
}
