/* syscalls: what its BPF program hands to its reader. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <weir/bpf.h>

struct call { /* a system call that has ended */
	uint64_t start_ns, duration_ns;
	uint32_t number, thread;
	struct weir_bpf_trace trace; /* at its begin; valid 0: there was none */
};

#endif
