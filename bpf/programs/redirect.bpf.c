// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Same-node redirection: what is sent goes straight to the reader's socket, while that is safe and pays.
#include <bpf/bpf_tracing.h>

#include "lib/redirect_send.h"
#include "lib/redirect_walk.h"

SEC("sk_msg")
int fl_redir_msg(struct sk_msg_md *msg)
{
	return redir_message(msg);
}

// Kernel 6.3 and newer; paid by every recv, so attached only where redirection is in use.
SEC("tp_btf/sock_recv_length")
int BPF_PROG(fl_redir_recv, struct sock *sk, int result, int flags)
{
	redir_received(sk, result, flags);
	return 0;
}

// The same for older kernels.
SEC("fexit/inet_recvmsg")
int BPF_PROG(fl_redir_recv4, struct socket *sock, void *msg, unsigned long size, int flags, int result)
{
	redir_received(sock->sk, result, flags);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(fl_redir_recv6, struct socket *sock, void *msg, unsigned long size, int flags, int result)
{
	redir_received(sock->sk, result, flags);
	return 0;
}

SEC("fentry/tcp_splice_read")
int BPF_PROG(fl_redir_splice, struct socket *sock)
{
	redir_spliced(sock->sk);
	return 0;
}

// Called by splice before it reads. Also by read and write of any file, so it leaves at once: attached only where
// redirection is in use.
SEC("fmod_ret/security_file_permission")
int BPF_PROG(fl_redir_nosplice, struct file *file, int mask, int result)
{
	struct socket *sock;

	if (result || mask != FL_MAY_READ || redir_system_call() != FL_NR_SPLICE)
		return result;
	sock = (void *)bpf_sock_from_file((void *)file);
	return sock ? redir_splice_answer(sock) : result;
}

// Called by every receive call, so it leaves at once too.
SEC("fmod_ret/security_socket_recvmsg")
int BPF_PROG(fl_redir_urgent, struct socket *sock, void *msg, int size, int flags, int result)
{
	return result || !(flags & FL_MSG_OOB) ? result : redir_urgent_answer(sock->sk);
}

SEC("fexit/inet_ioctl")
int BPF_PROG(fl_redir_inq4, struct socket *sock, unsigned int command, unsigned long answer, int result)
{
	redir_inq_correct(sock, command, (void *)answer, result);
	return 0;
}

SEC("fexit/inet6_ioctl")
int BPF_PROG(fl_redir_inq6, struct socket *sock, unsigned int command, unsigned long answer, int result)
{
	redir_inq_correct(sock, command, (void *)answer, result);
	return 0;
}

// Options that a socket in a sockhash would not honour. Those set before are found when it is added.
SEC("cgroup/setsockopt")
int fl_redir_option(struct bpf_sockopt *ctx)
{
	int level = ctx->level, name = ctx->optname;
	struct bpf_sock *sk = ctx->sk;
	struct fl_redir_end *end;

	ctx->optlen = 0; // the caller's own data is used, whatever its size
	if (!sk || !redir_option_excludes(level, name))
		return 1;
	end = bpf_sk_storage_get(&fl_redirs, sk, 0, 0);
	if (!end)
		return 1;
	redir_exclude_end(end, level == FL_SOL_TCP && name == FL_TCP_ULP ? FL_C_REDIRECT_EXCL_ULP
									 : FL_C_REDIRECT_EXCL_OPTION);
	if (!redir_option_waits(level, name) || !redir_is_in(end))
		return 1;
	// Until it has left, completions would never come, and keys of TLS get EINVAL. Programs do without what is refused.
	bpf_set_retval(-FL_EOPNOTSUPP);
	return 0;
}

// Adds ends whose connection is wished for: the first walk finds both ends fit, the second adds them. Takes out those that
// are excluded. Writes a row for each that needs another walk.
FL_INLINE void redir_visit(struct bpf_iter_meta *meta, struct sock *sk, struct fl_redir_end *end)
{
	if (redir_walk(sk, end))
		redir_tell(meta, sk, end);
}
FL_WALK_TCP(fl_redir_join, fl_redirs, struct fl_redir_end, redir_visit)
