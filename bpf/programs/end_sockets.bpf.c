// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Ends the doomed sockets of the network namespace in which the iterator was made, and writes a byte for each. Kernel
// 6.5 and newer; the agent uses netlink elsewhere.
#include "lib/sweep.h"

extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

FL_INLINE struct fl_sock *doomed_sock(struct sock_common *common)
{
	struct fl_sock *sock = bpf_sk_storage_get(&fl_socks, common, 0, 0);

	return sock && (sock->flags & FL_SOCK_DOOMED) ? sock : 0;
}

FL_INLINE void note_ended(struct bpf_iter_meta *meta)
{
	__u8 one = 1;

	count(FL_C_SOCKETS_ENDED);
	bpf_seq_write(meta->seq, &one, sizeof(one));
}

SEC("iter/tcp")
int fl_end_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common || common->skc_state == FL_TCP_CLOSE || !doomed_sock(common))
		return 0;
	if (bpf_sock_destroy(common) == 0)
		note_ended(ctx->meta);
	return 0;
}

SEC("iter/udp")
int fl_end_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *common = (struct sock_common *)ctx->udp_sk;

	if (!common || common->skc_state != FL_TCP_ESTABLISHED || !doomed_sock(common))
		return 0;
	if (bpf_sock_destroy(common) == 0)
		note_ended(ctx->meta);
	return 0;
}

/* The same count for the sockets that netlink ended. */
SEC("syscall")
int fl_count_ended(__u64 *ended)
{
	count_by(FL_C_SOCKETS_ENDED, *ended);
	return 0;
}
