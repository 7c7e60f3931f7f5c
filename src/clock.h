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
/* What ties the counter to the wall clock. A sequence number and words: who anchors makes the number odd, stores each word with
 * release, and makes it even with release; a reader loads the number and each word with acquire, and the number again: who has
 * read a word of a later anchor then sees a later number. Nobody waits for an even one: the clocks are asked instead. */
extern struct weir__anchor {
	uint32_t number; /* odd: there is none, or it is being written */
	uint64_t ticks, wall_ns;
	uint64_t stale_ticks; /* how long it is trusted. Relaxed: each value is good */
} weir__anchor;
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

/* The moment by the counter. False: it is not trusted, and the clocks are to be asked. */
static inline bool weir__clock_counter(struct weir__moment *now)
{
	uint32_t number = __atomic_load_n(&weir__anchor.number, __ATOMIC_ACQUIRE);
	uint64_t at = __atomic_load_n(&weir__anchor.ticks, __ATOMIC_ACQUIRE);
	uint64_t wall = __atomic_load_n(&weir__anchor.wall_ns, __ATOMIC_ACQUIRE), passed;

	if (__builtin_expect((number & 1) != 0, 0))
		return false;
	now->ticks = weir__ticks(true);
	passed = now->ticks - at; /* another processor's may be a little behind: that is as stale */
	now->wall_ns = wall + weir__ticks_to_ns(passed, weir__ticks_pace(true));
	now->counter = true;
	return number == __atomic_load_n(&weir__anchor.number, __ATOMIC_RELAXED) &&
	       passed < __atomic_load_n(&weir__anchor.stale_ticks, __ATOMIC_RELAXED);
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
