/* L0: time for spans: ticks that are cheap to read, and how many ns they are. Ticks are the processor's time stamp counter
 * where the system's own clock is that counter, else CLOCK_MONOTONIC in ns. Invariant: what began in one kind of ticks ends in
 * it. Writer of the anchors: who holds the drain lock. */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include "port.h"

#include <stdbool.h>
#include <stdint.h>

struct weir__moment {
	uint64_t ticks, wall_ns;
	bool counter; /* ticks are the counter's */
};
struct weir__moment weir__clock_moment(void); /* any thread, signal-safe */
/* ns a tick of the counter, times 2^32; 0: not known yet. Writer: who anchors; readers: any, relaxed: each value is good. */
extern uint64_t weir__clock_scale;
static inline uint64_t weir__ticks_pace(bool counter) /* the same of either kind */
{
	return counter ? __atomic_load_n(&weir__clock_scale, __ATOMIC_RELAXED) : UINT64_C(1) << 32;
}
static inline uint64_t weir__ticks_to_ns(uint64_t ticks, uint64_t pace)
{
#if defined(__SIZEOF_INT128__)
	__extension__ typedef unsigned __int128 u128;

	return (uint64_t)((u128)ticks * pace >> 32);
#else
	return (ticks >> 32) * pace + ((ticks & 0xffffffffu) * pace >> 32);
#endif
}

static inline uint64_t weir__ticks(bool counter)
{
#if defined(__x86_64__)
	if (counter)
		return __builtin_ia32_rdtsc();
#endif
	(void)counter;
	return weir__clock_ns();
}

/* ns from one reading to a later one, both of the kind that the pace is of. */
static inline uint64_t weir__ticks_between(uint64_t from, uint64_t to, uint64_t pace)
{
	uint64_t ticks;

	if (__builtin_expect(__builtin_sub_overflow(to, from, &ticks), 0))
		return 0; /* another processor's may be a little behind */
	return weir__ticks_to_ns(ticks, pace);
}

void weir__clock_start(void);  /* looks whether the counter may be used; at init */
void weir__clock_anchor(void); /* at ticks: ties the counter to the clocks anew */
void weir__clock_forget(void); /* in a forked child, whose own ticks have not begun */

#endif
