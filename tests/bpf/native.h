/* SPDX-License-Identifier: Apache-2.0 */
/* The decision code of bpf/lib, built natively, and the tables that it reads. */
#pragma once

#include "fairlead/abi/choice.h"
#include "fairlead/abi/service.h"
#include "fairlead/abi/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum native_table {
  NATIVE_FRONTENDS,
  NATIVE_SERVICES,
  NATIVE_MAGLEVS,
  NATIVE_NODE_ADDRS,
  NATIVE_SLOTS,
  NATIVE_BACKENDS,
  NATIVE_BACKEND_STATES,
  NATIVE_SERVICE_STATES,
  NATIVE_SETTINGS,
  NATIVE_AFFINITY,
  NATIVE_OTHER,
};

/* Given by the test: the value under a key or null; the keys are those of the kernel's tables. */
void* native_find(enum native_table table, const void* key);
void native_store(enum native_table table, const void* key, const void* value);

/* bpf/lib/choose.h: 1 where a backend was given. */
int native_choose(struct fl_choice* choice);

#ifdef __cplusplus
}
#endif
