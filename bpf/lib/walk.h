/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 3: programs that walk over every socket with a row in one socket storage; run by agent/kernel/walk.cpp.
 *
 * FL_WALK(name, storage, type, visit) makes three programs of `visit(meta, sk, row)`, which is called for each row:
 *   name      one walk through all network namespaces
 *   name_tcp  } a walk over all sockets of the namespace in which it is begun: for kernels that let no program walk over
 *   name_udp  } a storage (lockdown). What is in storage_walked is looked at.
 * FL_WALK_TCP makes no name_udp: for rows that TCP sockets alone have. */
#ifndef FAIRLEAD_BPF_WALK_H
#define FAIRLEAD_BPF_WALK_H

#include "kernel_types.h"
#include "metric.h"

#ifdef __bpf__

/* The compiler would read the pointer again at each use, and the verifier then asks for another check. */
FL_INLINE struct sock *walk_sock(const void *found)
{
	struct sock *sk = (void *)found;

	asm volatile("" : "+r"(sk));
	return sk;
}

/* Sockets in TIME_WAIT and requests are in the kernel's tables too: neither is a full socket, nor has a row. */
FL_INLINE struct sock *walk_tcp(struct sock_common *common)
{
	return common ? walk_sock(bpf_skc_to_tcp_sock(common)) : 0;
}

FL_INLINE void *walk_row(void *walked, struct sock *sk)
{
	void *rows = table_of(walked);

	return rows ? bpf_sk_storage_get(rows, sk, 0, 0) : 0;
}

#define FL_WALK_STORAGE(name, type, visit)                     \
	SEC("iter/bpf_sk_storage_map")                         \
	int name(struct bpf_iter__bpf_sk_storage_map *ctx)     \
	{                                                      \
		struct sock *sk = walk_sock(ctx->sk);          \
		type *row = ctx->value;                        \
                                                               \
		if (sk && row)                                 \
			visit(ctx->meta, sk, row);             \
		return 0;                                      \
	}

#define FL_WALK_SOCKETS(name, storage, type, visit, proto, find)             \
	SEC("iter/" #proto)                                                  \
	int name##_##proto(struct bpf_iter__##proto *ctx)                    \
	{                                                                    \
		struct sock *sk = find;                                      \
		type *row = sk ? walk_row(&storage##_walked, sk) : 0;        \
                                                                             \
		if (row)                                                     \
			visit(ctx->meta, sk, row);                           \
		return 0;                                                    \
	}

#define FL_WALK_TCP(name, storage, type, visit)  \
	FL_WALK_STORAGE(name, type, visit)       \
	FL_WALK_SOCKETS(name, storage, type, visit, tcp, walk_tcp(ctx->sk_common))

#define FL_WALK(name, storage, type, visit)    \
	FL_WALK_TCP(name, storage, type, visit) \
	FL_WALK_SOCKETS(name, storage, type, visit, udp, walk_sock(ctx->udp_sk))

#endif

#endif
