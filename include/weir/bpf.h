/* weir: the current trace of the running task, for BPF programs (OTEP 4947). Include it behind vmlinux.h, bpf_helpers.h and
 * bpf_core_read.h; a loader includes it for the structs. Where the variable lies is what `weir offsets PID` prints: a loader puts
 * it into a constant of the program.
 *
 *   const volatile struct weir_bpf_place place;
 *   ...
 *   struct weir_bpf_trace trace;
 *   if (weir_bpf_trace(&place, &trace)) ... trace.trace_id, trace.span_id
 *
 * From tracepoints and probes that run in the task's own context: a system call, a socket's change of state. It works with any
 * SDK that has the variable. Here: Threads: the running task. Blocks, Allocates: no. Owns: nothing. */
#ifndef WEIR_BPF_H
#define WEIR_BPF_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <stdint.h>
#else
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s64 int64_t;
#endif

struct weir_bpf_place {
	int64_t tp_offset;              /* from the thread pointer; where module is 0 */
	uint64_t module, module_offset; /* else: in the thread's vector (glibc) */
};
enum { WEIR_BPF_ATTRS = 36 };
struct weir_bpf_trace { /* as in weir/abi/thread_context.h; attributes behind the first WEIR_BPF_ATTRS bytes are left out */
	uint8_t trace_id[16], span_id[8];
	uint8_t valid, flags;
	uint16_t attrs_bytes;
	uint8_t attrs[WEIR_BPF_ATTRS];
};

#ifdef __bpf__
#define WEIR_BPF_INLINE_ static inline __attribute__((always_inline, unused))

WEIR_BPF_INLINE_ uint64_t weir_bpf_thread_pointer_(void)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
#if defined(__TARGET_ARCH_arm64)
	return BPF_CORE_READ(task, thread.uw.tp_value);
#else
	return BPF_CORE_READ(task, thread.fsbase);
#endif
}

/* False: no context is attached to the running task, or none that can be read (its page is not there); then *to is zeros. */
WEIR_BPF_INLINE_ int weir_bpf_trace(const volatile struct weir_bpf_place *place, struct weir_bpf_trace *to)
{
	enum { HEAD = sizeof *to - WEIR_BPF_ATTRS };
	uint64_t thread = weir_bpf_thread_pointer_(), slot = thread + (uint64_t)place->tp_offset, record = 0;
	uint32_t more;

	__builtin_memset(to, 0, sizeof *to);
	if (place->module != 0) {
#if defined(__TARGET_ARCH_arm64)
		uint64_t vector = 0, at = thread; /* dtv of variant I */
#else
		uint64_t vector = 0, at = thread + 8;
#endif
		if (bpf_probe_read_user(&vector, sizeof vector, (const void *)at) != 0 ||
		    bpf_probe_read_user(&slot, sizeof slot, (const void *)(vector + place->module * 16)) != 0 || slot == 0 || slot == ~0ull)
			return 0; /* not used by this thread yet */
		slot += place->module_offset;
	}
	if (thread == 0 || bpf_probe_read_user(&record, sizeof record, (const void *)slot) != 0 || record == 0)
		return 0;
	if (bpf_probe_read_user(to, HEAD, (const void *)record) != 0 || to->valid != 1) {
		__builtin_memset(to, 0, sizeof *to);
		return 0;
	}
	more = to->attrs_bytes < WEIR_BPF_ATTRS ? to->attrs_bytes : WEIR_BPF_ATTRS;
	if (more != 0 && bpf_probe_read_user(to->attrs, more, (const void *)(record + HEAD)) != 0)
		to->attrs_bytes = 0;
	return 1;
}
#undef WEIR_BPF_INLINE_
#endif

#endif
