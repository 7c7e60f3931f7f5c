/* weir, the command: the probes span_end and request_end of a process, watched by a BPF program. spans_bpf.c does it; where the command
 * was built without libbpf, spans_none.c says so.
 *
 * Invariant: the process is neither stopped nor written to but by the kernel, which removes its traps when the watch is closed. */
#ifndef WEIR_CLI_SPANS_WATCH_H
#define WEIR_CLI_SPANS_WATCH_H

#include "spans_event.h"

#include <stdbool.h>

struct spans_watch;
struct spans_filter {
	uint64_t slow_ns; /* as long as this, or longer */
	bool failed;      /* only what has failed */
};
typedef void spans_fn(void *arg, const struct spans_event *event);

/* FLAGS_RUN, or the code to end with: it has complained. *watch is to be closed either way. */
int spans_watch_open(struct spans_watch **watch, const char *who, int pid, const struct spans_filter *filter, spans_fn *take, void *arg);
/* Hands over what is there, and waits for so many ms until something is. */
void spans_watch_poll(struct spans_watch *watch, int ms);
/* No more come; hands over what came until now. */
void spans_watch_stop(struct spans_watch *watch);
uint64_t spans_watch_lost(const struct spans_watch *watch);
void spans_watch_close(struct spans_watch *watch);

#endif
