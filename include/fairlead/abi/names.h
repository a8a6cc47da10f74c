/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Where the agent pins, and the number that says which pins fit together. */
#ifndef FAIRLEAD_ABI_NAMES_H
#define FAIRLEAD_ABI_NAMES_H

/* Raised with every change to a struct or map in this directory: an agent that finds another number in
 * fl_settings.abi_version replaces the pinned state as a whole instead of adopting it. */
#ifndef FL_ABI_VERSION
#define FL_ABI_VERSION 10
#endif

#define FL_PIN_DIR "/sys/fs/bpf/fairlead"

#endif
