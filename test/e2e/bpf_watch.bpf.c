/* The trace of each write(2) and each change of a socket's state, of one process. */
#include <vmlinux.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf_watch.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";
const volatile uint32_t process;
const volatile struct weir_bpf_place place;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

static inline int tell(uint32_t what)
{
	uint64_t who = bpf_get_current_pid_tgid();
	struct seen seen = {.thread = (uint32_t)who, .what = what};

	if (who >> 32 != process)
		return 0;
	weir_bpf_trace(&place, &seen.trace);
	bpf_ringbuf_output(&events, &seen, sizeof seen, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_write")
int on_write(struct trace_event_raw_sys_enter *context)
{
	return tell((uint32_t)context->args[2]);
}

SEC("tracepoint/sock/inet_sock_set_state")
int on_state(void *context)
{
	(void)context;
	return tell(0);
}
