/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 2: counters and settings. */
#ifndef FAIRLEAD_BPF_METRIC_H
#define FAIRLEAD_BPF_METRIC_H

#include "maps.h"

FL_INLINE void count_by(__u32 counter, __u64 value)
{
	__u64 *slot = bpf_map_lookup_elem(&fl_counters, &counter);

	if (slot)
		FL_ADD(slot, value); /* per CPU, but a softirq may interrupt a task's program */
}

FL_INLINE void count(__u32 counter)
{
	count_by(counter, 1);
}

FL_INLINE const struct fl_settings *settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&fl_settings, &zero);
}

/* The inner table behind a one-element array of maps. */
FL_INLINE void *table_of(void *outer)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(outer, &zero);
}

#endif
