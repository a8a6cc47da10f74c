// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// The kernel gives GPL-only helpers (bpf_ktime_get_ns, probe reads) to programs that say GPL.
#include "lib/maps.h"

char _license[] SEC("license") = "Dual BSD/GPL";
