/* L5: the one thread that ticks, the two that run what is not weir's (callbacks; exporters), and the exporters' list.
 * Invariant: what may wait never runs on the first thread, nor under a lock, and callbacks hold up no exporter. */
#ifndef WEIR_PIPELINE_H
#define WEIR_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

/* thread.c: as weir_private_thread_start; own_descriptors false: the host's descriptors, for the host's code. */
struct weir_private_thread;
bool weir__stopping(void); /* lifecycle.c: weir_shutdown is at it, and ends the others' threads: none begins */
int weir__thread_start(struct weir_private_thread **thread, const char *name, void (*run)(void *), void *arg, bool own_descriptors);

struct weir__pipeline_options {
	uint64_t tick_ns, totals_ns; /* totals_ns 0: none */
	bool pumped, process;
	bool disabled; /* no thread, no turn; all else as if there were nothing to do */
};
int weir__pipeline_start(const struct weir__pipeline_options *options);
/* Stops the threads and closes the exporters; WEIR_ETIMEOUT: one is stuck, and left to itself. */
int weir__pipeline_stop(uint64_t deadline_ns);
bool weir__pipeline_runs(void); /* in this process */
bool weir__pipeline_was_started(void); /* in this process, or in the one it was forked from */
int weir__pipeline_restart(void);      /* in a forked child */
bool weir__pipeline_is_pumped(void);
bool weir__pipeline_has_exporters(void); /* the thread that runs exporters is there */
int weir__pipeline_flush(uint64_t deadline_ns);
int weir__pipeline_pump(uint64_t budget_ns, uint64_t *next_ns);

/* exporter.c: runs those that are due (all: every one); the first error. *next_ns is lowered to the earliest due time. */
int weir__exporters_run(bool all, uint64_t deadline_ns, uint64_t *next_ns);
void weir__exporters_leave(void); /* those that are there will be closed; later ones not. With the life lock held */
void weir__exporters_close(void); /* those */
uint32_t weir__exporters_count(void);
struct weir_exporter;
void weir__exporter_idle(struct weir_exporter *exporter, void (*idle)(void *arg)); /* one of spans: called in each turn that is no flush */
void weir__exporters_on_change(void (*changed)(void));

#endif
