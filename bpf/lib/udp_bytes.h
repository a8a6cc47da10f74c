/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 4: the bytes of connected UDP sockets, which the kernel counts nowhere. */
#ifndef FAIRLEAD_BPF_UDP_BYTES_H
#define FAIRLEAD_BPF_UDP_BYTES_H

#include "kernel_types.h"
#include "maps.h"
#include "tuple.h"

#define FL_UDP_CONNECTED 1 /* TCP_ESTABLISHED, which UDP uses too */

/* What a sendmsg or recvmsg answered: bytes of the application, whatever they became on the wire. A socket that was
 * disconnected, and asks others now, counts no more. */
FL_INLINE void udp_count(struct sock *sk, int bytes, int sent)
{
	struct fl_sock *sock;

	if (sk->sk_protocol != FL_UDP || bytes <= 0 || sk->__sk_common.skc_state != FL_UDP_CONNECTED)
		return;
	sock = bpf_sk_storage_get(&fl_socks, sk, 0, 0);
	if (sock)
		FL_ADD(sent ? &sock->extra_sent : &sock->extra_received, bytes);
}

FL_INLINE void udp_got(struct sock *sk, int bytes, int flags)
{
	if (!(flags & (FL_MSG_PEEK | FL_MSG_ERRQUEUE)))
		udp_count(sk, bytes, 0);
}

#endif
