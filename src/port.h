/* L0: what weir asks of the system, by raw calls that keep errno and never enter malloc: clocks, thread ids, signal masks,
 * futex locks, memory. Invariant: every function here is async-signal-safe and leaves errno as it was. */
#ifndef WEIR_PORT_H
#define WEIR_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR__PAGE 4096u

/* Monotonic and wall clock in ns. */
uint64_t weir__clock_ns(void);
uint64_t weir__wall_ns(void);

int weir__tid(void);
int weir__pid(void);
/* True only where the kernel says that this process has no such thread: anything else counts as alive. */
bool weir__thread_is_gone(int tid);

/* All signals blocked, by the raw call: pthread_sigmask would leave two of libc's own open. */
uint64_t weir__signals_block(void);
void weir__signals_restore(uint64_t mask);

/* Waits while *word is value; false: the deadline (weir__clock_ns; UINT64_MAX: none) has passed. Spurious returns happen. */
bool weir__futex_wait(uint32_t *word, uint32_t value, uint64_t deadline_ns);
void weir__futex_wake(uint32_t *word, int waiters);

/* A full barrier on every thread of this process, at a moment within the call. ready: asks for it beforehand; false: the
 * system has none. */
bool weir__barrier_ready(void);
bool weir__barrier(void);

/* A lock of one word, 0 when free: usable in zeroed memory, and free again where fork has wiped it. 1: held, 2: waited for.
 * Pairing: taking is an acquire of the holder's releasing swap. */
struct weir__lock {
	uint32_t word;
};
void weir__lock(struct weir__lock *lock);
bool weir__lock_until(struct weir__lock *lock, uint64_t deadline_ns);
void weir__unlock(struct weir__lock *lock);

/* Private zeroed memory, never in huge pages; NULL where there is none. wipe: a forked child finds it zeroed, if the system
 * can do that (weir__can_wipe). writable: else it reads as zeros until weir__protect. */
void *weir__map(size_t bytes, bool writable, bool wipe);
void weir__unmap(void *memory, size_t bytes);
bool weir__make_writable(void *memory, size_t bytes);
bool weir__can_wipe(void);

/* The same words in a forked child as in a fresh process. One page for the process, made at first use, wiped on fork: locks
 * that another thread held at fork are free in the child. NULL where memory is at its end. */
struct weir__wiped {
	/* 0 in a process that has not entered yet: first use, or just forked. Writer and readers: holders of core. */
	uint32_t generation;
	/* The thread that holds core, so that its own re-entry is seen. Writer: the holder. Reader: any thread, which
	 * compares with itself only, so that no order is needed. */
	int core_holder;
	struct weir__lock exemplars; /* the store of exemplars: a leaf, after all others */
	struct weir__lock core;     /* registry, shards, segment: never held across malloc, callbacks or I/O */
	struct weir__lock snapshot; /* one snapshot at a time; before core */
	struct weir__lock life;     /* lists of callbacks and exporters, the engine's place; before snapshot */
	struct weir__lock drain;    /* one at a time takes up what threads hand over; before spans and exemplars */
	struct weir__lock spans;    /* the queue of ended spans */
	struct weir__lock set_up;   /* init and shutdown, one at a time; before life */
	uint32_t gate_inside;       /* weir's threads in foreign code. Writers: they; reader: exit */
	uint32_t gate_closed;       /* 1 from exit on. Writer: exit; readers: weir's threads (both seq_cst: Dekker) */
};
struct weir__wiped *weir__wiped(void);

#endif
