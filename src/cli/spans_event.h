/* weir, the command: what the BPF program of weir spans tells its reader: one span or request that has ended. */
#ifndef WEIR_CLI_SPANS_EVENT_H
#define WEIR_CLI_SPANS_EVENT_H

#if !defined(__bpf__) && !defined(__VMLINUX_H__)
#include <stdint.h>
#else
typedef __u8 uint8_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#endif

enum { SPANS_REQUEST = 0, SPANS_TEXT = 256 };

struct spans_event {
	uint64_t end_ns, duration_ns; /* end_ns: by CLOCK_MONOTONIC */
	uint8_t trace_id[16], span_id[8];
	uint32_t kind;   /* of a span; SPANS_REQUEST: it is a request */
	uint32_t status; /* a request's HTTP status */
	uint32_t failed; /* a span that has failed, a request that was answered with 5xx */
	char name[SPANS_TEXT]; /* a span's; a request's route */
};

#endif
