/* syscalls: system calls of one process, timed in the kernel, each with the trace that its thread is at. Lost are only such as the
 * ring has no room for: they are counted. */
#include <vmlinux.h> /* made of the running kernel */

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "syscalls.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

const volatile uint32_t process; /* in the first namespace */
const volatile struct weir_bpf_place place;
uint64_t lost;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384); /* threads */
	__type(key, uint32_t);
	__type(value, struct call);
} begun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} ended SEC(".maps");

SEC("tracepoint/raw_syscalls/sys_enter")
int enter(struct trace_event_raw_sys_enter *context)
{
	uint64_t who = bpf_get_current_pid_tgid();
	uint32_t thread = (uint32_t)who;
	struct call call = {0};

	if (who >> 32 != process)
		return 0;
	call.number = (uint32_t)context->id;
	call.thread = thread;
	weir_bpf_trace(&place, &call.trace);
	call.start_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&begun, &thread, &call, BPF_ANY) != 0)
		__sync_fetch_and_add(&lost, 1);
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_exit")
int leave(struct trace_event_raw_sys_exit *context)
{
	uint64_t who = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
	uint32_t thread = (uint32_t)who;
	struct call *call;

	if (who >> 32 != process || (call = bpf_map_lookup_elem(&begun, &thread)) == NULL)
		return 0;
	call->duration_ns = now - call->start_ns;
	if (call->number == (uint32_t)context->id && bpf_ringbuf_output(&ended, call, sizeof *call, 0) != 0)
		__sync_fetch_and_add(&lost, 1);
	bpf_map_delete_elem(&begun, &thread);
	return 0;
}
