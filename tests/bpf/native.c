// SPDX-License-Identifier: Apache-2.0
#include "native.h"

#include "lib/choose.h"

static enum native_table table_at(const void* map) {
  if (map == &fl_frontends) return NATIVE_FRONTENDS;
  if (map == &fl_services) return NATIVE_SERVICES;
  if (map == &fl_maglevs) return NATIVE_MAGLEVS;
  if (map == &fl_node_addrs) return NATIVE_NODE_ADDRS;
  if (map == &fl_slots) return NATIVE_SLOTS;
  if (map == &fl_backends) return NATIVE_BACKENDS;
  if (map == &fl_be_state) return NATIVE_BACKEND_STATES;
  if (map == &fl_svc_state) return NATIVE_SERVICE_STATES;
  if (map == &fl_settings) return NATIVE_SETTINGS;
  if (map == &fl_affinity) return NATIVE_AFFINITY;
  return NATIVE_OTHER;
}

/* The map in an array of maps, as the kernel's lookup gives it: the definitions point to it. */
static void* inner_of(const void* map) {
#define FL_OUTER(name) \
  if (map == &name##_of) return (void*)&(name)
  FL_OUTER(fl_frontends);
  FL_OUTER(fl_services);
  FL_OUTER(fl_maglevs);
  FL_OUTER(fl_node_addrs);
  FL_OUTER(fl_slots);
  FL_OUTER(fl_backends);
  FL_OUTER(fl_be_state);
  FL_OUTER(fl_svc_state);
#undef FL_OUTER
  return 0;
}

void* bpf_map_lookup_elem(void* map, const void* key) {
  void* inner = inner_of(map);
  return inner ? inner : native_find(table_at(map), key);
}

long bpf_map_update_elem(void* map, const void* key, const void* value, __u64 flags) {
  (void)flags;
  native_store(table_at(map), key, value);
  return 0;
}

/* The decision is told the time and its chance: it must not ask. */
__u64 bpf_ktime_get_ns(void) { __builtin_trap(); }
__u32 bpf_get_prandom_u32(void) { __builtin_trap(); }

long bpf_loop(__u32 count, void* step, void* context, __u64 flags) {
  long (*function)(__u32, void*) = (long (*)(__u32, void*))step;
  (void)flags;
  for (__u32 i = 0; i < count; i++)
    if (function(i, context)) return i + 1;
  return count;
}

int native_choose(struct fl_choice* choice) { return fl_choose(choice); }
