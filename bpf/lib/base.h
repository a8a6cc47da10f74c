/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layer 0: compiler attributes, byte order, atomics. */
#ifndef FAIRLEAD_BPF_BASE_H
#define FAIRLEAD_BPF_BASE_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#else
#include "native.h"
#endif

#define FL_INLINE static __always_inline

/* Forbids the compiler to fetch a shared word twice. */
#define FL_READ(x) (*(volatile typeof(x) *)&(x))
#define FL_WRITE(x, v) (*(volatile typeof(x) *)&(x) = (v))

#define FL_ADD(pointer, value) __sync_fetch_and_add((pointer), (value))

#endif
