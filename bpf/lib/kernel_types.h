/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 0: the few members of the kernel's own types that programs read. Offsets come from the running kernel's BTF. */
#ifndef FAIRLEAD_BPF_KERNEL_TYPES_H
#define FAIRLEAD_BPF_KERNEL_TYPES_H

#include <linux/types.h>

/* <linux/socket.h> */
#define FL_MSG_PEEK 0x2
#define FL_MSG_ERRQUEUE 0x2000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct net {
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

struct file {
	unsigned int f_flags;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct sk_filter;
struct tcp_ulp_ops;
struct io_uring_task;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num; /* host byte order */
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags; /* bits of enum sock_flags */
};

/* Bit numbers; they differ from kernel to kernel. */
enum sock_flags {
	SOCK_RCVTSTAMP,
	SOCK_ZEROCOPY,
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	struct sk_filter *sk_filter;
	struct socket *sk_socket;
	unsigned long sk_max_pacing_rate;
	void *sk_user_data;
	__s32 sk_peek_off;
	int sk_rcvlowat;
	__u32 sk_tsflags;
	int sk_err;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_ulp_ops *icsk_ulp_ops;
	__u32 icsk_rto; /* jiffies */
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 write_seq;
	__u32 snd_una;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u32 urg_seq;
	__u16 urg_data;
	__u64 bytes_acked;
	__u8 repair : 1;
	__u8 recvmsg_inq : 1;
};

struct list_head {
	struct list_head *next;
};

/* What a sockhash hangs on a socket. */
struct sk_psock {
	struct list_head ingress_msg; /* redirected to it and not read */
	__u32 msg_tot_len;	      /* since FIONREAD looks there too (6.18, and stable releases of others) */
};

/* x86-64 */
struct pt_regs {
	unsigned long r10;
	unsigned long dx;
	unsigned long orig_ax;
};

struct task_struct {
	struct task_struct *group_leader;
	struct io_uring_task *io_uring;
	char comm[16];
};

struct udp_sock {
	struct inet_sock inet;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

#pragma clang attribute pop

#endif
