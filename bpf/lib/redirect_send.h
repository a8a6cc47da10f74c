/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 7: what becomes of one message of a socket in the sockhash. */
#ifndef FAIRLEAD_BPF_REDIRECT_SEND_H
#define FAIRLEAD_BPF_REDIRECT_SEND_H

#include "redirect.h"
#include "sweep.h"

FL_INLINE long redir_system_call(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)task);

	return bpf_core_field_exists(regs->orig_ax) ? (long)regs->orig_ax : -1;
}

enum {
	FL_NR_WRITE = 1,
	FL_NR_WRITEV = 20,
	FL_NR_SENDTO = 44,
	FL_NR_SENDMSG = 46,
	FL_NR_SENDMMSG = 307,
};

/* Why the message has to go by TCP; 0: it comes from a plain system call without flags that only TCP can serve. The
 * hook does not show them, the caller's registers do (x86-64; elsewhere none is plain). Numbers of 32-bit callers mean
 * other calls, none of which sends. */
FL_INLINE __u32 redir_send_unfit(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)task);
	unsigned long flags;

	if (!bpf_core_field_exists(regs->orig_ax))
		return FL_C_REDIRECT_MSG_CALL;
	switch (regs->orig_ax) {
	case FL_NR_WRITE:
	case FL_NR_WRITEV:
		return 0;
	case FL_NR_SENDTO:
	case FL_NR_SENDMMSG:
		flags = regs->r10;
		break;
	case FL_NR_SENDMSG:
		flags = regs->dx;
		break;
	default:
		return FL_C_REDIRECT_MSG_CALL;
	}
	return flags & (FL_MSG_OOB | FL_MSG_ZEROCOPY) ? FL_C_REDIRECT_MSG_FLAGS : 0;
}

FL_INLINE void redir_count_end(enum fl_redir_verdict verdict)
{
	if (verdict == FL_REDIR_END_BULK)
		count(FL_C_REDIRECT_END_BULK);
	else if (verdict == FL_REDIR_END_UNREAD)
		count(FL_C_REDIRECT_END_UNREAD);
}

/* A message that goes by TCP for what it is; a process that has an io_uring by now leaves with its connection. */
FL_INLINE void redir_pass(struct fl_redir_end *end, const struct fl_redir_dir *dir, __u32 reason)
{
	count(reason);
	if (redir_uses_uring())
		redir_exclude(end->own, dir->peer, FL_C_REDIRECT_EXCL_URING);
}

FL_INLINE __u64 redir_tcp_sent(const struct tcp_sock *tcp, const struct fl_redir_end *end)
{
	const __u32 sequence = tcp->write_seq;

	return fl_redir_sent(sequence - end->first_seq, tcp->bytes_acked + (sequence - tcp->snd_una));
}

/* One message of a socket in the sockhash, under its lock. */
FL_INLINE int redir_message(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	__u32 bytes = msg->size;
	enum fl_redir_verdict verdict;
	struct fl_redir_end *end;
	struct fl_redir_dir *dir;
	struct tcp_sock *tcp;
	__u32 unfit;
	__u64 peer;

	if (!sk)
		return SK_PASS;
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	tcp = (void *)bpf_skc_to_tcp_sock(sk);
	if (!end || !tcp)
		return SK_PASS;
	dir = redir_dir(end->own);
	if (!dir)
		return SK_PASS;
	unfit = redir_send_unfit();
	/* Who has sent FIN gets EPIPE, who sends to one that reads no more gets RST: both is TCP's to say. */
	if (!unfit && sk->state != FL_TCP_ESTABLISHED)
		unfit = FL_C_REDIRECT_MSG_SHUT;
	if (unfit || !redir_is_on()) {
		if (unfit && !dir->excluded)
			redir_pass(end, dir, unfit);
		dir->on = 0;
		return SK_PASS;
	}
	verdict = fl_redir_decide(dir, bytes, redir_tcp_sent(tcp, end));
	if (verdict != FL_REDIR_BEGIN && verdict != FL_REDIR_STAY) {
		redir_count_end(verdict);
		return SK_PASS;
	}
	peer = dir->peer;
	if (bpf_msg_redirect_hash(msg, &fl_redir_socks, &peer, BPF_F_INGRESS) != SK_PASS) {
		fl_redir_undo(dir, bytes);
		count(FL_C_REDIRECT_NO_PEER);
		return SK_PASS;
	}
	if (verdict == FL_REDIR_BEGIN)
		count(FL_C_REDIRECT_BEGIN);
	count(FL_C_REDIRECT_MESSAGES);
	count_by(FL_C_REDIRECT_BYTES, bytes);
	return SK_PASS;
}

#endif
