// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The server's side for pods in whose namespace fl_sk_lookup does not stand yet: attached only while there are such.
#include "lib/guard.h"

SEC("cgroup_skb/ingress")
int fl_guard(struct __sk_buff *skb)
{
	return guard_admit(skb) ? 1 : 0;
}
