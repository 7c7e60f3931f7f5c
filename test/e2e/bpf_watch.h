/* What bpf_watch's program hands to its reader. */
#ifndef BPF_WATCH_H
#define BPF_WATCH_H

#include <weir/bpf.h>

struct seen {
	uint32_t thread, what; /* what: 0 a socket changed its state; else how many bytes are written */
	struct weir_bpf_trace trace;
};

#endif
